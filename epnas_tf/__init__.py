"""Efficient progressive neural architecture search in TensorFlow and Keras (Pérez-Rúa, Baccouche, Pateux, 2018).

The public names. They are imported when they are first used, so `import epnas_tf` costs nothing and does not import
TensorFlow.
"""

import importlib
import os
import platform
from typing import TYPE_CHECKING, Any

__version__ = "0.3.0"

if platform.machine() == "x86_64":
    # Without AVX-512, TensorFlow leaves oneDNN's convolutions off, which take half the time there, too. It reads this
    # while it is imported.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

_HOMES = {
    "ChildConfig": "config",
    "DataConfig": "config",
    "FinalNetworkConfig": "config",
    "LimitConfig": "config",
    "NetworkConfig": "config",
    "RecipeConfig": "config",
    "RunConfig": "config",
    "SearchConfig": "config",
    "SpaceConfig": "config",
    "SurrogateConfig": "config",
    "TrainingConfig": "config",
    "EPNASError": "errors",
    "Evaluation": "evaluation",
    "Metrics": "evaluation",
    "Predictions": "evaluation",
    "evaluate": "evaluation",
    "load_classifier": "evaluation",
    "predict": "evaluation",
    "ExportResult": "export",
    "export_network": "export",
    "Network": "network",
    "NetworkShape": "space",
    "VariableStore": "network",
    "to_model": "network",
    "write_report": "report",
    "MacroHyperModel": "tuner",
    "MicroHyperModel": "tuner",
    "StagedHyperModel": "tuner",
    "SpaceHyperModel": "tuner",
    "EPNASOracle": "tuner",
    "Candidate": "search",
    "ProgressiveSearch": "search",
    "CompareConfig": "config",
    "CompareListener": "run",
    "CompareResult": "run",
    "Listener": "run",
    "SearchResult": "run",
    "prepare_tensorflow": "devices",
    "compare_config": "run",
    "run_compare": "run",
    "run_search": "run",
    "EPNASTuner": "tuner",
    "MacroArchitecture": "space",
    "MacroSpace": "space",
    "MicroArchitecture": "space",
    "MicroSpace": "space",
    "StagedArchitecture": "space",
    "StagedSpace": "space",
    "SearchSpace": "space",
    "load_architecture": "space",
    "save_architecture": "space",
    "training_config": "training.settings",
    "load_trained": "training.trained",
    "TrainedNetwork": "training.trained",
    "TrainingListener": "training.trainer",
    "TrainingResult": "training.trainer",
    "train_final": "training.trainer",
}

__all__ = sorted(_HOMES)

if TYPE_CHECKING:
    from epnas_tf.config import (
        ChildConfig,
        CompareConfig,
        DataConfig,
        FinalNetworkConfig,
        LimitConfig,
        NetworkConfig,
        RecipeConfig,
        RunConfig,
        SearchConfig,
        SpaceConfig,
        SurrogateConfig,
        TrainingConfig,
    )
    from epnas_tf.devices import prepare_tensorflow
    from epnas_tf.errors import EPNASError
    from epnas_tf.evaluation import Evaluation, Metrics, Predictions, evaluate, load_classifier, predict
    from epnas_tf.export import ExportResult, export_network
    from epnas_tf.network import Network, VariableStore, to_model
    from epnas_tf.report import write_report
    from epnas_tf.run.compare import CompareListener, CompareResult, compare_config, run_compare
    from epnas_tf.run.runner import Listener, SearchResult, run_search
    from epnas_tf.search.candidate import Candidate
    from epnas_tf.search.progressive import ProgressiveSearch
    from epnas_tf.space import (
        MacroArchitecture,
        MacroSpace,
        MicroArchitecture,
        MicroSpace,
        NetworkShape,
        SearchSpace,
        StagedArchitecture,
        StagedSpace,
        load_architecture,
        save_architecture,
    )
    from epnas_tf.training.settings import training_config
    from epnas_tf.training.trained import TrainedNetwork, load_trained
    from epnas_tf.training.trainer import TrainingListener, TrainingResult, train_final
    from epnas_tf.tuner.hypermodel import MacroHyperModel, MicroHyperModel, SpaceHyperModel, StagedHyperModel
    from epnas_tf.tuner.oracle import EPNASOracle
    from epnas_tf.tuner.tuner import EPNASTuner


def __getattr__(name: str) -> Any:
    """Imports a public name when it is first used (PEP 562)."""
    if name in _HOMES:
        try:
            return getattr(importlib.import_module(f"epnas_tf.{_HOMES[name]}"), name)
        except Exception:  # Keras raises several where it is set to a backend that is not there
            importlib.import_module("epnas_tf.environment").check_backend()
            raise
    raise AttributeError(f"module 'epnas_tf' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
