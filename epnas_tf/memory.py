"""Memory that a long run has to give back."""

import atexit
import contextlib
import ctypes
import gc
from collections.abc import Iterator


@contextlib.contextmanager
def only_new_garbage() -> Iterator[None]:
    """Within, garbage is looked for only among the objects that are made within, which takes a fraction of the time.

    Nearly all objects of a program that trains are TensorFlow's and Keras's own, which live as long as it does. What
    was alive before, and becomes garbage in circles meanwhile, is collected afterwards.
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


@contextlib.contextmanager
def no_search_for_garbage() -> Iterator[None]:
    """Within, no garbage is looked for: for imports, which make hundreds of thousands of objects that are none."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def end_without_search_for_garbage() -> None:
    """Lets the process end without a last look for garbage, which takes most of a second where TensorFlow is imported.

    Objects in circles are then not told of the end, so files must be closed by those who opened them.
    """
    atexit.register(gc.freeze)


def free_memory() -> None:
    """Gives back the memory of graphs that are no longer used; it takes a tenth of a second or more.

    A graph's objects refer to one another in circles, which Python collects late, and what was theirs lies in pieces
    among what lives on, which the allocator gives back only when told to: glibc's is; another one keeps its own ways.
    """
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
