"""Tables of made-up accuracies: other ground than the search was made on.

pairs: eight layers with three choices. Each choice has a worth, and so has each pair of choices of two layers, together
as much: no layer can be judged alone. The accuracies spread by 1.5 points around 90 %.

steep: seven layers with four choices, of which the first is nothing at all. What is lacking to 94 % falls by a factor
with each choice that is not nothing, and with each pair of neighbours: the best lie close together, while a tenth of
the networks are below 30 %, and shallow ones, with nothing in their further layers, at chance.
"""

import itertools
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from benchmarks.table.table import Table

CHANCE, CEILING = 10.0, 94.0
"""Of the steep table, in percent."""

Array = npt.NDArray[np.float64]


def worths(layers: int, choices: int, apart: range, rng: np.random.Generator) -> tuple[Array, Array]:
    """Draws the worths of layers, and of pairs of layers; normal, each of variance about 1.

    Args:
        layers: number of layers.
        choices: choices of a layer.
        apart: how far the layers of a pair may be apart.
        rng: source of the worths.

    Returns:
        Two float64 [choices, choices, …], one axis a layer.
    """
    indices = np.indices((choices,) * layers)
    alone = sum(rng.normal(size=choices)[index] for index in indices) / np.sqrt(layers)
    together = [(i, j) for i, j in itertools.combinations(range(layers), 2) if j - i in apart]
    joint = sum(rng.normal(size=(choices, choices))[indices[i], indices[j]] for i, j in together) / np.sqrt(
        len(together)
    )
    return np.asarray(alone), np.asarray(joint)


def pairs(rng: np.random.Generator) -> Array:
    """Returns accuracies in percent, float64 [3, 3, …] with eight axes."""
    worth = sum(worths(8, 3, range(1, 8), rng))
    return np.asarray(90 + 1.5 * (worth - np.mean(worth)) / np.std(worth))


def steep(rng: np.random.Generator) -> Array:
    """Returns accuracies in percent, float64 [4, 4, …] with seven axes."""
    alone, joint = worths(7, 4, range(1, 2), rng)
    nothing = np.count_nonzero(np.indices(alone.shape) == 0, axis=0)
    lacking = np.exp(1 + 0.5 * (alone + joint) + nothing)
    return np.asarray(np.maximum(CHANCE, CEILING - lacking))


KINDS: Mapping[str, Callable[[np.random.Generator], Array]] = {"pairs": pairs, "steep": steep}


def make_table(kind: str, seed: int = 0) -> Table:
    """Returns a table of a kind."""
    accuracies = KINDS[kind](np.random.default_rng(seed))
    return Table.of_layers(tuple("0123"[:choices] for choices in accuracies.shape), accuracies)
