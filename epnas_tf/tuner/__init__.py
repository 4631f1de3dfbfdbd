"""The search through KerasTuner; no other room imports it.

- `oracle`, `tuner`, `hypermodel`: KerasTuner's three parts; `hyperparameters`: architectures as its values.
- `chief`, `workers`: several processes; `project`, `tuner_data`: what lies in the project's directory.
- `restrictions`, `surface`: what cannot be honoured is refused.
"""

from epnas_tf.lazy import importer

_HOMES = {
    "EPNASOracle": "oracle",
    "EPNASTuner": "tuner",
    "MacroHyperModel": "hypermodel",
    "MicroHyperModel": "hypermodel",
    "SpaceHyperModel": "hypermodel",
}

__all__ = sorted(_HOMES)
__getattr__ = importer(__name__, _HOMES)
