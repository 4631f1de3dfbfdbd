"""The micro space against the paper, PNAS and brute force."""

import itertools

import numpy as np
import pytest

from epnas_tf.config import SpaceConfig
from epnas_tf.errors import ArchitectureError, ConfigError
from epnas_tf.space import MICRO_OPERATIONS, BlockSide, MicroArchitecture, MicroBlock, MicroSpace
from tests.space.test_architecture import MACRO, MICRO


def ordered_pairs(operations, level):
    sides = [BlockSide(name, source) for source in (-2, -1, *range(1, level)) for name in operations]
    return list(itertools.product(sides, repeat=2))


def test_defaults_are_the_settings():
    space = MicroSpace()
    assert space.num_levels == SpaceConfig().blocks == 5
    assert space.operations == MICRO_OPERATIONS
    assert space.num_features == 2 * (7 + 6)
    assert space.name == "micro"


def test_cardinality():
    space = MicroSpace()
    assert [space.num_extensions(level) for level in range(1, 6)] == [105, 231, 406, 630, 903]
    assert space.cardinality() == 105 * 231 * 406 * 630 * 903
    assert f"{space.cardinality():.1e}" == "5.6e+12"
    assert space.cardinality(1) == 105


@pytest.mark.parametrize(
    ("num_operations", "level", "ordered", "unordered"),
    [(7, 1, 196, 105), (7, 2, 441, 231), (7, 3, 784, 406), (7, 4, 1225, 630), (7, 5, 1764, 903), (8, 1, 256, 136)],
)
def test_blocks_by_brute_force(num_operations, level, ordered, unordered):
    """With 8 operations PNAS counts 136 blocks of 256 (facts: PNAS's B = 1)."""
    operations = (*MICRO_OPERATIONS, "dilated_conv_3x3")[:num_operations]
    space = MicroSpace(5, operations)
    pairs = ordered_pairs(operations, level)
    blocks = {MicroBlock(left, right) for left, right in pairs}
    assert (len(pairs), len(blocks)) == (ordered, unordered)
    assert {space.extension(level, index) for index in range(space.num_extensions(level))} == blocks
    for left, right in pairs:
        block = MicroBlock(left, right)
        assert space.extension(level, space.index(level, block)) == block


@pytest.mark.parametrize("space", [MicroSpace(2, ["b", "a"]), MicroSpace(3, ["a"])], ids=["two", "one"])
def test_whole_small_spaces(space):
    for level in range(1, space.num_levels + 1):
        tables = [range(space.num_extensions(depth)) for depth in range(1, level + 1)]
        found = {space.architecture(indices): indices for indices in itertools.product(*tables)}
        assert len(found) == space.cardinality(level)
        assert all(space.indices(architecture) == indices for architecture, indices in found.items())
        assert len({str(architecture) for architecture in found}) == len(found)
        assert all(architecture.unused_blocks()[-1] == level for architecture in found)


def test_a_block_keeps_its_index_at_deeper_levels():
    space = MicroSpace(4)
    for index in range(space.num_extensions(2)):
        assert space.extension(2, index) == space.extension(4, index)


