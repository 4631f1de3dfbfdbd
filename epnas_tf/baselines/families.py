"""Families of hand-made networks for small images, over depth and width.

All have the three stages of He et al. (2016, section 4.2): each but the first has half the height and width and twice
the channels. Images of less than eight pixels a side get fewer stages.
"""

import dataclasses
from collections.abc import Callable, Mapping

from epnas_tf.space.graph import Graph, Key, NetworkShape, add_head, add_stem, check_image_size
from epnas_tf.space.staged import graph_of_stages

STAGES = 3


@dataclasses.dataclass(frozen=True)
class Form:
    """A member of a family.

    Attributes:
        blocks: blocks or convolutions in each stage.
        channels: the channels of each stage.
    """

    blocks: int
    channels: tuple[int, ...]

    @property
    def layers(self) -> int:
        """The blocks or convolutions of all stages."""
        return self.blocks * len(self.channels)


@dataclasses.dataclass(frozen=True)
class Family:
    """Networks of one kind.

    Attributes:
        name: its name in flags and files.
        usual: blocks in each stage of the member that people take first.
        title: describes a member, without its channels.
        build: makes a member's graph.
        published: members as they were published, blocks with the channels of the last stage.
    """

    name: str
    usual: int
    title: Callable[[Form], str]
    build: Callable[[Form, NetworkShape], Graph]
    published: tuple[tuple[int, int], ...] = ()


def stages_of(image_shape: tuple[int, int, int]) -> int:
    """The number of stages: three, or fewer so that the last one still has two pixels a side."""
    return max(1, min(STAGES, min(image_shape[:2]).bit_length() - 1))


def form(blocks: int, widest: int, stages: int) -> Form:
    """The member with so many channels in its last stage; those before have half, a quarter, rounded, at least one."""
    halves = [2 ** (stages - stage) for stage in range(1, stages + 1)]
    return Form(blocks, tuple(max(1, (widest + half // 2) // half) for half in halves))


def _of_blocks(operation: str) -> Callable[[Form, NetworkShape], Graph]:
    """Builds networks of one kind of block; with channels that double they are members of the staged space."""
    return lambda member, shape: graph_of_stages(
        [[operation] * member.blocks] * len(member.channels), member.channels, shape
    )


def _plain(member: Form, shape: NetworkShape) -> Graph:
    """Builds a chain of 3×3 convolutions, each with batch norm and ReLU; max pooling between the stages, as in VGG."""
    check_image_size(shape, len(member.channels) - 1)
    graph = Graph()
    output = add_stem(graph, dataclasses.replace(shape, channels=member.channels[0]))  # the first convolution
    for stage, channels in enumerate(member.channels, 1):
        for number in range(1, member.blocks + 1):
            key: Key = ("stage", stage, "convolution", number)
            if number == 1 and stage > 1:
                before = member.channels[stage - 2]
                output = graph.add(("stage", stage, "pool"), "max_pool_3x3", output, channels=before, stride=2)
            if number > 1 or stage > 1:
                # The operation is ReLU, convolution, batch norm: the ReLU of the convolution before.
                output = graph.add(key, "conv_3x3", output, channels=channels)
            if number == 1 and stage > 1:
                graph.taps = (output,)
    output = graph.add(("stage", "relu"), "sum_relu", output, channels=member.channels[-1])
    add_head(graph, {("stage",): output}, shape)
    return graph


FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family(
            "resnet",
            3,
            lambda member: f"ResNet-{2 * member.layers + 2}",
            _of_blocks("residual"),
            tuple((blocks, 64) for blocks in (3, 5, 7, 9, 18)),
        ),
        # 17 blocks were published. Its layer of 1,280 features is left out: it would be most of a small network.
        Family(
            "mobilenet_v2", 6, lambda member: f"MobileNetV2 of {member.layers} blocks", _of_blocks("inverted_3x3_e6")
        ),
        Family("plain", 3, lambda member: f"plain chain of {member.layers} convolutions", _plain),
    )
}
"""The families by name: ResNet (He et al., 2016), MobileNetV2 (Sandler et al., 2018), and a chain like VGG's."""
