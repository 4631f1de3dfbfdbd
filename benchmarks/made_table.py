"""Writes a table of made-up accuracies for `benchmarks/tabular.py`: other ground than the search was made on.

python -m benchmarks.made_table --kind=pairs --file=pairs.json
python -m benchmarks.made_table --kind=steep --file=steep.json

pairs: eight layers with three choices. Each choice has a worth, and so has each pair of choices of two layers, together
as much: no layer can be judged alone. The accuracies spread by 1.5 points around 90 %.

steep: seven layers with four choices, of which the first is nothing at all. What is lacking to 94 % falls by a factor
with each choice that is not nothing, and with each pair of neighbours: the best lie close together, while a tenth of
the networks are below 30 %, and shallow ones, with nothing in their further layers, at chance.
"""

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from absl import flags

from benchmarks import checks, command

CHANCE, CEILING = 10.0, 94.0
"""Of the steep table, in percent."""

Array = npt.NDArray[np.float64]


def worths(layers: int, choices: int, apart: range, rng: np.random.Generator) -> tuple[Array, Array]:
    """Returns what networks are worth by their layers, and by pairs of layers; normal, each of variance about 1.

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
    pairs = [(i, j) for i, j in itertools.combinations(range(layers), 2) if j - i in apart]
    joint = sum(rng.normal(size=(choices, choices))[indices[i], indices[j]] for i, j in pairs) / np.sqrt(len(pairs))
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

_KIND = flags.DEFINE_enum("kind", "pairs", list(KINDS), "what the accuracies are like")
_SEED = flags.DEFINE_integer("seed", 0, "which table of its kind", lower_bound=0)
_FILE = flags.DEFINE_string("file", None, "JSON file to write", required=True)
checks.in_a_folder("file")


def to_values(accuracies: Array) -> dict[str, Any]:
    """Returns what a file of the table holds: NAS-Bench-Macro's form."""
    names = ("".join(map(str, indices)) for indices in np.ndindex(accuracies.shape))
    return {name: {"mean_acc": accuracy} for name, accuracy in zip(names, accuracies.ravel().tolist(), strict=True)}


def main() -> None:
    accuracies = KINDS[_KIND.value](np.random.default_rng(_SEED.value))
    Path(_FILE.value).write_text(json.dumps(to_values(accuracies)), encoding="utf-8")
    quantiles = ", ".join(f"{value:.2f}" for value in np.quantile(accuracies, [0, 0.1, 0.5, 0.9, 0.99, 1]))
    print(
        f"{_FILE.value}: {accuracies.size:,} networks; 0, 10, 50, 90, 99 and 100 % of them reach {quantiles} % at most"
    )


if __name__ == "__main__":
    command.run(main)
