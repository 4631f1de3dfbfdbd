"""The macro space: whole networks with skip connections (paper, section 3)."""

import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from epnas_tf.arrays import BoolArray, Float32Array, Float64Array, Int64Array, IntArray
from epnas_tf.config import SpaceConfig
from epnas_tf.errors import ArchitectureError
from epnas_tf.nn.registry import check_operations
from epnas_tf.space.architecture import MacroArchitecture, MacroLayer
from epnas_tf.space.base import SearchSpace, check_index, check_indices, check_level, check_size
from epnas_tf.space.candidate_costs import CandidateCosts, LevelCosts, sums_of_cheapest
from epnas_tf.space.definition import Hyperparameters, Keeps, Parameter, SpaceDefinition, register_space
from epnas_tf.space.graph import Graph, Key, NetworkShape, add_head, add_stem, check_image_size
from epnas_tf.space.picture import BLUE, BOX_HEIGHT, BOX_WIDTH, CENTER, STEP, VERMILION, Arcs, Arrow, Box, Drawing, Note
from epnas_tf.space.serialization import fields, inside

MACRO_OPERATIONS: tuple[str, ...] = (
    "max_pool_3x3",
    "average_pool_3x3",
    "conv_3x3",
    "conv_5x5",
    "sep_conv_3x3",
    "sep_conv_5x5",
)
"""The six operations of the macro space, in the paper's order (paper, section 3)."""

MAX_LAYERS = 50
"""Keeps the indices of a level (operations · 2^(l-1)), times the number of parents, well inside int64."""


class MacroSpace(SearchSpace[MacroArchitecture, MacroLayer]):
    """All networks of up to L layers: an operation and a subset of the earlier outputs for each layer.

    Layer l always takes the output of layer l - 1; l - 1 skip bits choose among the stem (output 0) and the layers 1 to
    l - 2. So there are 6^12 · 2^66 networks of 12 layers, the paper's ~2×10^29.

    The index of a layer is `operation · 2^(l-1) + Σ 2^s` over its skips s. The symbol array of a layer is its
    operation, one-hot, then one bit for each output 0 … L - 2; the bits that layer l cannot set are 0.

    Attributes:
        operations: the names of the operations to choose from; their order is that of the indices.

    Example:
        >>> import epnas_tf
        >>> space = epnas_tf.MacroSpace(layers=12)
        >>> space.num_extensions(1), space.num_extensions(12)
        (6, 12288)
    """

    name = "macro"

    def __init__(self, layers: int = SpaceConfig.layers, operations: Sequence[str] = MACRO_OPERATIONS) -> None:
        """Makes the space.

        Args:
            layers: the number L of layers of the deepest network, 1 to `MAX_LAYERS`.
            operations: the names of the operations to choose from. Any name is taken here; `make_space` takes those
                that are registered.

        Raises:
            ConfigError: if `layers` is out of range, or the operations are none or not distinct.
        """
        self.num_levels = check_size("layers", layers, MAX_LAYERS)
        self.operations = check_operations(operations)
        self.num_features = len(self.operations) + self.num_levels - 1
        self._operation_indices = {name: index for index, name in enumerate(self.operations)}

    def num_extensions(self, level: int) -> int:
        """The number of layers to choose from: operations · 2^(level - 1).

        Raises:
            ArchitectureError: if there is no such level.
        """
        check_level(self, level)
        return len(self.operations) << (level - 1)

    def extension(self, level: int, index: int) -> MacroLayer:
        """Layer `index` of a level.

        Raises:
            ArchitectureError: if the level or the index is out of range.
        """
        # The low bits of an index are the skips, the rest is the operation.
        operation, bits = divmod(check_index(self, level, index), 1 << (level - 1))
        return MacroLayer(self.operations[operation], tuple(s for s in range(level - 1) if bits >> s & 1))

    def index(self, level: int, extension: MacroLayer) -> int:
        """The index of a layer.

        Raises:
            ArchitectureError: if there is no such level, or no such layer at it.
        """
        check_level(self, level)
        if not isinstance(extension, MacroLayer):
            raise ArchitectureError(f"An extension of the macro space is a MacroLayer. Received: {extension!r}")
        operation = self._operation_indices.get(extension.operation)
        if operation is None:
            raise ArchitectureError(
                f"Layer {level} has the operations {', '.join(self.operations)}. Received: {extension.operation!r}"
            )
        if extension.skips and extension.skips[-1] > level - 2:
            raise ArchitectureError(
                f"Layer {level} may skip from the outputs {list(range(level - 1))}. Received: skips={extension.skips}"
            )
        return (operation << (level - 1)) + sum(1 << skip for skip in extension.skips)

    def encode(self, level: int, indices: IntArray) -> Float32Array:
        """The symbol arrays of some layers of a level.

        Args:
            level: the level, from 1.
            indices: integers of shape [n].

        Returns:
            float32 of shape [n, operations + L - 1], of zeros and ones.

        Raises:
            ArchitectureError: if the level or an index is out of range.
        """
        indices = check_indices(self, level, indices)
        num_operations = len(self.operations)
        symbols = np.zeros((len(indices), self.num_features), np.float32)
        # The operation, one-hot.
        symbols[np.arange(len(indices)), indices >> (level - 1)] = 1
        # The skip bits, a column at a time: no integers of the whole shape in between.
        for skip in range(level - 1):
            symbols[:, num_operations + skip] = indices >> skip & 1
        return symbols

    def extend(self, parent: MacroArchitecture | None, extension: MacroLayer) -> MacroArchitecture:
        """The network with one more layer, or of one layer if `parent` is None.

        Raises:
            ArchitectureError: if the parent is no macro architecture or has all layers already, or the layer is not one
                of its level.
        """
        layers = () if parent is None else self.extensions(parent)
        self.index(len(layers) + 1, extension)
        return MacroArchitecture((*layers, extension))

    def extensions(self, architecture: MacroArchitecture) -> tuple[MacroLayer, ...]:
        """The layers of a network, layer 1 first.

        Raises:
            ArchitectureError: if it is not a macro architecture.
        """
        if not isinstance(architecture, MacroArchitecture):
            raise ArchitectureError(f"The macro space holds macro architectures. Received: {architecture!r}")
        return architecture.layers


