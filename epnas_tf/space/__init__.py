"""Architectures and search spaces (paper, section 3): plain values and NumPy, no TensorFlow.

- `architecture`: the frozen values `MacroArchitecture`, `MicroArchitecture` and `StagedArchitecture`; `serialization`:
  their JSON form.
- `base`: `SearchSpace` and its six abstract members.
- `definition`: `SpaceDefinition`, everything specific to a space; `macro` and `micro` are the paper's two spaces,
  `staged` one of blocks of ResNet and MobileNetV2.
- `graph`: a network as a value; `picture`: its picture as a value.
"""

from epnas_tf.nn import check_operations
from epnas_tf.space.architecture import (
    CELL_BEFORE_PREVIOUS,
    PREVIOUS_CELL,
    Architecture,
    BlockSide,
    MacroArchitecture,
    MacroLayer,
    MicroArchitecture,
    MicroBlock,
    StagedArchitecture,
)
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.definition import (
    SpaceDefinition,
    build_graph,
    definition_of,
    definition_of_space,
    depth_of,
    known_spaces,
    make_space,
    register_space,
)
from epnas_tf.space.graph import Graph, NetworkShape, Node, add_head, add_stem
from epnas_tf.space.macro import MACRO_OPERATIONS, MacroSpace
from epnas_tf.space.micro import MICRO_OPERATIONS, MicroSpace
from epnas_tf.space.serialization import (
    architecture_from_dict,
    architecture_from_json,
    architecture_to_dict,
    architecture_to_json,
    load_architecture,
    save_architecture,
)
from epnas_tf.space.staged import STAGED_OPERATIONS, StagedSpace

__all__ = [
    "CELL_BEFORE_PREVIOUS",
    "MACRO_OPERATIONS",
    "MICRO_OPERATIONS",
    "PREVIOUS_CELL",
    "STAGED_OPERATIONS",
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
    "SpaceDefinition",
    "StagedArchitecture",
    "StagedSpace",
    "add_head",
    "add_stem",
    "architecture_from_dict",
    "architecture_from_json",
    "architecture_to_dict",
    "architecture_to_json",
    "build_graph",
    "check_operations",
    "definition_of",
    "definition_of_space",
    "depth_of",
    "known_spaces",
    "load_architecture",
    "make_space",
    "register_space",
    "save_architecture",
]
