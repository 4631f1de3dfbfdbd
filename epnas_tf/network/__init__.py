"""From an architecture to a network: `graph` says what stands where, `store` holds the variables, `network` runs it.

`Network`, `VariableStore` and `to_model` are imported when they are first used: graphs and their costs need no
TensorFlow.
"""

import importlib
from typing import TYPE_CHECKING, Any

from epnas_tf.network import macro, micro  # noqa: F401  (they register their builders)
from epnas_tf.network.graph import Graph, NetworkShape, Node, build_graph

if TYPE_CHECKING:
    from epnas_tf.network.network import Network, to_model
    from epnas_tf.network.store import VariableStore

__all__ = ["Graph", "Network", "NetworkShape", "Node", "VariableStore", "build_graph", "to_model"]

_HOMES = {"Network": "network", "to_model": "network", "VariableStore": "store"}


def __getattr__(name: str) -> Any:
    """Imports a name that needs TensorFlow (PEP 562)."""
    if name in _HOMES:
        return getattr(importlib.import_module(f"epnas_tf.network.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'epnas_tf.network' has no attribute {name!r}")
