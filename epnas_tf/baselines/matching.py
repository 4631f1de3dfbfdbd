"""The member of a family that is nearest to a size."""

import dataclasses
import math
from collections.abc import Iterator

from epnas_tf.baselines.families import FAMILIES, Family, Form, form, stages_of
from epnas_tf.cost.network_cost import cost
from epnas_tf.nn.costs import Cost
from epnas_tf.space.graph import Graph, NetworkShape

MEASURES = ("parameters", "multiply_adds")
"""What a size can be measured by."""

MOST_BLOCKS = 18
"""Blocks a stage of the deepest member: those of ResNet-110."""

WIDEST = 2**14
NEAR = 0.04
"""Relative difference of sizes that are near enough for another reason to decide."""

NARROW = 16
"""Channels of a last stage below which a member is avoided, the more with each halving."""


@dataclasses.dataclass(frozen=True)
class Baseline:
    """A hand-made network.

    Attributes:
        title: what it is called, with its depth.
        form: its depth and its channels.
        graph: its layers.
        cost: its parameters and multiply-adds.
    """

    title: str
    form: Form
    graph: Graph
    cost: Cost


def match(
    family: str,
    target: float,
    by: str = "parameters",
    *,
    image_shape: tuple[int, int, int],
    num_classes: int,
) -> Baseline:
    """Chooses depth and width of a family's member for the nearest size.

    Of the members whose size is within 4 % of the target, one as it was published is taken (ResNet-20, -32, -44, -56
    or -110 with 16, 32, 64 channels); else the one whose depth is nearest to the usual one (ResNet-20, MobileNetV2 of
    18 blocks, a plain chain of nine convolutions); else the nearest. Members with fewer than 16 channels in the last
    stage are taken if no other is as near, and those with half as many after them. If none is within 4 %, the nearest
    of all is taken.

    Args:
        family: a name in `FAMILIES`.
        target: the size.
        by: one of `MEASURES`.
        image_shape: (height, width, channels) of the images.
        num_classes: classes, at least 2.

    Raises:
        DataError: if the images are smaller than 2×2, or there are fewer than two classes.
    """
    kind, stages = FAMILIES[family], stages_of(image_shape)
    shape = NetworkShape(image_shape, num_classes, channels=2, num_levels=1)
    members = [
        (member, abs(math.log(size / target)))
        for blocks in range(1, MOST_BLOCKS + 1)
        for member, size in _near(kind, blocks, stages, shape, target, by)
    ]
    published = {form(*numbers, stages) for numbers in kind.published}

    def worth(entry: tuple[Form, float]) -> tuple[object, ...]:
        member, distance = entry
        if distance > math.log1p(NEAR):
            return (math.inf, distance)
        depth = abs(math.log(member.blocks / kind.usual))
        narrow = max(0, math.ceil(math.log2(NARROW / member.channels[-1])))
        return (narrow, member not in published, depth, distance)

    best, _ = min(members, key=worth)
    graph = kind.build(best, shape)
    return Baseline(kind.title(best), best, graph, cost(graph, image_shape))


def _near(
    kind: Family, blocks: int, stages: int, shape: NetworkShape, target: float, by: str
) -> Iterator[tuple[Form, int]]:
    """The members of a depth that are about the target's size, each with its size."""

    def size(widest: int) -> int:
        found: int = getattr(cost(kind.build(form(blocks, widest, stages), shape), shape.image_shape), by)
        return found

    low, high = 1, WIDEST  # the size rises with the channels: bisection
    while low < high:
        middle = (low + high) // 2
        if size(middle) < target:
            low = middle + 1
        else:
            high = middle
    for widest in range(max(1, low - 2), low + 2):
        yield form(blocks, widest, stages), size(widest)
