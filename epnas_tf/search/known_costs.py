"""The costs of a space's networks that the search knows before it trains any."""

from typing import Any

import numpy as np

from epnas_tf.arrays import Float64Array
from epnas_tf.cost.network_cost import cost
from epnas_tf.errors import ArchitectureError
from epnas_tf.space.base import SearchSpace
from epnas_tf.space.definition import build_graph, known_spaces
from epnas_tf.space.graph import NetworkShape
from epnas_tf.surrogate.symbol_costs import SymbolCosts

IMAGE_SHAPE, CLASSES, CHANNELS = (128, 128, 3), 10, 16
"""Of the networks that are measured. Only the costs of architectures relative to each other matter."""


def known_costs(space: SearchSpace[Any, Any]) -> SymbolCosts | None:
    """The parameters and multiply-adds of a space's symbols, in standard deviations of whole architectures' costs.

    Returns:
        None if the space is not registered, or has an operation without a cost.
    """
    shape = NetworkShape(IMAGE_SHAPE, CLASSES, CHANNELS, space.num_levels, normal_cells=1)

    def costs_of(architecture: Any) -> Float64Array:
        found = cost(build_graph(architecture, shape), shape.image_shape)
        return np.array([found.parameters, found.multiply_adds], np.float64)

    if space.name not in known_spaces():
        return None
    try:
        return SymbolCosts.of_space(space, costs_of, scaled=True)
    except ArchitectureError:  # an operation's cost is optional
        return None
