"""What every search space must do, the package's and a user's own: `check_space`."""

from typing import Any

import numpy as np
import pytest

from epnas_tf.errors import ArchitectureError
from epnas_tf.space import SearchSpace

_MOST = 1000
"""Levels with more extensions than this are looked at in a random sample."""


def check_space(space: SearchSpace[Any, Any], seed: int = 0) -> None:
    """Fails unless the space keeps the promises of `SearchSpace`."""
    rng = np.random.default_rng(seed)
    assert isinstance(space.name, str)
    assert space.name
    assert space.num_levels >= 1
    for level in range(1, space.num_levels + 1):
        _check_extensions(space, level, rng)
        _check_architectures(space, level, rng)
    _check_refusals(space)


def _some_indices(space: SearchSpace[Any, Any], level: int, rng: np.random.Generator) -> list[int]:
    number = space.num_extensions(level)
    if number <= _MOST:
        return list(range(number))
    return sorted({0, 1, number - 2, number - 1, *rng.integers(number, size=200).tolist()})


def _check_extensions(space: SearchSpace[Any, Any], level: int, rng: np.random.Generator) -> None:
    """Extensions and indices are one to one; symbol arrays tell extensions apart and do not depend on their company."""
    assert space.num_extensions(level) >= 1
    indices = _some_indices(space, level, rng)
    extensions = [space.extension(level, index) for index in indices]
    assert len(set(extensions)) == len(indices)
    assert extensions == [space.extension(level, index) for index in indices]
    assert [space.index(level, extension) for extension in extensions] == indices

    symbols = space.encode(level, np.array(indices, np.int64))
    assert symbols.shape == (len(indices), space.num_features)
    assert symbols.dtype == np.float32
    assert np.isfinite(symbols).all()
    assert len(np.unique(symbols, axis=0)) == len(indices)
    order = rng.permutation(len(indices))
    np.testing.assert_array_equal(space.encode(level, np.array(indices, np.int64)[order]), symbols[order])
    for position in order[:50]:
        np.testing.assert_array_equal(space.encode(level, np.array([indices[position]]))[0], symbols[position])
    assert space.encode(level, np.array([], np.int64)).shape == (0, space.num_features)


def _check_architectures(space: SearchSpace[Any, Any], level: int, rng: np.random.Generator) -> None:
    """Architectures, extensions and indices are three ways to write the same thing."""
    seed = int(rng.integers(2**31))
    for number in range(10):
        architecture = space.sample(np.random.default_rng([seed, number]), level)
        again = space.sample(np.random.default_rng([seed, number]), level)
        assert architecture == again
        assert hash(architecture) == hash(again)
        space.validate(architecture)

        indices = space.indices(architecture)
        assert len(indices) == level
        assert all(0 <= index < space.num_extensions(depth) for depth, index in enumerate(indices, 1))
        assert space.architecture(indices) == architecture

        extensions = space.extensions(architecture)
        assert [space.extension(depth, index) for depth, index in enumerate(indices, 1)] == list(extensions)
        parent = space.architecture(indices[:-1]) if level > 1 else None
        assert space.extend(parent, extensions[-1]) == architecture


def _check_refusals(space: SearchSpace[Any, Any]) -> None:
    first = [0] * space.num_levels
    for indices in ([], [*first, 0], [-1], [space.num_extensions(1)]):
        with pytest.raises(ArchitectureError, match="Received: "):
            space.architecture(indices)
    with pytest.raises(ArchitectureError, match="Received: "):
        space.validate(object())
