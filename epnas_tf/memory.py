"""Memory that a long run has to give back."""

import contextlib
import ctypes
import gc


def free_memory() -> None:
    """Gives back the memory of graphs that are no longer used; it takes some tenths of a second.

    A graph's objects refer to one another in circles, which Python collects late, and what was theirs lies in pieces
    among what lives on, which the allocator gives back only when told to: glibc's is; another one keeps its own ways.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
