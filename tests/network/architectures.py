"""Architectures for tests in short form, and networks small enough to build by the dozen."""

from epnas_tf.space import (
    BlockSide,
    MacroArchitecture,
    MacroLayer,
    MicroArchitecture,
    MicroBlock,
    NetworkShape,
    StagedArchitecture,
)


def macro(*layers):
    """Makes a macro architecture: each layer an operation, or an operation followed by its skips."""
    pairs = [(layer, ()) if isinstance(layer, str) else (layer[0], layer[1:]) for layer in layers]
    return MacroArchitecture(tuple(MacroLayer(operation, tuple(skips)) for operation, skips in pairs))


def micro(*blocks):
    """Makes a cell: each block (operation, input, operation, input)."""
    return MicroArchitecture(tuple(MicroBlock(BlockSide(o1, s1), BlockSide(o2, s2)) for o1, s1, o2, s2 in blocks))


MACRO_SHAPE = NetworkShape((8, 8, 1), num_classes=10, channels=4, num_levels=3)
MICRO_SHAPE = NetworkShape((8, 8, 1), num_classes=10, channels=4, num_levels=2, normal_cells=1)

MACRO = macro("conv_3x3", ("sep_conv_3x3", 0), ("max_pool_3x3", 1))
OTHER_MACRO = macro("conv_3x3", ("sep_conv_5x5", 0), ("max_pool_3x3", 0))
MICRO = micro(("conv_3x3", -2, "identity", -1), ("sep_conv_3x3", -1, "identity", 1))
OTHER_MICRO = micro(("conv_3x3", -2, "identity", -1), ("sep_conv_3x3", -1, "average_pool_3x3", -2))

STAGED_SHAPE = NetworkShape((8, 8, 1), num_classes=10, channels=4, num_levels=4)
STAGED = StagedArchitecture(("residual", "inverted_3x3_e3", "none", "inverted_5x5_e3_se"), stages=2)
OTHER_STAGED = StagedArchitecture(("residual", "residual_half", "none", "inverted_5x5_e3_se"), stages=2)

PAIRS = {
    "macro": (MACRO, OTHER_MACRO, MACRO_SHAPE),
    "micro": (MICRO, OTHER_MICRO, MICRO_SHAPE),
    "staged": (STAGED, OTHER_STAGED, STAGED_SHAPE),
}
"""For each space two architectures that share some layers, and the shape of their networks."""
