"""What a search writes down of its children: lines of trials.jsonl, states, and values for TensorBoard."""

import dataclasses
from collections.abc import Iterable
from typing import Any

from epnas_tf.children.child import ChildTrainer
from epnas_tf.children.outcome import ChildResult
from epnas_tf.search.candidate import Candidate
from epnas_tf.search.progressive import ProgressiveSearch
from epnas_tf.space.serialization import architecture_to_dict
from epnas_tf.storage.run_directory import RunDirectory
from epnas_tf.storage.state_files import prefixed


def save_children(
    directory: RunDirectory,
    children: Iterable[tuple[Candidate[Any], ChildResult | None]],
    search: ProgressiveSearch[Any],
    trainer: ChildTrainer,
    values: dict[str, Any],
) -> None:
    """Writes the lines of children, then the state after them, since a state must find all its children in the file.

    Args:
        directory: the run's directory.
        children: each with the result of its training; None if it diverged.
        search: the search, which has their scores.
        trainer: has the shared variables and their momentum.
        values: further JSON values for the state.
    """
    for candidate, result in children:
        directory.append_record(trial_record(candidate, result))
    search_values, search_arrays = search.get_state()
    store_values, weights = trainer.store.get_state()
    slots, momentum = trainer.optimizer.get_state()
    directory.save_state(
        {"search": search_values, "store": store_values, "optimizer": slots, **values},
        {**prefixed("search.", search_arrays), **prefixed("store.", weights), **prefixed("optimizer.", momentum)},
    )


def trial_record(candidate: Candidate[Any], result: ChildResult | None) -> dict[str, Any]:
    """Makes a child's line of trials.jsonl; numbers start from 1."""
    record: dict[str, Any] = {
        "child": candidate.number + 1,
        "iteration": candidate.iteration + 1,
        "level": candidate.level,
        "temperature": candidate.temperature,
        "predicted": candidate.predicted,
        "status": "failed" if result is None else "completed",
    }
    if result is not None:
        record |= dataclasses.asdict(result)
    return record | {"text": str(candidate.architecture), "architecture": architecture_to_dict(candidate.architecture)}


def scalars(
    candidate: Candidate[Any], result: ChildResult | None, search: ProgressiveSearch[Any]
) -> dict[str, float | None]:
    """Returns the values of a child for TensorBoard."""
    values: dict[str, float | None] = {"temperature": candidate.temperature, "predicted": candidate.predicted}
    if result is not None:
        values |= {"score": result.score, "training_loss": result.training_loss}
        values |= {"validation_loss": result.validation_loss, "parameters": result.parameters}
    best = None if search.best is None else search.best[1]
    return values | {"best": best, "rank_correlation": search.rank_correlation}