def halvings(num_levels: int) -> tuple[int, ...]:
    """The layers (from 1) after which the images are halved: one and two thirds of the way, as in ENAS.

    Args:
        num_levels: layers L of the deepest architecture of the search.
    """
    third = num_levels // 3
    return (third, 2 * third) if third else ()


def build_macro_graph(architecture: MacroArchitecture, shape: NetworkShape) -> Graph:
    """Builds the network of a macro architecture; see `build_graph`.

    Layer l concatenates its sources, brings them to C channels by ReLU, 1×1 convolution and batch norm, and applies its
    operation. Channels stay C. At a halving, every earlier output that a later layer still reads is halved too.
    """
    depth, channels = len(architecture.layers), shape.channels
    if depth > shape.num_levels:
        raise ArchitectureError(f"The deepest architecture has {shape.num_levels} layers. Received: {depth} layers")
    halved_after = halvings(shape.num_levels)
    check_image_size(shape, len(halved_after))
    graph = Graph()
    outputs: dict[int, Key] = {0: add_stem(graph, shape)}  # H_l at the present resolution
    for l, layer in enumerate(architecture.layers, 1):
        # A 1×1 convolution of the concatenated sources, as the sum of one for each source (paper, section 3).
        projections = [
            graph.add(
                ("layer", l, "source", s),
                "source_projection",
                outputs[s],
                channels=channels,
                # A skip connection may be dropped; the chain itself may not, or nothing would be left.
                path_depth=l / depth if s < l - 1 else 0.0,
            )
            for s in architecture.sources(l)
        ]
        merged = graph.add(("layer", l, "sources"), "sum_batch_norm", *projections, channels=channels)
        outputs[l] = graph.add(("layer", l, layer.operation), layer.operation, merged, channels=channels)
        if l in halved_after:
            # Everything that a later layer reads comes down to the new resolution.
            needed = {s for later in range(l + 1, depth + 1) for s in architecture.sources(later) if s <= l}
            for s in sorted(needed):
                key = ("halving", l, "source", s)
                outputs[s] = graph.add(key, "factorized_reduction", outputs[s], channels=channels, stride=2)
            if l == halved_after[-1] and l < depth:
                graph.taps = (outputs[l],)
    add_head(graph, {("layer",): outputs[depth]}, shape)
    return graph


