"""Memory: what a long run has to give back, and what there is."""

import atexit
import contextlib
import ctypes
import gc
import os
from collections.abc import Iterator
from pathlib import Path

GROUP_FILES = (
    ("memory.max", "memory.current", "inactive_file"),
    ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
)
"""A control group's limit, what of it is used, and what of that is only cached, in version 2 and in version 1."""


@contextlib.contextmanager
def only_new_garbage() -> Iterator[None]:
    """Within, garbage is looked for only among the objects that are made within, which takes a fraction of the time.

    Nearly all objects of a program that trains are TensorFlow's and Keras's own, which live as long as it does. What
    was alive before, and becomes garbage in circles meanwhile, is collected afterwards.
    """
    # Measured: a collection during a search takes 0.1 s and not 0.4 s (BUILD_NOTES.md, Memory).
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def end_without_search_for_garbage() -> None:
    """Lets the process end without a last look for garbage, which takes most of a second where TensorFlow is imported.

    Objects in circles are then not told of the end, so files must be closed by those who opened them.
    """
    # Measured in turns on a busy machine: a command that only imports TensorFlow takes 9.3 s of CPU time, without 10.1.
    atexit.register(gc.freeze)


def free_memory() -> None:
    """Gives back the memory of graphs that are no longer used; it takes a tenth of a second or more.

    A graph's objects refer to one another in circles, which Python collects late, and what was theirs lies in pieces
    among what lives on, which the allocator gives back only when told to: glibc's is; another one keeps its own ways.
    """
    # Measured: 320 small children left 225 MB more than 20 did, and 97 MB with this (BUILD_NOTES.md, Memory).
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes() -> int:
    """Returns the main memory that this process has taken, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def available_bytes() -> int:
    """Returns the main memory that this process may still take, in bytes: what is free, within its control group's."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(fields["MemAvailable"].split()[0]) * 1024
    return max(0, min([free, *_free_in_groups(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))]))


def _free_in_groups(own: Path, root: Path) -> Iterator[int]:
    """Yields what the control groups with a limit leave, those around this process's own included (version 2 and 1)."""
    with contextlib.suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):
                place = root / controllers / path.lstrip("/")
                # In a container the path may be the host's: the root is then the container's own.
                for group in (place, *place.parents):
                    if group.is_relative_to(root):
                        yield from _free_in_group(group)


def _free_in_group(group: Path) -> Iterator[int]:
    for limit, usage, cached in GROUP_FILES:
        with contextlib.suppress(OSError, ValueError, KeyError):  # no such group, or no limit: "max"
            statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            used = int((group / usage).read_text()) - int(statistics[cached])  # the page cache gives way
            yield int((group / limit).read_text()) - used
