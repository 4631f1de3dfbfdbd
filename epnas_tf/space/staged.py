"""The staged space: blocks of ResNet and MobileNetV2 in stages, each of half the size and twice the channels.

The paper's two spaces hold no ResNet. This one has ResNet-20 (He et al., 2016), networks of MobileNetV2's blocks
(Sandler et al., 2018) and the networks of NAS-Bench-Macro (Su et al., 2021) as members.
"""

import dataclasses
import functools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from epnas_tf.arrays import Float32Array, Float64Array, Int64Array, IntArray
from epnas_tf.config import SpaceConfig
from epnas_tf.errors import ArchitectureError, ConfigError
from epnas_tf.nn.registry import check_operations, is_known, operation
from epnas_tf.space.architecture import StagedArchitecture
from epnas_tf.space.base import SearchSpace, check_index, check_indices, check_level, check_size
from epnas_tf.space.candidate_costs import CandidateCosts, LevelCosts, sums_of_cheapest
from epnas_tf.space.definition import Hyperparameters, Keeps, Parameter, SpaceDefinition, register_space
from epnas_tf.space.graph import Graph, Key, NetworkShape, add_head, add_stem, check_image_size
from epnas_tf.space.picture import BOX_HEIGHT, STEP, Arrow, Box, Drawing, Note
from epnas_tf.space.serialization import fields, inside

NONE = "none"
"""No block; at the first position of a stage after the first, a projection alone."""

STAGED_OPERATIONS: tuple[str, ...] = (
    NONE,
    "residual_half",
    "residual",
    "residual_double",
    "inverted_3x3_e3",
    "inverted_3x3_e6",
    "inverted_5x5_e3",
    "inverted_5x5_e6",
    "inverted_3x3_e3_se",
    "inverted_3x3_e6_se",
    "inverted_5x5_e3_se",
    "inverted_5x5_e6_se",
)
"""The operations of the staged space: no block, basic blocks of three widths, eight inverted residuals."""

BOX = 216
"""The width of a box: a stage, a number and the longest label."""


class StagedSpace(SearchSpace[StagedArchitecture, str]):
    """All networks of up to L blocks in S stages: an operation for each block.

    A level adds a block; the levels take turns among the stages, see `StagedArchitecture`. An extension is the name of
    its operation, and its index is that of the operation. The symbol array of a block is its operation, one-hot, then
    one bit for each trait that some of the operations share, such as a kernel of 5×5.

    Attributes:
        operations: the names of the operations to choose from; their order is that of the indices.
        stages: the number S of stages.
        traits: the words of the traits, see `epnas_tf.nn.Operation`.

    Example:
        >>> import epnas_tf
        >>> space = epnas_tf.StagedSpace(layers=9)
        >>> space.num_extensions(1), str(space.architecture([2, 0]))
        (12, '1.1 residual | 2.1 none')
    """

    name = "staged"

    def __init__(
        self,
        layers: int = SpaceConfig.layers,
        operations: Sequence[str] = STAGED_OPERATIONS,
        stages: int = SpaceConfig.stages,
    ) -> None:
        """Makes the space.

        Args:
            layers: the number L of blocks of the deepest network, at least 1.
            operations: the names of the operations to choose from. Any name is taken here; `make_space` takes those
                that are registered.
            stages: the number S of stages, at least 1.

        Raises:
            ConfigError: if a number is out of range, or the operations are none or not distinct.
        """
        self.num_levels = check_size("layers", layers)
        self.operations = check_operations(operations)
        self.stages = check_size("stages", stages)
        of_each = [operation(name).traits if is_known(name) else () for name in self.operations]
        # A trait of a single operation, or of all, says nothing that the operation does not say.
        every = list(dict.fromkeys(trait for traits in of_each for trait in traits))
        counts = [sum(trait in traits for traits in of_each) for trait in every]
        self.traits = tuple(t for t, count in zip(every, counts, strict=True) if 1 < count < len(self.operations))
        # float32 [operations, operations + traits].
        shared = np.array([[trait in traits for trait in self.traits] for traits in of_each], np.float32)
        self._symbols = np.concatenate([np.eye(len(self.operations), dtype=np.float32), shared], axis=1)
        self.num_features = self._symbols.shape[1]

    def num_extensions(self, level: int) -> int:
        """The number of operations.

        Raises:
            ArchitectureError: if there is no such level.
        """
        check_level(self, level)
        return len(self.operations)

    def extension(self, level: int, index: int) -> str:
        """Operation `index`.

        Raises:
            ArchitectureError: if the level or the index is out of range.
        """
        return self.operations[check_index(self, level, index)]

    def index(self, level: int, extension: str) -> int:
        """The index of an operation.

        Raises:
            ArchitectureError: if there is no such level, or no such operation.
        """
        check_level(self, level)
        if extension not in self.operations:
            raise ArchitectureError(
                f"Block {level} has the operations {', '.join(self.operations)}. Received: {extension!r}"
            )
        return self.operations.index(extension)

    def encode(self, level: int, indices: IntArray) -> Float32Array:
        """The symbol arrays of some operations.

        Args:
            level: the level, from 1.
            indices: integers of shape [n].

        Returns:
            float32 of shape [n, operations + traits], of zeros and ones.

        Raises:
            ArchitectureError: if the level or an index is out of range.
        """
        return self._symbols[check_indices(self, level, indices)]

    def extend(self, parent: StagedArchitecture | None, extension: str) -> StagedArchitecture:
        """The network with one more block, or of one block if `parent` is None.

        Raises:
            ArchitectureError: if the parent is not of this space or has all blocks already, or the operation is not one
                of this space.
        """
        blocks = () if parent is None else self.extensions(parent)
        self.index(len(blocks) + 1, extension)
        return StagedArchitecture((*blocks, extension), self.stages)

    def extensions(self, architecture: StagedArchitecture) -> tuple[str, ...]:
        """The operations of a network, that of level 1 first.

        Raises:
            ArchitectureError: if it is not a staged architecture with this number of stages.
        """
        if not isinstance(architecture, StagedArchitecture) or architecture.stages != self.stages:
            raise ArchitectureError(
                f"The staged space holds staged architectures of {self.stages} stages. Received: {architecture!r}"
            )
        return architecture.blocks


