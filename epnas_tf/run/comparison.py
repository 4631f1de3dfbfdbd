"""Comparison of a search's scores on shared weights with trainings on own weights, on the same images."""

import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from epnas_tf import data as data_module
from epnas_tf.children.child import ChildTrainer
from epnas_tf.children.outcome import ChildDiverged
from epnas_tf.children.setup import child_trainer, network_shape
from epnas_tf.config import RankConfig, RunConfig, WorkersConfig, check_ray
from epnas_tf.cost.network_cost import cost
from epnas_tf.data import ImageData, Images
from epnas_tf.data.loading import load_same
from epnas_tf.environment import check_environment
from epnas_tf.errors import ConfigError, RunDirectoryError
from epnas_tf.options import require
from epnas_tf.run.conclusions import ranking_conclusion
from epnas_tf.run.correlation import FEWEST, Correlation, kendall, spearman
from epnas_tf.run.one_search import restore_store
from epnas_tf.run.runner import finished_state
from epnas_tf.seeds import OWN, derived_seed
from epnas_tf.space import build_graph, make_space
from epnas_tf.space.serialization import architecture_from_dict
from epnas_tf.storage.data_file import describe_data
from epnas_tf.storage.rank_directory import FOLDER, LESS, REPEATED, RESULT, WAYS, RankDirectory
from epnas_tf.storage.records import best_trials
from epnas_tf.storage.run_directory import RunDirectory, read_config, refuse_changed_images
from epnas_tf.storage.state_files import State, write_json

RECORDED, ESTIMATE, FINAL = WAYS

Agreement = dict[str, dict[str, Correlation]]
"""The correlations "kendall" and "spearman" of each way of scoring with the own scores."""


@dataclasses.dataclass(frozen=True)
class RankResult:
    """The result of a comparison.

    Attributes:
        records: the lines of own.jsonl, one for each architecture.
        agreement: the rank correlations; empty if fewer than three architectures have a score.
        conclusion: whether the search's estimate ranks better than size alone, a sentence.
        directory: the folder of its files.
        already_finished: whether it had ended before this call.
    """

    records: list[dict[str, Any]]
    agreement: Agreement
    conclusion: str
    directory: Path
    already_finished: bool


class RankListener:
    """Receives the events of a comparison. This base class ignores them; subclasses override what they need."""

    def started(self, data: ImageData, num_architectures: int, num_done: int) -> None:
        """The training of so many architectures begins, or resumes after `num_done` of them."""

    def architecture_ended(self, record: dict[str, Any]) -> None:
        """An architecture was scored by all methods; `record` is its line of own.jsonl."""


def run_rank(
    run_dir: str | os.PathLike[str],
    config: RankConfig = RankConfig(),
    *,
    rank_dir: str | os.PathLike[str] | None = None,
    listener: RankListener | None = None,
    workers: WorkersConfig = WorkersConfig(),
) -> RankResult:
    """Trains a sample of a finished search's whole architectures on their own weights, or resumes such a comparison.

    Networks, images and recipe are those of the search, except for the number of epochs and the sharing of weights. So
    differences between the scores come from sharing and from short training.

    Args:
        run_dir: the search's directory.
        config: the number of architectures and the length of their training.
        rank_dir: the folder of the comparison's files; None for the folder `rank` of `run_dir`.
        listener: receives the events; None for silence.
        workers: where the architectures are trained; by default in this process.

    Raises:
        EPNASError: for every mistake of the user: in settings or directories, or a search that is not finished.
    """
    check_environment()
    require(RankConfig, "config", config)
    check_ray(workers)
    run, listener = Path(run_dir), listener or RankListener()
    trials, search, state = sampled(run, config)
    with RankDirectory(rank_dir or run / FOLDER, config) as directory:
        directory.load_state()
        records = directory.read_records()
        _check_same(records, trials, directory.path)
        finished = len(records) == len(trials)
        if not finished:
            data = data_module.load(search.data, search.seed)
            remedy = "Bring them back, or begin another search."
            refuse_changed_images(run, RunDirectory.FORMAT, describe_data(data), remedy)
            listener.started(data, len(trials), len(records))
            setup, tasks = (search, state, config, data.digest), list(enumerate(trials))[len(records) :]
            for record in scored_by(workers, setup, tasks, data):
                directory.append_record(record)
                directory.save_state({}, {})
                records.append(record)
                listener.architecture_ended(record)
        agreement = agreements(records)
        less = {size: agreement[name]["kendall"] for size, name in LESS.items() if name in agreement}
        conclusion = ranking_conclusion(less, sum(record["own"] is not None for record in records))
        result = {
            "architectures": len(records),
            "own_epochs": config.own_epochs,
            "own_trainings": config.own_trainings,
            "agreement": agreement,
            "conclusion": conclusion,
        }
        write_json(directory.path / RESULT, result)
    return RankResult(records, agreement, conclusion, directory.path, finished)


