"""The macro space against the paper and against brute force."""

import itertools

import numpy as np
import pytest

from epnas_tf.config import SpaceConfig
from epnas_tf.errors import ArchitectureError, ConfigError
from epnas_tf.space import MACRO_OPERATIONS, MacroArchitecture, MacroLayer, MacroSpace
from tests.space.test_architecture import MACRO, MICRO


def subsets(values):
    return itertools.chain.from_iterable(itertools.combinations(values, size) for size in range(len(values) + 1))


def test_defaults_are_the_settings():
    space = MacroSpace()
    assert space.num_levels == SpaceConfig().layers == 12
    assert space.operations == MACRO_OPERATIONS
    assert space.num_features == 6 + 11
    assert space.name == "macro"


def test_cardinality_of_the_paper():
    space = MacroSpace()
    assert space.cardinality() == 6**12 * 2**66
    assert f"{space.cardinality():.0e}" == "2e+29"  # (paper, section 3)
    assert [space.num_extensions(level) for level in range(1, 13)] == [6 * 2**i for i in range(12)]
    assert 25 * space.num_extensions(12) == 307_200
    assert 25 * MacroSpace(20).num_extensions(20) == 78_643_200
    assert space.cardinality(2) == 6 * 12


@pytest.mark.parametrize("level", [1, 2, 3, 4])
def test_layers_by_brute_force(level):
    space = MacroSpace(4)
    layers = [MacroLayer(name, skips) for name in MACRO_OPERATIONS for skips in subsets(range(level - 1))]
    assert {space.extension(level, index) for index in range(space.num_extensions(level))} == set(layers)
    assert len(set(layers)) == len(layers) == space.num_extensions(level)


@pytest.mark.parametrize("space", [MacroSpace(3), MacroSpace(4, ["b", "a"])], ids=["six", "two"])
def test_whole_small_spaces(space):
    for level in range(1, space.num_levels + 1):
        tables = [range(space.num_extensions(depth)) for depth in range(1, level + 1)]
        found = {space.architecture(indices): indices for indices in itertools.product(*tables)}
        assert len(found) == space.cardinality(level)
        assert all(space.indices(architecture) == indices for architecture, indices in found.items())
        assert len({str(architecture) for architecture in found}) == len(found)


def test_index_numbering():
    space = MacroSpace(5)
    assert space.extension(1, 5) == MacroLayer("sep_conv_5x5")
    assert space.extension(4, 8 * 2 + 0b101) == MacroLayer("conv_3x3", (0, 2))
    assert space.index(4, MacroLayer("conv_3x3", (0, 2))) == 21


def test_symbols():
    space = MacroSpace(5, ["b", "a"])
    np.testing.assert_array_equal(
        space.encode(4, np.array([0, 8 + 0b101])),
        [[1, 0, 0, 0, 0, 0], [0, 1, 1, 0, 1, 0]],
    )
    for level in range(1, 6):
        symbols = space.encode(level, np.arange(space.num_extensions(level), dtype=np.int32))
        for index, row in enumerate(symbols):
            layer = space.extension(level, index)
            expected = [layer.operation == name for name in ("b", "a")] + [skip in layer.skips for skip in range(4)]
            np.testing.assert_array_equal(row, expected)


def test_symbols_of_the_deepest_level_are_exact():
    space = MacroSpace(50)
    last = space.num_extensions(50) - 1
    assert last > 2**51
    symbols = space.encode(50, np.array([last, last - 1, 2**49, 2**49 - 1], np.uint64))
    assert symbols[0].tolist() == [0] * 5 + [1] * 50
    assert symbols[1].tolist() == [0] * 5 + [1, 0] + [1] * 48
    assert symbols[2].tolist() == [0, 1] + [0] * 53
    assert symbols[3].tolist() == [1] + [0] * 5 + [1] * 49
    assert space.extension(50, last) == MacroLayer("sep_conv_5x5", tuple(range(49)))