def build_staged_graph(architecture: StagedArchitecture, shape: NetworkShape) -> Graph:
    """Builds the network of a staged architecture; see `build_graph`.

    The first block of a stage after the first halves height and width and doubles the channels. It is there in every
    network, so that the shared variables of all others have one shape: where the architecture has none, it is a
    projection.
    """
    depth = architecture.num_levels
    if depth > shape.num_levels:
        raise ArchitectureError(f"The deepest architecture has {shape.num_levels} blocks. Received: {depth} blocks")
    stages = range(1, architecture.stages + 1)
    channels = [shape.channels * 2 ** (stage - 1) for stage in stages]
    return graph_of_stages([architecture.of_stage(stage) for stage in stages], channels, shape)


def graph_of_stages(stages: Sequence[Sequence[str]], channels: Sequence[int], shape: NetworkShape) -> Graph:
    """Builds a network of blocks in stages; each stage but the first begins with half the height and width.

    Args:
        stages: the operations of each stage's blocks; a stage without any is a projection.
        channels: the channels of each stage; the stem has those of the first.
        shape: has the images and the classes.

    Raises:
        DataError: if the images are too small to be halved as often.
    """
    check_image_size(shape, len(stages) - 1)
    graph, before, depth = Graph(), 0, sum(map(len, stages))
    stem = add_stem(graph, dataclasses.replace(shape, channels=channels[0]))
    # The ReLU behind the stem, which ResNet has.
    output = graph.add(("stem", "relu"), "sum_relu", stem, channels=channels[0])
    for stage, blocks in enumerate(stages, 1):
        for number, name in enumerate(blocks or (NONE,), 1):
            first = number == 1 and stage > 1
            key: Key = ("stage", stage, "block", number, name)
            path_depth = min(1.0, (before + number) / depth)
            output = _add_block(graph, key, output, channels[stage - 1], first, path_depth)
            if first and stage == len(stages):
                graph.taps = (output,)
        before += len(blocks)
    add_head(graph, {("stage",): output}, shape)
    return graph


def _add_block(graph: Graph, key: Key, source: Key, channels: int, first: bool, path_depth: float) -> Key:
    """Adds a block: its operation, and the shortcut around it that the operation's record asks for."""
    name = str(key[-1])
    if name == NONE and not first:
        return source
    shortcut, stride = operation(name).shortcut, 2 if first else 1
    if shortcut == "always" or (shortcut == "equal" and not first):
        # The operation may be dropped, since the shortcut remains.
        branch = graph.add(key, name, source, channels=channels, stride=stride, path_depth=path_depth)
        if first:
            source = graph.add((*key, "shortcut"), NONE, source, channels=channels, stride=stride)
        kind = "sum_relu" if shortcut == "always" else "sum"
        return graph.add((*key, "sum"), kind, source, branch, channels=channels)
    return graph.add(key, name, source, channels=channels, stride=stride)


class StagedCosts(CandidateCosts):
    """Costs by blocks: what an operation adds depends on its level alone, since that fixes size and channels."""

    space: StagedSpace

    def of_level(self, parents: Sequence[StagedArchitecture | None], level: int) -> LevelCosts:
        """See the base class. A candidate costs what its parent does, and what its block adds."""
        before = np.array([0.0 if parent is None else self.cost_of(parent) for parent in parents], np.float64)
        added, rests = self._added[level - 1], self._rests[level - 1]

        def costs(indices: Int64Array) -> Iterator[Float64Array]:
            own = before.reshape(len(parents), -1) + added[indices][:, np.newaxis]  # [n, parents, m]
            for rest in rests:
                yield own + rest

        return costs

    @functools.cached_property
    def _added(self) -> list[Float64Array]:
        """What each operation adds at each level, [operations, m]; at level 1, the cost of the whole network."""
        added: list[Float64Array] = []
        architecture: StagedArchitecture | None = None
        before: Any = 0.0
        for _ in range(self.space.num_levels):
            costs = [self.cost_of(self.space.extend(architecture, name)) for name in self.space.operations]
            added.append(np.array(costs, np.float64) - before)
            # One chain is enough: what a block adds does not depend on those before it.
            architecture, before = self.space.extend(architecture, self.space.operations[0]), costs[0]
        return added

    @functools.cached_property
    def _rests(self) -> list[Float64Array]:
        """For each level, the lowest costs of the blocks after it, [ways, m]."""
        return sums_of_cheapest(self._added[1:], self._added[0].shape[1:])


