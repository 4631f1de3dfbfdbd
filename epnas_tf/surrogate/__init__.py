"""Predicts the scores of architectures from their symbol arrays (paper, section 4, "Surrogate function").

- `surrogate`: what every surrogate offers. `additive_surrogate`: the default, a sum of terms, fitted in `additive`.
- `lstm_surrogate`: the paper's, with its arithmetic in `lstm` and its traced training in `lstm_graphs`.
- `residuals`: what whole architectures score beyond the prediction.
- `symbol_costs`: what is known of symbols before any score.
- `table`: the scores that were measured, which the surrogate learns from.
"""

from epnas_tf.lazy import importer

_HOMES = {
    "AdditiveModel": "additive",
    "AdditiveSurrogate": "additive_surrogate",
    "LSTMSurrogate": "lstm_surrogate",
    "Measurement": "table",
    "ResidualProcess": "residuals",
    "ScoreTable": "table",
    "Surrogate": "surrogate",
    "SymbolCosts": "symbol_costs",
}

__all__ = sorted(_HOMES)
__getattr__ = importer(__name__, _HOMES)
