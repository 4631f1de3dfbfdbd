"""Trainable parameters and sizes of a network from the formulas of the design, written without the network's code.

C channels, i input channels of an operation, k its side. Every batch norm has 2C: scale and offset.

    convolution            k²iC + 2C            1×1 convolution of n sources, then batch norm    nC² + 2C
    separable convolution  k²i + iC + 2C        factorised reduction                             C² + 2C
    pooling, identity      0                    classifier of p parts, K classes                 pCK + K
"""

OPERATIONS = {
    "max_pool_3x3": lambda c: 0,
    "average_pool_3x3": lambda c: 0,
    "conv_3x3": lambda c: 9 * c**2 + 2 * c,
    "conv_5x5": lambda c: 25 * c**2 + 2 * c,
    "sep_conv_3x3": lambda c: 9 * c + c**2 + 2 * c,
    "sep_conv_5x5": lambda c: 25 * c + c**2 + 2 * c,
    "identity": lambda c: 0,
}


def reduction(c):
    """Parameters of a factorised reduction: two kernels that share the C output channels, and a batch norm."""
    return c * ((c + 1) // 2) + c * (c // 2) + 2 * c


def stem(shape):
    return 9 * shape.image_shape[2] * shape.channels + 2 * shape.channels


def macro_parameters(architecture, shape):
    c, classes, third = shape.channels, shape.num_classes, shape.num_levels // 3
    layers = {
        number: (layer.operation, {*layer.skips, number - 1}) for number, layer in enumerate(architecture.layers, 1)
    }
    total = stem(shape) + c * classes + classes
    for operation, sources in layers.values():
        total += len(sources) * c**2 + 2 * c + OPERATIONS[operation](c)
    for halving in (third, 2 * third) if third else ():
        read_later = {source for number, (_, sources) in layers.items() if number > halving for source in sources}
        total += len([source for source in read_later if source <= halving]) * reduction(c)
    return total


def cells(shape):
    """Returns, cell by cell, its channels and whether it is a reduction: N normal, one reduction, and so on."""
    stack = [False] * shape.normal_cells
    plan = [*stack, True, *stack, True, *stack]
    return [(shape.channels * 2 ** sum(plan[: number + 1]), is_reduction) for number, is_reduction in enumerate(plan)]


def live_cells(last, inputs):
    """Returns the cells (from 1) that the cell `last` depends on, itself included; cells below 1 are the stem."""
    if last < 1:
        return set()
    return {last}.union(*(live_cells(last + number, inputs) for number in inputs))


def micro_parameters(architecture, shape):
    blocks = [((b.left.operation, b.left.input), (b.right.operation, b.right.input)) for b in architecture.blocks]
    used = {source for sides in blocks for _, source in sides}
    parts = sum(number not in used for number in range(1, len(blocks) + 1))
    total = stem(shape)
    plan = cells(shape)
    live = live_cells(len(plan), used & {-2, -1})
    # (parts, channels) of the two outputs before a cell: twice the stem at first
    inputs = {-2: (1, shape.channels), -1: (1, shape.channels)}
    for cell, (channels, is_reduction) in enumerate(plan, 1):
        before, inputs = inputs, {-2: inputs[-1], -1: (parts, channels)}
        if cell not in live:
            continue
        total += sum(before[n][0] * before[n][1] * channels + 2 * channels for n in (-2, -1) if n in used)
        for operation, source in [side for sides in blocks for side in sides]:
            halves = is_reduction and source < 0
            total += (reduction if operation == "identity" and halves else OPERATIONS[operation])(channels)
    return total + parts * channels * shape.num_classes + shape.num_classes


def node_sizes(graph, image_shape):
    """Returns height and width of each node's output, by key: a stride of 2 halves and rounds up."""
    sizes = {("image",): tuple(image_shape[:2])}
    for node in graph:
        first, *others = [sizes[source] for source in node.sources]
        assert all(size == first for size in others), f"{node.key} joins different sizes"
        sizes[node.key] = tuple((side + node.stride - 1) // node.stride for side in first)
    return sizes
