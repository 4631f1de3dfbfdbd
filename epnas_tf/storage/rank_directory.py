"""The files of a comparison of shared and own scores, in the run directory's folder `rank`.

    RUN_DIR/rank/
      config.json         the settings and the versions of the packages
      own.jsonl           one line an architecture: its scores on the shared weights, its size, its own trainings
      state/              how many lines count
      rank.json           the rank correlations

Locking, writing and resuming are those of a search's directory; see `run_directory`.
"""

from epnas_tf.storage.run_directory import RANK_FOLDER, RunDirectory

FOLDER = RANK_FOLDER
RESULT = "rank.json"

WAYS = {"search": "score in the search", "estimate": "the search's estimate", "final": "final weights"}
"""The ways of scoring on shared weights by their names in the files, and what they are called; the last one is the
accuracy on the shared weights as they are at the end of the search."""

SIZES = {"parameters": "parameters alone, nothing trained", "multiply_adds": "multiply-adds alone, nothing trained"}
"""The sizes of networks by their names in the files, and what they are called."""

LESS = {size: f"estimate_less_{size}" for size in SIZES}
"""How much better than each size the search's estimate ranks, by its name in the files."""

REPEATED = "repeated"
CAPTIONS = {
    **WAYS,
    **SIZES,
    **{LESS[size]: f"the estimate less {caption}" for size, caption in SIZES.items()},
    REPEATED: "a second own training, against the first",
}
"""The captions of the correlations in rank.json."""


class RankDirectory(RunDirectory):
    """The directory of one comparison; the module lists its files."""

    FOLDER = RANK_FOLDER
    FORMAT = "epnas_tf.rank"
    RECORDS = "own.jsonl"
    FLAG = "--rank_dir"
