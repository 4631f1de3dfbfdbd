"""Predicts the scores of architectures from their symbol arrays (paper, section 4, "Surrogate function").

- `surrogate`: the sum of an `additive` model and of an `ensemble` of LSTMs, times their `residual_weight`.
- `lstm`: the LSTM's arithmetic; `lstm_graphs`: its traced training; `scoring`: millions of candidates at once.
- `residuals`: what whole architectures score beyond the prediction.
- `symbol_costs`: what is known of symbols before any score.
- `table`: the scores that were measured, which the surrogate learns from.
"""

from epnas_tf.lazy import importer

_HOMES = {
    "AdditiveModel": "additive",
    "LSTMEnsemble": "ensemble",
    "Measurement": "table",
    "ResidualProcess": "residuals",
    "ScoreTable": "table",
    "Surrogate": "surrogate",
    "SymbolCosts": "symbol_costs",
}

__all__ = sorted(_HOMES)
__getattr__ = importer(__name__, _HOMES)
