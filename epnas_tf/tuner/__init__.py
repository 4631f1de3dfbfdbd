"""The search as a KerasTuner tuner; no other room imports it.

- `oracle`, `tuner`, `hypermodel`: KerasTuner's three parts; `hyperparameters`: architectures as its values.
- `chief`, `workers`: several processes; `project`, `tuner_data`: the contents of the project's directory.
- `restrictions`, `surface`: refusal of what is not supported.
"""

from epnas_tf.lazy import importer

_HOMES = {
    "EPNASOracle": "oracle",
    "EPNASTuner": "tuner",
    "MacroHyperModel": "hypermodel",
    "MicroHyperModel": "hypermodel",
    "StagedHyperModel": "hypermodel",
    "SpaceHyperModel": "hypermodel",
}

__all__ = sorted(_HOMES)
__getattr__ = importer(__name__, _HOMES)
