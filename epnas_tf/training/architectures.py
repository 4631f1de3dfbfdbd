"""The architectures that a final training considers."""

import dataclasses
import itertools
from pathlib import Path

from epnas_tf.errors import ArchitectureError, ConfigError, RunDirectoryError
from epnas_tf.nn import is_known, known
from epnas_tf.space import definition_of, depth_of
from epnas_tf.space.architecture import Architecture
from epnas_tf.space.serialization import architecture_from_dict, load_architecture
from epnas_tf.storage.records import best_trials
from epnas_tf.storage.run_directory import read_config
from epnas_tf.storage.searches import folders_of_searches
from epnas_tf.storage.training_directory import FOLDER


@dataclasses.dataclass(frozen=True)
class RankedArchitecture:
    """An architecture that may be trained in full.

    Attributes:
        architecture: the architecture.
        shared_score: its newest validation accuracy in the search, in [0, 1]; None if no search scored it.
    """

    architecture: Architecture
    shared_score: float | None


def _refuse_unknown_operations(file: str, architecture: Architecture) -> None:
    """Refuses unknown operations and names their level."""
    definition = definition_of(architecture)
    for number, names in enumerate(definition.operations_of(architecture), 1):
        for name in names:
            if not is_known(name):
                raise ArchitectureError(
                    f"{definition.level.capitalize()} {number} in {file} must have one of the operations "
                    f"{', '.join(known())}. Received: {name}. A module that registers another is named with --plugins."
                )


def find_candidates(run_dir: Path, architecture_file: str | None, count: int) -> list[RankedArchitecture]:
    """Returns the architectures to compare, best of the search first.

    Of several searches the best of each come first: estimates on different shared weights cannot be compared.

    Args:
        run_dir: the directory of a search.
        architecture_file: an architecture to use instead; None for those of the search.
        count: maximum number of each search's best to return.

    Raises:
        ArchitectureError: if the file holds no architecture.
        ConfigError: if a file is given and several architectures are asked for.
        RunDirectoryError: if there is no search, or it has no whole network yet.
    """
    if architecture_file is not None:
        if count > 1:
            raise ConfigError(
                "`candidates` compares architectures of a search, so it must be 1 with an architecture of your own. "
                f"Received: candidates={count}"
            )
        architecture = load_architecture(architecture_file)
        _refuse_unknown_operations(architecture_file, architecture)
        return [RankedArchitecture(architecture, None)]
    if not (run_dir / "config.json").exists():
        trained = run_dir / FOLDER / "architecture.json"
        example = f", such as --architecture={trained}" if trained.exists() else ""
        raise RunDirectoryError(
            f"{run_dir} is not the directory of a search: it has no config.json. Give the directory of one, or an "
            f"architecture file with --architecture{example}."
        )
    depth = depth_of(read_config(run_dir).space)
    trials = []
    for folder in folders_of_searches(run_dir):
        best = best_trials(folder, depth)[:count]
        if not best:
            what = f"No architecture of {depth} levels is trained yet in {folder}."
            raise RunDirectoryError(f"{what} Let the search go on.")
        trials += list(enumerate(best))
    trials.sort(key=lambda placed: (placed[0], -placed[1]["estimate"]))
    found: dict[Architecture, float] = {}
    for _, trial in trials:
        found.setdefault(architecture_from_dict(trial["architecture"]), trial["score"])
    return list(itertools.starmap(RankedArchitecture, found.items()))
