"""Which architectures a final training trains."""

import dataclasses
from pathlib import Path

from epnas_tf.errors import ArchitectureError, ConfigError, RunDirectoryError
from epnas_tf.space.architecture import Architecture, MacroArchitecture
from epnas_tf.space.operations import MACRO_OPERATIONS, MICRO_OPERATIONS
from epnas_tf.space.serialization import architecture_from_dict, load_architecture
from epnas_tf.storage.records import best_trials
from epnas_tf.storage.run_directory import read_config
from epnas_tf.storage.training_directory import FOLDER


@dataclasses.dataclass(frozen=True)
class Candidate:
    """An architecture that may be trained in full.

    Attributes:
        architecture: the architecture.
        shared_score: its newest validation accuracy in the search, in [0, 1]; None if no search scored it.
    """

    architecture: Architecture
    shared_score: float | None


def _refuse_unknown_operations(file: str, architecture: Architecture) -> None:
    """Refuses names that are no operations of the architecture's space, with the level where they stand."""
    if isinstance(architecture, MacroArchitecture):
        known, levels = MACRO_OPERATIONS, [[layer.operation] for layer in architecture.layers]
    else:
        known = MICRO_OPERATIONS
        levels = [[block.left.operation, block.right.operation] for block in architecture.blocks]
    for number, names in enumerate(levels, 1):
        for name in names:
            if name not in known:
                level = "Layer" if known is MACRO_OPERATIONS else "Block"
                raise ArchitectureError(
                    f"{level} {number} in {file} must have an operation of the space: {', '.join(known)}. "
                    f"Received: {name}"
                )


def find_candidates(run_dir: Path, architecture_file: str | None, count: int) -> list[Candidate]:
    """Returns the architectures to compare, the best of the search first.

    Args:
        run_dir: the directory of a search.
        architecture_file: an architecture to take instead; None for those of the search.
        count: how many of the search's best to return, at most.

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
        return [Candidate(architecture, None)]
    if not (run_dir / "config.json").exists():
        trained = run_dir / FOLDER / "architecture.json"
        example = f", such as --architecture={trained}" if trained.exists() else ""
        raise RunDirectoryError(
            f"{run_dir} is not the directory of a search: it has no config.json. Give the directory of one, or an "
            f"architecture file with --architecture{example}."
        )
    depth = read_config(run_dir).space.depth
    best = best_trials(run_dir, depth)[:count]
    if not best:
        raise RunDirectoryError(f"No architecture of {depth} levels is trained yet in {run_dir}. Let the search go on.")
    return [Candidate(architecture_from_dict(trial["architecture"]), trial["score"]) for trial in best]
