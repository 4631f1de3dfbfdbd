"""The public names of the package, and where each of them lives; `__init__` imports them on first use."""

from .config.search import (
    ChildConfig as ChildConfig,
    LimitConfig as LimitConfig,
    RunConfig as RunConfig,
    SearchConfig as SearchConfig,
    SurrogateConfig as SurrogateConfig,
)
from .config.shared import DataConfig as DataConfig, NetworkConfig as NetworkConfig, SpaceConfig as SpaceConfig
from .config.training import (
    CompareConfig as CompareConfig,
    FinalNetworkConfig as FinalNetworkConfig,
    RecipeConfig as RecipeConfig,
    TrainingConfig as TrainingConfig,
)
from .config.workers import WorkersConfig as WorkersConfig
from .devices import prepare_tensorflow as prepare_tensorflow
from .errors import EPNASError as EPNASError
from .evaluation.evaluation import Evaluation as Evaluation, evaluate as evaluate
from .evaluation.models import load_classifier as load_classifier
from .evaluation.prediction import Predictions as Predictions, predict as predict
from .export.exporter import ExportResult as ExportResult, export_network as export_network
from .metrics import Metrics as Metrics
from .network.network import Network as Network, to_model as to_model
from .network.store import VariableStore as VariableStore
from .report.page import write_report as write_report
from .run.compare import (
    CompareListener as CompareListener,
    CompareResult as CompareResult,
    compare_config as compare_config,
    run_compare as run_compare,
)
from .run.one_search import Listener as Listener, SearchResult as SearchResult
from .run.runner import run_search as run_search, run_searches as run_searches
from .search.candidate import Candidate as Candidate
from .search.progressive import ProgressiveSearch as ProgressiveSearch
from .space.architecture import (
    MacroArchitecture as MacroArchitecture,
    MicroArchitecture as MicroArchitecture,
    StagedArchitecture as StagedArchitecture,
)
from .space.base import SearchSpace as SearchSpace
from .space.graph import NetworkShape as NetworkShape
from .space.macro import MacroSpace as MacroSpace
from .space.micro import MicroSpace as MicroSpace
from .space.serialization import load_architecture as load_architecture, save_architecture as save_architecture
from .space.staged import StagedSpace as StagedSpace
from .training.settings import training_config as training_config
from .training.trained import TrainedNetwork as TrainedNetwork, load_trained as load_trained
from .training.trainer import (
    TrainingListener as TrainingListener,
    TrainingResult as TrainingResult,
    train_final as train_final,
)
from .tuner.hypermodel import (
    MacroHyperModel as MacroHyperModel,
    MicroHyperModel as MicroHyperModel,
    SpaceHyperModel as SpaceHyperModel,
    StagedHyperModel as StagedHyperModel,
)
from .tuner.oracle import EPNASOracle as EPNASOracle
from .tuner.tuner import EPNASTuner as EPNASTuner

__version__: str
__all__: list[str]
