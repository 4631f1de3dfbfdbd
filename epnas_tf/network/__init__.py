"""From an architecture to a network: `graph` says what stands where, `store` holds the variables, `network` runs it."""

from epnas_tf.network import macro, micro  # noqa: F401  (they register their builders)
from epnas_tf.network.graph import Graph, NetworkShape, Node, build_graph
from epnas_tf.network.network import Network, to_model
from epnas_tf.network.store import VariableStore

__all__ = ["Graph", "Network", "NetworkShape", "Node", "VariableStore", "build_graph", "to_model"]
