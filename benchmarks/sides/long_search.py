"""A whole search whose memory and files are noted after every child."""

import collections
import contextlib
import ctypes
import gc
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import memory
from benchmarks.moments import History, Moment
from epnas_tf import prepare_tensorflow
from epnas_tf.children.child import ChildResult
from epnas_tf.config import DataConfig, NetworkConfig, RunConfig, SearchConfig, SpaceConfig
from epnas_tf.run.runner import Listener, run_search
from epnas_tf.search.progressive import Candidate


def folder_size(folder: Path) -> int:
    """Returns the bytes of all files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class EnoughChildren(Exception):  # noqa: N818  (no error)
    """Stops a search, as Ctrl-C would."""


class Notes(Listener):
    """Notes a moment after every child, and counts the objects of each type at two of them."""

    def __init__(self, folder: Path, first: int, last: int) -> None:
        self.moments: list[Moment] = []
        self.types: list[collections.Counter[str]] = []
        self._folder, self._first, self._last = folder, first, last

    def child_ended(self, candidate: Candidate[Any], result: ChildResult | None) -> None:
        resident = memory.resident()  # before this listener takes any
        children = candidate.number + 1
        if children in (self._first, self._last):
            gc.collect()
            self.types.append(collections.Counter(type(thing).__qualname__ for thing in gc.get_objects()))
        self.moments.append(
            Moment(
                children,
                resident,
                len(gc.get_objects()),
                folder_size(self._folder / "state"),
                folder_size(self._folder / "logs"),
                (self._folder / "trials.jsonl").stat().st_size,
                sum(1 for _ in self._folder.rglob("*")),
            )
        )
        if children >= self._last:
            raise EnoughChildren


class LongSearch:
    """Searches macro networks on the digits with `run_search` and the settings of `epnas-search`.

    Args:
        layers: of the deepest networks.
        channels: of the networks.
        k: architectures of a level.
    """

    def __init__(self, layers: int, channels: int, k: int) -> None:
        prepare_tensorflow()
        self._layers, self._channels, self._k = layers, channels, k

    def run(self, children: int, first: int) -> History:
        """Trains so many children, in a folder that is removed; objects are counted after `first` and at the end."""
        a_pass = 6 + (self._layers - 1) * self._k
        config = RunConfig(
            space=SpaceConfig(layers=self._layers),
            network=NetworkConfig(channels=self._channels),
            data=DataConfig(dataset="digits"),
            search=SearchConfig(k=self._k, iterations=-(-children // a_pass)),
        )
        with tempfile.TemporaryDirectory() as folder:
            notes = Notes(Path(folder), first, children)
            with contextlib.suppress(EnoughChildren):
                run_search(config, folder, notes)
            grown = notes.types[-1] - notes.types[0]
            ctypes.CDLL("libc.so.6").malloc_trim(0)
            return History(notes.moments, grown.most_common(10), memory.resident())
