"""From an architecture's graph to a network over shared variables.

- `network`: the network, called on tensors or as a Keras model; `store`: the variables that all architectures share.
- `functions`, `gradient`, `layout`: a child's training step; `optimizer`: how it moves the variables.
"""

from epnas_tf.lazy import importer

_HOMES = {"Network": "network", "VariableStore": "store", "to_model": "network"}

__all__ = sorted(_HOMES)
__getattr__ = importer(__name__, _HOMES)
