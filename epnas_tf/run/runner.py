"""Whole searches in run directories: one, or several side by side."""

import contextlib
import functools
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from epnas_tf import data as data_module
from epnas_tf.children.setup import network_shape
from epnas_tf.config import RunConfig, WorkersConfig, check_workers
from epnas_tf.environment import check_environment
from epnas_tf.errors import EPNASError, RunDirectoryError
from epnas_tf.memory import only_new_garbage
from epnas_tf.options import require
from epnas_tf.run.forecast import Forecast, check_memory, forecast_search, size_of
from epnas_tf.run.one_search import Listener, OneSearch, SearchResult
from epnas_tf.scale.place import Place
from epnas_tf.scale.workers import make_place
from epnas_tf.search.search_state import SearchState
from epnas_tf.space import make_space
from epnas_tf.space.base import SearchSpace
from epnas_tf.storage.data_file import describe_data
from epnas_tf.storage.run_directory import RunDirectory
from epnas_tf.storage.searches import open_directories
from epnas_tf.storage.state_files import State, StateFiles


def is_finished(state: State, config: RunConfig, space: SearchSpace[Any, Any]) -> bool:
    """Whether a saved state is the last one of its search.

    Raises:
        StateError: if it is not one of this search.
    """
    saved = SearchState.from_values(state.values["search"], space, config.search.iterations)
    return (
        saved.iteration == config.search.iterations - 1
        and saved.level == space.num_levels
        and len(saved.scores) == len(saved.chosen)
    )


def finished_state(run: Path, config: RunConfig, reason: str) -> State:
    """Reads the last state of a finished search.

    Args:
        run: its directory.
        config: its settings.
        reason: why it must be finished.

    Raises:
        RunDirectoryError: if it is not finished.
    """
    state = StateFiles(run / "state", RunDirectory.STATES).peek()
    if state is None or not is_finished(state, config, make_space(config.space)):
        raise RunDirectoryError(f"The search in {run} must be finished: {reason}. Let it end with epnas-search.")
    return state


def run_search(
    config: RunConfig,
    run_dir: str | os.PathLike[str],
    listener: Listener | None = None,
    profile: bool = False,
    forecast: bool = False,
    workers: WorkersConfig = WorkersConfig(),
) -> SearchResult:
    """Runs a search, or resumes a stopped one.

    `epnas-search` calls `prepare_tensorflow` first. It changes the whole process, so your own program decides.

    Args:
        config: the settings.
        run_dir: the folder of the run's files.
        listener: receives the events; None for silence.
        profile: whether to write a TensorBoard profile of a few steps of the first child of the deepest level to
            RUN_DIR/logs. It changes no result.
        forecast: whether to time a few steps, pass the forecast to `Listener.forecast`, and refuse a search that needs
            more main memory than there is. It takes seconds and changes no result.
        workers: where the children of a round are trained; by default in this process. It changes no result.

    Returns:
        The result. The same settings give the same result, however often the run was stopped.

    Raises:
        EPNASError: for every mistake of the user: in settings, data or the run directory.

    Example:
        >>> import epnas_tf
        >>> config = epnas_tf.RunConfig(
        ...     space=epnas_tf.SpaceConfig(layers=2, operations=("conv_3x3", "max_pool_3x3")),
        ...     network=epnas_tf.NetworkConfig(channels=4),
        ...     data=epnas_tf.DataConfig(dataset="digits", train_images=200),
        ...     child=epnas_tf.ChildConfig(epochs=1, batch_size=64),
        ...     search=epnas_tf.SearchConfig(k=1, iterations=1),
        ... )
        >>> result = epnas_tf.run_search(config, "runs/demo")
        >>> result.num_children, result.architecture.num_levels
        (3, 2)
    """
    return run_searches(config, run_dir, 1, [listener or Listener()], profile, forecast, workers)[0]