class MacroCosts(CandidateCosts):
    """Costs by symbols: a layer's operation and, for each skip connection, its projection and the halvings before."""

    space: MacroSpace

    def of_level(self, parents: Sequence[MacroArchitecture | None], level: int) -> LevelCosts:
        """See the base class. Costs of skips add up, so they are a product of symbol arrays and symbol costs."""
        weights = np.stack([self._weights(parent, level) for parent in parents], axis=1)  # [features, parents, m]
        rests = self._rests[level - 1]

        def costs(indices: Int64Array) -> Iterator[Float64Array]:
            # The sum of the costs of each candidate's symbols, float64 [n, parents, m]. Not a matrix product: BLAS's
            # threads spin after one, and take cores from the scoring that runs beside it.
            own = np.einsum("nf,fpm->npm", self.space.encode(level, indices).astype(np.float64), weights)
            # Once for each cheapest way to complete the network.
            for rest in rests:
                yield own + rest

        return costs

    @functools.cached_property
    def _rests(self) -> list[Float64Array]:
        """For each level, the lowest costs of the layers after it, [ways, m]: one operation each, no skips."""
        operations = self.space.operations
        # One chain is enough: every operation gives C channels, so its cost does not depend on those before it.
        architecture = self._extended(None, operations[0])
        added = []
        for _ in range(1, self.space.num_levels):
            # The cost that each operation adds as the next layer, float64 [operations, m].
            after = [self.cost_of(self._extended(architecture, operation)) for operation in operations]
            added.append(np.array(after) - self.cost_of(architecture))
            architecture = self._extended(architecture, operations[0])
        return sums_of_cheapest(added, self.cost_of(architecture).shape)

    def _extended(self, parent: MacroArchitecture | None, operation: str, *skips: int) -> MacroArchitecture:
        return self.space.extend(parent, MacroLayer(operation, skips))

    def _weights(self, parent: MacroArchitecture | None, level: int) -> Float64Array:
        """The costs of symbols, float64 [features, m]: the network with each operation, and what each skip adds."""
        operations = self.space.operations
        without = [self.cost_of(self._extended(parent, operation)) for operation in operations]
        # A skip costs the same with every operation, so it is measured with the first.
        added = [self.cost_of(self._extended(parent, operations[0], s)) - without[0] for s in range(level - 1)]
        # Bits that a layer of this level cannot set are always 0.
        unused = [np.zeros_like(without[0])] * (self.space.num_features - len(operations) - len(added))
        return np.array([*without, *added, *unused])


def _parameters(space: MacroSpace, level: int) -> list[Parameter]:
    operation = Parameter("Choice", f"layer_{level}_operation", (list(space.operations),))
    skips = [Parameter("Boolean", f"layer_{level}_skip_{s}", default=False) for s in range(level - 1)]
    return [operation, *skips]


def _to_layer(space: MacroSpace, level: int, values: Mapping[str, Any]) -> MacroLayer:
    skips = tuple(s for s in range(level - 1) if values[f"layer_{level}_skip_{s}"])
    return MacroLayer(values[f"layer_{level}_operation"], skips)


def _to_values(space: MacroSpace, level: int, layer: MacroLayer) -> dict[str, Any]:
    skips = {f"layer_{level}_skip_{s}": s in layer.skips for s in range(level - 1)}
    return {f"layer_{level}_operation": layer.operation} | skips


def _layers_kept(space: MacroSpace, values: Mapping[str, tuple[Any, ...]], level: int) -> Keeps:
    operations = np.isin(space.operations, values.get(f"layer_{level}_operation", space.operations))
    names = {skip: f"layer_{level}_skip_{skip}" for skip in range(level - 1)}
    skips = {skip: values[name] for skip, name in names.items() if name in values}

    def keeps(indices: Int64Array) -> BoolArray:
        kept = operations[indices >> (level - 1)]
        for skip, allowed in skips.items():
            kept = kept & np.isin(indices >> skip & 1, np.array(allowed, np.int64))
        return kept

    return keeps