def _make_space(config: SpaceConfig) -> StagedSpace:
    fixed = [name for name in config.operations if operation(name).keeps_channels]
    if fixed and config.stages > 1:
        raise ConfigError(
            "The first block of a stage doubles the channels, so `operations` of the staged space must be able to. "
            f"Received: {fixed[0]!r}, which gives as many channels as it reads. Leave it out."
        )
    return StagedSpace(config.layers, config.operations, config.stages)


def _parameters(space: StagedSpace, level: int) -> list[Parameter]:
    return [Parameter("Choice", f"block_{level}_operation", (list(space.operations),))]


def _to_block(space: StagedSpace, level: int, values: Mapping[str, Any]) -> str:
    return str(values[f"block_{level}_operation"])


def _blocks_kept(space: StagedSpace, values: Mapping[str, tuple[Any, ...]], level: int) -> Keeps:
    kept = np.isin(space.operations, values.get(f"block_{level}_operation", space.operations))
    return lambda indices: kept[indices]


def _to_json(architecture: StagedArchitecture) -> list[Any]:
    return [
        {"stage": architecture.place(level)[0], "stages": architecture.stages, "operation": name}
        for level, name in enumerate(architecture.blocks, 1)
    ]


def _from_json(items: list[Any]) -> StagedArchitecture:
    names, stages = [], None
    for number, item in enumerate(items):
        with inside(f"blocks[{number}]"):
            given = fields(item, required=("stage", "stages", "operation"))
            stages = given["stages"] if stages is None else stages
            architecture = StagedArchitecture((given["operation"],), stages)
            expected = {"stage": architecture.place(number + 1)[0], "stages": stages}
            if {name: given[name] for name in expected} != expected:
                raise ArchitectureError(
                    f"The blocks take turns among the stages: this one has {expected}. "
                    f"Received: stage={given['stage']!r}, stages={given['stages']!r}"
                )
            names.append(given["operation"])
    return StagedArchitecture(tuple(names), stages or 1)


def _reads(architecture: StagedArchitecture) -> list[list[str]]:
    found = []
    for level in range(1, architecture.num_levels + 1):
        stage, number = architecture.place(level)
        before = f"block {level - architecture.stages}" if number > 1 else f"stage {stage - 1}"
        found.append(["stem" if before == "stage 0" else before])
    return found


def draw_stages(architecture: StagedArchitecture) -> Drawing:
    """Draws a network as a column of its blocks, stage after stage."""
    shapes: list[Arrow | Note | Box] = [Box(24.0, "stem: conv 3×3", width=BOX)]
    y = 24.0

    def below(text: str, number: str = "", note: str = "") -> None:
        nonlocal y
        above, y = y, y + (STEP + 12 if note else STEP)
        shapes.extend([Arrow(above + BOX_HEIGHT / 2, y - BOX_HEIGHT / 2), Box(y, text, number, width=BOX)])
        if note:
            shapes.append(Note((above + y) / 2 - 1, note))

    for stage in range(1, architecture.stages + 1):
        for number, name in enumerate(architecture.of_stage(stage) or (NONE,), 1):
            halves = number == 1 and stage > 1
            below(name, f"{stage}.{number}", "half the size, twice the channels" if halves else "")
    below("average, softmax")
    count = sum(name != NONE for name in architecture.blocks)
    alt = f"{architecture.stages} stages with {count} block{'s' * (count != 1)}: {architecture}"
    caption = (
        "From the image at the top to the classes at the bottom. A box is a block, with its stage and its number in "
        "the stage. Where there is none, nothing is done; at the beginning of a stage, a 1×1 convolution."
    )
    return Drawing(y + 24, tuple(shapes), "From image to classes", alt, caption)


register_space(
    SpaceDefinition(
        name=StagedSpace.name,
        architecture=StagedArchitecture,
        make_space=_make_space,
        build_graph=build_staged_graph,
        to_json=_to_json,
        from_json=_from_json,
        default_operations=STAGED_OPERATIONS,
        level="block",
        reads=_reads,
        reads_caption=lambda _: (
            "What each block reads: the block before it in its stage, or the end of the stage before."
        ),
        draw=draw_stages,
        # An operation's own key; longer ones are those of its shortcut and sum.
        place=lambda key: key[:4] if key[0] == "stage" and len(key) == 5 else None,
        hyperparameters=Hyperparameters(
            "blocks",
            _parameters,
            _to_block,
            lambda space, level, name: {f"block_{level}_operation": name},
            _blocks_kept,
        ),
        candidate_costs=StagedCosts,
        fewer_operations=(NONE, "residual", "inverted_3x3_e3", "inverted_3x3_e6", "inverted_5x5_e6"),
    )
)