def run_searches(
    config: RunConfig,
    run_dir: str | os.PathLike[str],
    searches: int,
    listeners: Sequence[Listener] = (),
    profile: bool = False,
    forecast: bool = False,
    workers: WorkersConfig = WorkersConfig(),
) -> list[SearchResult]:
    """Runs several searches side by side, with seeds from the settings' on, or resumes them.

    The first is the one that `run_search` runs, in `run_dir`. The others, in its folders searches/2, searches/3 and so
    on, have the same images (`split_seed`) and workers, and share nothing else (paper, section 5, "Discussion"). There
    may be more of them on a later call.

    Args:
        config: the settings of the first.
        run_dir: the folder of the first one's files.
        searches: how many.
        listeners: receive the events, one for each search; none for silence.
        profile: as for `run_search`, of the first.
        forecast: as for `run_search`; every listener gets it.
        workers: where the children are trained. Each search has its rounds; several can be trained at a time.

    Returns:
        The result of each. It does not depend on how many there are, nor on the workers.

    Raises:
        EPNASError: for every mistake of the user. If one search fails, the others are brought to their end first.

    Example:
        >>> import epnas_tf
        >>> config = epnas_tf.RunConfig(
        ...     space=epnas_tf.SpaceConfig(layers=2, operations=("conv_3x3", "max_pool_3x3")),
        ...     network=epnas_tf.NetworkConfig(channels=4),
        ...     data=epnas_tf.DataConfig(dataset="digits", train_images=200),
        ...     child=epnas_tf.ChildConfig(epochs=1, batch_size=64),
        ...     search=epnas_tf.SearchConfig(k=1, iterations=1),
        ... )
        >>> [result.num_children for result in epnas_tf.run_searches(config, "runs/several", searches=2)]
        [3, 3]
    """
    check_environment()
    require(RunConfig, "config", config)
    check_workers(workers, config, searches)
    space = make_space(config.space)
    data_module.check(config.data)
    listeners = listeners or [Listener() for _ in range(searches)]
    with contextlib.ExitStack() as stack:
        directories = open_directories(config, run_dir, searches, stack)
        data = data_module.load(config.data, config.seed)
        shape = network_shape(config, space, data)
        for directory in directories:
            directory.save_description(describe_data(data))
        states = [directory.load_state() for directory in directories]
        if all(state is not None and is_finished(state, config, space) for state in states):
            workers, forecast = WorkersConfig(), False
        memory = check_memory(config, size_of(data)) if forecast else None
        runs = [
            OneSearch(directory.config, space, data, shape, directory, listener, state, number, searches)
            for number, (directory, listener, state) in enumerate(zip(directories, listeners, states, strict=True))
        ]

        @functools.cache
        def timed() -> Forecast:
            return forecast_search(config, shape, size_of(data), memory, any(states))

        configs = [directory.config for directory in directories]
        with only_new_garbage(), contextlib.closing(make_place(workers, configs, data, runs[0])) as place:
            return side_by_side(runs, place, profile, timed if forecast else None)


def side_by_side(
    runs: Sequence[OneSearch], place: Place, profile: bool, forecast: Callable[[], Forecast] | None
) -> list[SearchResult]:
    """Runs searches to their end, each as soon as the place has its round.

    Raises:
        EPNASError: the first that a search has raised, once the others have ended.
    """
    results: dict[int, SearchResult] = {}
    failures: list[EPNASError] = []
    rounds = [run.rounds(place, profile and run is runs[0], forecast) for run in runs]

    def go_on(number: int, outcomes: Any) -> None:
        try:
            following = rounds[number].send(outcomes)
        except StopIteration as end:
            results[number] = end.value
        except EPNASError as error:
            failures.append(error)
            if len(runs) > 1:
                runs[number].listener.warning(f"This search has ended; the others go on. {error}")
        else:
            place.begin(following)

    for number in range(len(runs)):
        go_on(number, None)
    while len(results) + len(failures) < len(runs):
        done, outcomes = place.done()
        go_on(done.tasks[0].search, outcomes)
    if failures:
        raise failures[0]
    return [results[number] for number in range(len(runs))]
