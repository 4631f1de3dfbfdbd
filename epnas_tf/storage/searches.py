"""The folders of several searches side by side: the run's own, and searches/2, searches/3 and so on in it."""

import contextlib
import dataclasses
import os
from pathlib import Path

from epnas_tf.config import RunConfig
from epnas_tf.storage.run_directory import RunDirectory

SEARCHES = "searches"


def folder_of_search(run_dir: str | os.PathLike[str], number: int) -> Path:
    """The folder of a search, by its number from 1."""
    return Path(run_dir) if number == 1 else Path(run_dir) / SEARCHES / str(number)


def folders_of_searches(run_dir: str | os.PathLike[str]) -> list[Path]:
    """The folders of all searches of a run, by their numbers; its own alone where no others were begun."""
    folders = [Path(run_dir)]
    while (folder := folder_of_search(run_dir, len(folders) + 1) / "config.json").is_file():
        folders.append(folder.parent)
    return folders


def open_directories(
    config: RunConfig, run_dir: str | os.PathLike[str], searches: int, stack: contextlib.ExitStack
) -> list[RunDirectory]:
    """Opens the directories of several searches, until a stack closes them.

    Raises:
        RunDirectoryError: if one cannot be used.
    """
    directories = [stack.enter_context(RunDirectory(run_dir, config))]
    if searches > 1:
        stack.callback(_remove_if_empty, Path(run_dir) / SEARCHES)
    data = dataclasses.replace(config.data, split_seed=config.data.drawn_by(config.seed))
    for number in range(2, searches + 1):
        one = dataclasses.replace(config, data=data, seed=config.seed + number - 1)
        directories.append(stack.enter_context(RunDirectory(folder_of_search(run_dir, number), one)))
    return directories


def _remove_if_empty(folder: Path) -> None:
    """Removes a folder in which nothing was left."""
    with contextlib.suppress(OSError):
        folder.rmdir()