def sampled(run: Path, config: RankConfig) -> tuple[list[dict[str, Any]], RunConfig, State]:
    """Reads the trials of the architectures to train, the search's settings and its last state.

    Raises:
        ConfigError: if the search shared no weights.
        RunDirectoryError: if there is no finished search, or it has too few whole architectures.
    """
    search = read_config(run)
    if not search.child.share_weights:
        raise ConfigError(
            f"A search without shared weights has no shared scores to compare. Received: {run}, share_weights=False"
        )
    space, state = make_space(search.space), finished_state(run, search, "its shared weights go on changing")
    whole = sorted(best_trials(run, space.num_levels), key=lambda trial: int(trial["child"]))
    if len(whole) < FEWEST:
        raise RunDirectoryError(
            f"There must be at least {FEWEST} whole architectures to put in an order. Received: {len(whole)} in {run}"
        )
    rng = np.random.default_rng(derived_seed(config.seed, OWN))
    chosen = rng.choice(len(whole), min(config.architectures, len(whole)), replace=False)
    return [whole[index] for index in chosen.tolist()], search, state


def _check_same(records: list[dict[str, Any]], trials: list[dict[str, Any]], directory: Path) -> None:
    """Refuses to resume a comparison of another search.

    Raises:
        RunDirectoryError: if its architectures are not those of the sample.
    """
    there = [(record["child"], record["text"], record["shared"][RECORDED]) for record in records]
    here = [(trial["child"], trial["text"], trial["score"]) for trial in trials]
    if there != here[: len(there)]:
        raise RunDirectoryError(
            f"{directory} belongs to another search. Give another --rank_dir, or remove it to start anew. "
            f"Received: the architectures {[text for _, text, _ in there]}"
        )


def agreements(records: list[dict[str, Any]]) -> Agreement:
    """Correlates the own scores with each method of scoring and with the sizes, without diverged architectures.

    Args:
        records: the lines of own.jsonl.

    Returns:
        The correlations by method of scoring, then by size, and by how much those of the estimate are higher than those
        of a size. If each architecture was trained more than once, those of a second training with the first are
        included as "repeated".
    """
    scored = [record for record in records if record["own"] is not None]
    if len(scored) < FEWEST:
        return {}
    own = [record["own"] for record in scored]
    others = [record["shared"] | record["sizes"] for record in scored]
    by_way = {way: [each[way] for each in others] for way in others[0]}
    columns: dict[str, tuple[list[float], ...]] = {way: (values, own) for way, values in by_way.items()}
    columns |= {name: (by_way[ESTIMATE], own, by_way[size]) for size, name in LESS.items()}
    if len(scored[0]["own_scores"]) > 1:
        first, second = ([record["own_scores"][number] for record in scored] for number in (0, 1))
        columns[REPEATED] = (second, first)
    return {way: {"kendall": kendall(*each), "spearman": spearman(*each)} for way, each in columns.items()}


def own_trainer(search: RunConfig, data: ImageData, scored: Images, epochs: int) -> ChildTrainer:
    """Makes a trainer with a search's recipe, but for more epochs and with fresh weights for each architecture.

    Args:
        search: the search's settings.
        data: the search's images.
        scored: the images that an architecture is scored on.
        epochs: number of epochs of each training.
    """
    own = dataclasses.replace(search, child=dataclasses.replace(search.child, share_weights=False))
    return child_trainer(own, network_shape(search, make_space(search.space), data), data, scored, epochs)


Setup = tuple[RunConfig, State, RankConfig, str]
"""What a scorer is made from: the search's settings and last state, those of the comparison, the images' checksum."""

Numbered = tuple[int, dict[str, Any]]
"""A trial of the sample, and its position."""


def scored_by(
    workers: WorkersConfig, setup: Setup, tasks: Sequence[Numbered], data: ImageData
) -> Iterator[dict[str, Any]]:
    """Yields each architecture's line of own.jsonl."""
    if workers.is_this_process:
        return map(_Scorer(*setup[:3], data).record, tasks)
    from epnas_tf.scale.pool import side_by_side

    return side_by_side(workers, (__name__, scorer_of_worker.__name__), setup, tasks)


def scorer_of_worker(setup: Setup) -> Callable[[Numbered], dict[str, Any]]:
    """Makes the function that scores an architecture, in a worker."""
    search, state, config, digest = setup
    return _Scorer(search, state, config, load_same(search.data, search.seed, digest)).record


class _Scorer:
    """Scores architectures by all methods."""

    def __init__(self, search: RunConfig, state: State, config: RankConfig, data: ImageData) -> None:
        self._config = config
        self._own = own_trainer(search, data, data.validation, config.own_epochs)
        self._shared = child_trainer(search, self._own.shape, data)
        restore_store(self._shared.store, state)

    def record(self, numbered: Numbered) -> dict[str, Any]:
        """Makes an architecture's line of own.jsonl."""
        number, trial = numbered
        began = time.perf_counter()
        architecture = architecture_from_dict(trial["architecture"])
        final = self._shared.score(architecture)
        own = self._own_scores(architecture, number)
        return {
            "child": trial["child"],
            "text": trial["text"],
            "shared": {RECORDED: trial["score"], ESTIMATE: trial["estimate"], FINAL: final},
            "sizes": dataclasses.asdict(cost(build_graph(architecture, self._own.shape), self._own.shape.image_shape)),
            "own": float(np.mean(own)) if own else None,
            "own_scores": own,
            "seconds": time.perf_counter() - began,
        }

    def _own_scores(self, architecture: Any, number: int) -> list[float]:
        """Trains an architecture on its own weights and returns the scores; none if a training diverged."""
        seeds = [derived_seed(self._config.seed, OWN, number, again) for again in range(self._config.own_trainings)]
        try:
            return [self._own.train(architecture, seed).score for seed in seeds]
        except ChildDiverged:
            return []
