"""Writes a table of made-up accuracies for `benchmarks/tabular.py`: other ground than the search was made on.

python -m benchmarks.made_table --kind=pairs --file=pairs.json
python -m benchmarks.made_table --kind=steep --file=steep.json

pairs: eight layers with three choices. Each choice has a worth, and so has each pair of choices of two layers, together
as much: no layer can be judged alone. The accuracies spread by 1.5 points around 90 %.

steep: seven layers with four choices, of which the first is nothing at all. What is lacking to 94 % falls by a factor
with each choice that is not nothing, and with each pair of neighbours: the best lie close together, while a tenth of
the networks are below 30 %, and shallow ones, with nothing in their further layers, at chance.
"""

import json
from pathlib import Path

import numpy as np
from absl import flags

from benchmarks import checks, command
from benchmarks.table.made import KINDS, to_values

_KIND = flags.DEFINE_enum("kind", "pairs", list(KINDS), "what the accuracies are like")
_SEED = flags.DEFINE_integer("seed", 0, "which table of its kind", lower_bound=0)
_FILE = flags.DEFINE_string("file", None, "JSON file to write", required=True)
checks.in_a_folder("file")


def main() -> None:
    accuracies = KINDS[_KIND.value](np.random.default_rng(_SEED.value))
    Path(_FILE.value).write_text(json.dumps(to_values(accuracies)), encoding="utf-8")
    quantiles = ", ".join(f"{value:.2f}" for value in np.quantile(accuracies, [0, 0.1, 0.5, 0.9, 0.99, 1]))
    print(
        f"{_FILE.value}: {accuracies.size:,} networks; 0, 10, 50, 90, 99 and 100 % of them reach {quantiles} % at most"
    )


if __name__ == "__main__":
    command.run(main)
