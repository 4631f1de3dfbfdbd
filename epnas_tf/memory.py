"""Memory: releasing it in long runs, and the amount used and available."""

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
"""Names of a control group's limit, its usage, and the cached part of that, in version 2 and in version 1."""


@contextlib.contextmanager
def only_new_garbage() -> Iterator[None]:
    """Limits garbage collection to objects created within the context, which takes a fraction of the time.

    Nearly all objects of a program that trains belong to TensorFlow and Keras, and live as long as the program. Older
    objects that become cyclic garbage meanwhile are collected afterwards.
    """
    # Measured: a collection during a search takes 0.1 s and not 0.4 s (BUILD_NOTES.md, Memory).
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def end_without_search_for_garbage() -> None:
    """Skips the garbage collection at exit, which takes most of a second once TensorFlow is imported.

    Finalizers of objects in reference cycles do not run then, so files must be closed explicitly.
    """
    # Measured alternately on a busy machine: importing TensorFlow takes 9.3 s of CPU time with this, 10.1 s without.
    atexit.register(gc.freeze)


def free_memory() -> None:
    """Releases the memory of graphs that are no longer used; takes a tenth of a second or more.

    A graph's objects form reference cycles, which Python collects late. Freed memory is fragmented; glibc's allocator
    returns it on `malloc_trim`, other allocators by their own rules.
    """
    # Measured: 320 small children left 225 MB more than 20 did, and 97 MB with this (BUILD_NOTES.md, Memory).
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)


def resident_bytes() -> int:
    """The resident memory of this process, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def available_bytes() -> int:
    """The memory still available to this process, in bytes: free memory, bounded by its control groups."""
    fields = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    free = int(fields["MemAvailable"].split()[0]) * 1024
    return max(0, min([free, *_free_in_groups(Path("/proc/self/cgroup"), Path("/sys/fs/cgroup"))]))


def _free_in_groups(own: Path, root: Path) -> Iterator[int]:
    """Yields the free memory of this process's control group and its parents, if limited (version 2 and 1)."""
    with contextlib.suppress(OSError):
        for line in own.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers in ("", "memory"):
                place = root / controllers / path.lstrip("/")
                # In a container the path may be the host's; the root is then the container's group.
                for group in (place, *place.parents):
                    if group.is_relative_to(root):
                        yield from _free_in_group(group)


def _free_in_group(group: Path) -> Iterator[int]:
    for limit, usage, cached in GROUP_FILES:
        with contextlib.suppress(OSError, ValueError, KeyError):  # no such group, or no limit: "max"
            statistics = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
            used = int((group / usage).read_text()) - int(statistics[cached])  # the page cache can be reclaimed
            yield int((group / limit).read_text()) - used
