"""A convolution of 7×7, and the space of plain chains: one operation after the other, the images halved twice."""

import dataclasses

import numpy as np

from epnas_tf.errors import ArchitectureError
from epnas_tf.nn import convolution, register
from epnas_tf.space import Graph, NetworkShape, SearchSpace, SpaceDefinition, add_head, add_stem, register_space

register(convolution("conv_7x7", 7, label="conv 7×7", short="C7", color="#1f6fb0"))


@dataclasses.dataclass(frozen=True)
class Chain:
    """The operations' names, that of level 1 first."""

    operations: tuple[str, ...]

    @property
    def num_levels(self) -> int:
        return len(self.operations)

    def __str__(self) -> str:
        return " | ".join(self.operations)


class ChainSpace(SearchSpace[Chain, str]):
    """An extension is an operation; its symbol array is one-hot."""

    name = "chain"

    def __init__(self, levels: int, operations: tuple[str, ...]) -> None:
        self.num_levels, self.operations, self.num_features = levels, operations, len(operations)

    def num_extensions(self, level: int) -> int:
        return len(self.operations)

    def extension(self, level: int, index: int) -> str:
        return self.operations[index]

    def index(self, level: int, extension: str) -> int:
        if level > self.num_levels or extension not in self.operations:
            raise ArchitectureError(
                f"Up to {self.num_levels} of {self.operations} were expected. Received: {extension}"
            )
        return self.operations.index(extension)

    def encode(self, level: int, indices: np.ndarray) -> np.ndarray:
        return np.eye(self.num_features, dtype=np.float32)[indices]

    def extend(self, parent: Chain | None, extension: str) -> Chain:
        return Chain((*(parent.operations if parent else ()), extension))

    def extensions(self, architecture: Chain) -> tuple[str, ...]:
        return architecture.operations


def build_graph(chain: Chain, shape: NetworkShape) -> Graph:
    """Every level has C channels; a third and two thirds of the way, it halves its input."""
    graph, halving = Graph(), {shape.num_levels // 3 + 1, 2 * shape.num_levels // 3 + 1}
    output = add_stem(graph, shape)
    for level, name in enumerate(chain.operations, 1):
        key, stride = ("layer", level, name), 2 if level in halving else 1
        output = graph.add(key, name, output, channels=shape.channels, stride=stride)
    add_head(graph, {("layer",): output}, shape)
    return graph


register_space(
    SpaceDefinition(
        name=ChainSpace.name,
        architecture=Chain,
        make_space=lambda config: ChainSpace(config.layers, config.operations),
        build_graph=build_graph,
        to_json=lambda chain: list(chain.operations),
        from_json=lambda names: Chain(tuple(names)),
        default_operations=("conv_3x3", "conv_5x5", "conv_7x7", "max_pool_3x3"),
    )
)
