"""Scores all candidates of a macro level from the parents' LSTM states, against encoding and predicting each whole.

python -m benchmarks.scoring --level=12 --parents=25
"""

import numpy as np
from absl import app, flags

from benchmarks.turns import compare
from epnas_tf.config import SurrogateConfig
from epnas_tf.search.surrogate import Surrogate, score_candidates
from epnas_tf.search.table import encode_rows
from epnas_tf.space import MacroSpace

_LEVEL = flags.DEFINE_integer("level", 12, "macro level whose candidates are scored", lower_bound=2)
_PARENTS = flags.DEFINE_integer("parents", 25, "architectures of the level before, K", lower_bound=1)
_TURNS = flags.DEFINE_integer("turns", 3, "how often each side runs", lower_bound=1)


def main(_: list[str]) -> None:
    level = _LEVEL.value
    space = MacroSpace(level)
    surrogate = Surrogate(space.num_features, space.num_levels, SurrogateConfig(), seed=0)
    rng = np.random.default_rng(0)
    parents = [space.indices(space.sample(rng, level - 1)) for _ in range(_PARENTS.value)]
    extensions = space.num_extensions(level)

    def factored() -> None:
        states = surrogate.states(*encode_rows(space, parents))
        for _ in score_candidates(surrogate, space, level, *states):
            pass

    def whole() -> None:
        features, _ = encode_rows(space, parents)
        last = space.encode(level, np.arange(extensions))
        for parent in range(len(parents)):
            rows = np.repeat(features[parent : parent + 1], extensions, axis=0)
            rows[:, level - 1] = last
            surrogate.predict(rows, np.full(extensions, level))

    title = f"{len(parents) * extensions:,} candidates of macro level {level}"
    compare(title, factored, whole, _TURNS.value, "from the parents' states", "each sequence whole")


if __name__ == "__main__":
    app.run(main)