def test_sampling_is_uniform():
    """Chi-square of 8,000 draws over 8 networks at alpha = 1e-6, so one false alarm in a million seeds; seed fixed."""
    space = MacroSpace(2, ["a", "b"])
    rng = np.random.default_rng(0)
    counts = np.zeros((2, 4))
    for _ in range(8000):
        counts[space.indices(space.sample(rng))] += 1
    statistic = float(((counts - 1000) ** 2 / 1000).sum())
    assert statistic < 40.52  # quantile 1 - 1e-6 with 7 degrees of freedom


@pytest.mark.parametrize("layers", [0, -1, 51, True, 2.0, "3", None])
def test_refuses_layers(layers):
    with pytest.raises(ConfigError, match=r"`layers` must be an integer from 1 to 50") as info:
        MacroSpace(layers)
    assert str(info.value).endswith(f"Received: layers={layers!r}")


@pytest.mark.parametrize("operations", [[], ["a", "a"], "conv_3x3", ["a/b"]])
def test_refuses_operations(operations):
    with pytest.raises(ConfigError, match="Received: "):
        MacroSpace(3, operations)


SPACE = MacroSpace(4, ["conv_3x3", "conv_5x5"])


@pytest.mark.parametrize(
    ("call", "parts"),
    [
        (lambda: SPACE.num_extensions(0), ["levels 1 to 4", "level=0"]),
        (lambda: SPACE.num_extensions(5), ["levels 1 to 4", "level=5"]),
        (lambda: SPACE.cardinality(5), ["level=5"]),
        (lambda: SPACE.sample(np.random.default_rng(0), 5), ["level=5"]),
        (lambda: SPACE.extension(2, 4), ["extensions 0 to 3", "Received: 4"]),
        (lambda: SPACE.extension(2, -1), ["extensions 0 to 3", "Received: -1"]),
        (lambda: SPACE.index(5, MacroLayer("conv_3x3")), ["level=5"]),
        (lambda: SPACE.index(1, MacroLayer("identity")), ["conv_3x3, conv_5x5", "Received: 'identity'"]),
        (lambda: SPACE.index(2, MacroLayer("conv_3x3", (0, 1))), ["the outputs [0]", "Received: skips=(0, 1)"]),
        (lambda: SPACE.index(1, MacroLayer("conv_3x3", (0,))), ["the outputs []", "Received: skips=(0,)"]),
        (lambda: SPACE.index(1, "conv_3x3"), ["MacroLayer", "Received: 'conv_3x3'"]),
        (lambda: SPACE.encode(2, np.array([0, 4])), ["0 to 3", "Received: 4"]),
        (lambda: SPACE.encode(2, np.array([0, -2])), ["0 to 3", "Received: -2"]),
        (lambda: SPACE.encode(2, np.array([0.0])), ["shape [n]", "dtype=float64"]),
        (lambda: SPACE.encode(2, np.array([True])), ["shape [n]", "dtype=bool"]),
        (lambda: SPACE.encode(2, np.array([[0]])), ["shape [n]", "shape=[1, 1]"]),
        (lambda: SPACE.encode(5, np.array([0])), ["level=5"]),
        (lambda: SPACE.extend(SPACE.architecture([0] * 4), MacroLayer("conv_3x3")), ["level=5"]),
        (lambda: SPACE.extend(None, MacroLayer("identity")), ["Received: 'identity'"]),
        (lambda: SPACE.extend(MICRO, MacroLayer("conv_3x3")), ["macro architectures", "Received: MicroArchitecture"]),
        (lambda: SPACE.validate(MICRO), ["macro architectures", "Received: MicroArchitecture"]),
        (lambda: SPACE.validate(MACRO), ["conv_3x3, conv_5x5", "Received: 'sep_conv_5x5'"]),
        (lambda: SPACE.validate(MacroArchitecture([MacroLayer("conv_3x3")] * 5)), ["level=5"]),
    ],
)
def test_refuses(call, parts):
    with pytest.raises(ArchitectureError) as info:
        call()
    for part in [*parts, "Received: "]:
        assert part in str(info.value)