def test_index_is_exact_where_a_square_root_would_not_be():
    space = MicroSpace(60, [f"operation_{i}" for i in range(40)])
    for larger in (0, 1, 1000, 2439):
        for index in (larger * (larger + 1) // 2, larger * (larger + 1) // 2 + larger):
            assert space.index(60, space.extension(60, index)) == index
            smaller = index - larger * (larger + 1) // 2
            sides = {divmod(option, 40) for option in (smaller, larger)}
            symbols = space.encode(60, np.array([index]))[0].reshape(2, 40 + 61)
            assert {(int(row[40:].argmax()), int(row[:40].argmax())) for row in symbols} == sides


def test_symbols():
    """Options are numbered b, a; a block puts the side a(c-2) before b(c-2): the symbols follow the block."""
    space = MicroSpace(2, ["b", "a"])
    block = MicroBlock(BlockSide("b", -2), BlockSide("a", -2))
    assert block.left.operation == "a"
    np.testing.assert_array_equal(space.encode(1, np.array([space.index(1, block)])), [[0, 1, 1, 0, 0, 1, 0, 1, 0, 0]])
    other = MicroBlock(BlockSide("a", 1), BlockSide("b", -1))
    np.testing.assert_array_equal(space.encode(2, np.array([space.index(2, other)])), [[1, 0, 0, 1, 0, 0, 1, 0, 0, 1]])


@pytest.mark.parametrize("operations", [MICRO_OPERATIONS, MICRO_OPERATIONS[::-1]])
def test_symbols_are_those_of_the_canonical_block(operations):
    space = MicroSpace(5, operations)
    for level in range(1, 6):
        symbols = space.encode(level, np.arange(space.num_extensions(level), dtype=np.int32))
        for index, row in enumerate(symbols):
            expected = []
            for side in space.extension(level, index).sides:
                expected += [side.operation == name for name in operations]
                expected += [side.input == source for source in (-2, -1, 1, 2, 3, 4)]
            assert row.tolist() == expected


def test_sampling_is_uniform():
    """Chi-square of 10,000 draws over 10 cells at alpha = 1e-6, so one false alarm in a million seeds; seed fixed."""
    space = MicroSpace(1, ["a", "b"])
    rng = np.random.default_rng(0)
    counts = np.zeros(10)
    for _ in range(10_000):
        counts[space.indices(space.sample(rng))] += 1
    statistic = float(((counts - 1000) ** 2 / 1000).sum())
    assert statistic < 44.81  # quantile 1 - 1e-6 with 9 degrees of freedom


@pytest.mark.parametrize("blocks", [0, -1, True, 2.0, "3", None])
def test_refuses_blocks(blocks):
    with pytest.raises(ConfigError, match="`blocks` must be an integer of at least 1") as info:
        MicroSpace(blocks)
    assert str(info.value).endswith(f"Received: blocks={blocks!r}")


@pytest.mark.parametrize("operations", [[], ["a", "a"], "conv_3x3", ["a/b"]])
def test_refuses_operations(operations):
    with pytest.raises(ConfigError, match="Received: "):
        MicroSpace(3, operations)


SPACE = MicroSpace(3, ["conv_3x3", "conv_5x5"])
BLOCK = MicroBlock(BlockSide("conv_3x3", -1), BlockSide("conv_5x5", -2))


def with_side(*side):
    return MicroBlock(BlockSide("conv_3x3", -1), BlockSide(*side))


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: SPACE.num_extensions(0), ["levels 1 to 3", "level=0"]),
        (lambda: SPACE.num_extensions(4), ["levels 1 to 3", "level=4"]),
        (lambda: SPACE.extension(1, 10), ["extensions 0 to 9", "Received: 10"]),
        (lambda: SPACE.extension(1, -1), ["extensions 0 to 9", "Received: -1"]),
        (lambda: SPACE.index(4, BLOCK), ["level=4"]),
        (lambda: SPACE.index(1, with_side("identity", -2)), ["conv_3x3, conv_5x5", "Received: 'identity'"]),
        (lambda: SPACE.index(2, with_side("conv_3x3", 2)), ["Block 2", "-2, -1, 1.", "Received: input=2"]),
        (lambda: SPACE.index(1, BLOCK.left), ["MicroBlock", "Received: BlockSide("]),
        (lambda: SPACE.encode(1, np.array([10])), ["0 to 9", "Received: 10"]),
        (lambda: SPACE.encode(1, np.array([-1])), ["0 to 9", "Received: -1"]),
        (lambda: SPACE.encode(1, np.array(0)), ["shape [n]", "shape=[]"]),
        (lambda: SPACE.extend(SPACE.architecture([0] * 3), BLOCK), ["level=4"]),
        (lambda: SPACE.extend(None, with_side("conv_3x3", 1)), ["-2, -1.", "Received: input=1"]),
        (lambda: SPACE.extend(MACRO, BLOCK), ["micro architectures", "Received: MacroArchitecture"]),
        (lambda: SPACE.validate(MACRO), ["micro architectures", "Received: MacroArchitecture"]),
        (lambda: SPACE.validate(MICRO), ["conv_3x3, conv_5x5", "Received: 'identity'"]),
        (lambda: SPACE.validate(MicroArchitecture([BLOCK] * 4)), ["level=4"]),
    ],
)
def test_refuses(call, parts):
    with pytest.raises(ArchitectureError) as info:
        call()
    for part in [*parts, "Received: "]:
        assert part in str(info.value)