def _from_json(items: list[Any]) -> MacroArchitecture:
    return MacroArchitecture(tuple(_layer(item, f"layers[{i}]") for i, item in enumerate(items)))


def _layer(value: object, where: str) -> MacroLayer:
    with inside(where):
        given = fields(value, required=("operation",), optional=("skips",))
        skips = given.get("skips", [])
        if not isinstance(skips, list):
            raise ArchitectureError(f"`skips` must be a list of integers. Received: skips={skips!r:.80}")
        return MacroLayer(given["operation"], tuple(skips))


def _reads(architecture: MacroArchitecture) -> list[list[str]]:
    sources = (reversed(architecture.sources(l)) for l in range(1, architecture.num_levels + 1))
    return [[", ".join("stem" if s == 0 else f"layer {s}" for s in of_layer)] for of_layer in sources]


def draw_chain(architecture: MacroArchitecture) -> Drawing:
    """Draws a network as a chain of layers, with an arc for each skip connection (paper, Fig. 4)."""
    depth = architecture.num_levels
    halved = [l for l in halvings(depth) if l < depth]
    # The middle of each box, from the stem to the softmax; a halving needs more room.
    ys = [24.0]
    for l in range(1, depth + 2):
        ys.append(ys[-1] + (STEP + 12 if l - 1 in halved else STEP))
    layers = list(enumerate(architecture.layers, 1))
    lines: list[Arrow | Note] = []
    for l in range(1, depth + 2):
        lines.append(Arrow(ys[l - 1] + BOX_HEIGHT / 2, ys[l] - BOX_HEIGHT / 2))
        lines += [Note((ys[l - 1] + ys[l]) / 2 - 1, "half the size")] if l - 1 in halved else []
    # The longest skip bows out farthest, so that arcs nest.
    longest = max(l - s for l, _ in layers for s in architecture.sources(l))

    def curves(remainder: int) -> Iterator[tuple[float, float, float]]:
        for l, s in ((l, s) for l, layer in layers if l % 2 == remainder for s in layer.skips):
            bulge = 22 + (CENTER - BOX_WIDTH / 2 - 34) * (l - s - 2) / max(longest - 2, 1)
            yield ys[s] + 4, ys[l] - 4, bulge

    arcs = Arcs(tuple(curves(0)), 1, VERMILION), Arcs(tuple(curves(1)), -1, BLUE)
    boxes = [Box(ys[l], layer.operation, str(l)) for l, layer in layers]
    ends = Box(ys[0], "stem: conv 3×3"), Box(ys[-1], "average, softmax")
    skips = sum(len(layer.skips) for layer in architecture.layers)
    caption = (
        "From the image at the top to the classes at the bottom. Each layer reads the one right above it; an arc is a "
        "skip connection, which it reads as well. Arcs into layers of odd numbers are on the left, into even ones on "
        "the right, only to keep them apart."
    )
    if not skips:
        caption = "From the image at the top to the classes at the bottom. There are no skip connections."
    numbers = f"{depth} layer{'s' * (depth != 1)} with {skips} skip connection{'s' * (skips != 1)}"
    shapes = (*lines, *arcs, ends[0], *boxes, ends[1])
    return Drawing(ys[-1] + 24, shapes, "From image to classes", f"A chain of {numbers}: {architecture}", caption)


register_space(
    SpaceDefinition(
        name=MacroSpace.name,
        architecture=MacroArchitecture,
        make_space=lambda config: MacroSpace(config.layers, config.operations),
        build_graph=build_macro_graph,
        to_json=lambda a: [{"operation": layer.operation, "skips": list(layer.skips)} for layer in a.layers],
        from_json=_from_json,
        default_operations=MACRO_OPERATIONS,
        reads=_reads,
        reads_caption=lambda _: "What each layer reads: the layer before it, then its skip connections.",
        draw=draw_chain,
        hyperparameters=Hyperparameters("layers", _parameters, _to_layer, _to_values, _layers_kept),
        candidate_costs=MacroCosts,
        fewer_operations=("max_pool_3x3", "conv_3x3", "conv_5x5", "sep_conv_3x3", "sep_conv_5x5"),
    )
)
