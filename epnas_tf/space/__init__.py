"""What an architecture is and which ones there are (paper, section 3): plain values and NumPy, no TensorFlow.

- `architecture`: the frozen values `MacroArchitecture` and `MicroArchitecture`; `serialization`: their JSON form.
- `base`: `SearchSpace`, the six members that a space has to give; `macro` and `micro` are the paper's two spaces.
- `operations`: the names of the operations.
"""

from typing import Any

from epnas_tf.config import SpaceConfig
from epnas_tf.errors import ConfigError
from epnas_tf.space import macro_graph, micro_graph  # noqa: F401  (they register their builders)
from epnas_tf.space.architecture import (
    CELL_BEFORE_PREVIOUS,
    PREVIOUS_CELL,
    Architecture,
    BlockSide,
    MacroArchitecture,
    MacroLayer,
    MicroArchitecture,
    MicroBlock,
)
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.graph import Graph, NetworkShape, Node, build_graph
from epnas_tf.space.macro import MacroSpace
from epnas_tf.space.micro import MicroSpace
from epnas_tf.space.operations import (
    AVERAGE_POOL_3X3,
    CONV_3X3,
    CONV_5X5,
    IDENTITY,
    MACRO_OPERATIONS,
    MAX_POOL_3X3,
    MICRO_OPERATIONS,
    SEPARABLE_CONV_3X3,
    SEPARABLE_CONV_5X5,
    check_operations,
)
from epnas_tf.space.serialization import (
    architecture_from_dict,
    architecture_from_json,
    architecture_to_dict,
    architecture_to_json,
    load_architecture,
    save_architecture,
)

__all__ = [
    "AVERAGE_POOL_3X3",
    "CELL_BEFORE_PREVIOUS",
    "CONV_3X3",
    "CONV_5X5",
    "IDENTITY",
    "MACRO_OPERATIONS",
    "MAX_POOL_3X3",
    "MICRO_OPERATIONS",
    "PREVIOUS_CELL",
    "SEPARABLE_CONV_3X3",
    "SEPARABLE_CONV_5X5",
    "Architecture",
    "BlockSide",
    "Graph",
    "MacroArchitecture",
    "MacroLayer",
    "MacroSpace",
    "MicroArchitecture",
    "MicroBlock",
    "MicroSpace",
    "NetworkShape",
    "Node",
    "SearchSpace",
    "architecture_from_dict",
    "architecture_from_json",
    "architecture_to_dict",
    "architecture_to_json",
    "build_graph",
    "check_operations",
    "load_architecture",
    "make_space",
    "save_architecture",
]


def make_space(config: SpaceConfig) -> SearchSpace[Any, Any]:
    """Returns the space that the settings describe.

    Args:
        config: the settings; without operations, the space has the paper's.

    Raises:
        ConfigError: if an operation is unknown to that space or named twice, or the space would be too deep.
    """
    if config.space == MacroSpace.name:
        return MacroSpace(config.layers, check_operations(config.operations or MACRO_OPERATIONS, MACRO_OPERATIONS))
    if config.space == MicroSpace.name:
        return MicroSpace(config.blocks, check_operations(config.operations or MICRO_OPERATIONS, MICRO_OPERATIONS))
    raise ConfigError(f"`space` must be {MacroSpace.name} or {MicroSpace.name}. Received: space={config.space!r}")
