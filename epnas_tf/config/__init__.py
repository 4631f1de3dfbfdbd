"""All settings in one place, each with its default, bounds, unit and source.

Flags, the page of flags and the printed settings are made from these dataclasses.
"""

from epnas_tf.config.search import (
    PAPER_SEARCH,
    PAPER_SURROGATE,
    ChildConfig,
    LimitConfig,
    RankConfig,
    RunConfig,
    SearchConfig,
    SurrogateConfig,
    check_rule,
)
from epnas_tf.config.shared import (
    L2_CHOICES,
    L2_ON,
    MIXED_PRECISION,
    NOT_AUGMENTED,
    XLA,
    DataConfig,
    NetworkConfig,
    SpaceConfig,
)
from epnas_tf.config.training import (
    COMPARED,
    FOUND,
    LARGEST,
    RANDOM,
    CompareConfig,
    FinalNetworkConfig,
    RecipeConfig,
    TrainingConfig,
)
from epnas_tf.config.workers import WorkersConfig, check_ray, check_workers

__all__ = [
    "COMPARED",
    "FOUND",
    "L2_CHOICES",
    "L2_ON",
    "LARGEST",
    "MIXED_PRECISION",
    "NOT_AUGMENTED",
    "PAPER_SEARCH",
    "PAPER_SURROGATE",
    "RANDOM",
    "XLA",
    "ChildConfig",
    "CompareConfig",
    "DataConfig",
    "FinalNetworkConfig",
    "LimitConfig",
    "NetworkConfig",
    "RankConfig",
    "RecipeConfig",
    "RunConfig",
    "SearchConfig",
    "SpaceConfig",
    "SurrogateConfig",
    "TrainingConfig",
    "WorkersConfig",
    "check_ray",
    "check_rule",
    "check_workers",
]
