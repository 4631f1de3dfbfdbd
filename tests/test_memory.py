import contextlib
import gc
import subprocess
import sys
import weakref

import pytest

from epnas_tf.memory import free_memory, no_search_for_garbage, only_new_garbage


class _Graph:
    """Refers to itself, as a graph's objects do."""

    def __init__(self) -> None:
        self.itself = self


def test_memory_of_objects_in_circles_is_given_back_at_once():
    gc.disable()
    try:
        alive = weakref.ref(_Graph())
        assert alive() is not None, "nothing collects it yet"
        free_memory()
        assert alive() is None
    finally:
        gc.enable()


def test_only_garbage_that_is_made_within_is_looked_for_within():
    gc.disable()
    try:
        before = weakref.ref(_Graph())
        with contextlib.suppress(KeyboardInterrupt), only_new_garbage():
            within = weakref.ref(_Graph())
            free_memory()
            assert within() is None
            assert before() is not None
            raise KeyboardInterrupt  # a search is often stopped so
        free_memory()
        assert before() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("enabled", [True, False])
def test_no_garbage_is_looked_for_within_and_then_as_before(enabled):
    (gc.enable if enabled else gc.disable)()
    try:
        with contextlib.suppress(ImportError), no_search_for_garbage():
            assert not gc.isenabled()
            raise ImportError
        assert gc.isenabled() == enabled
    finally:
        gc.enable()


AT_THE_END = """
import gc, sys
from epnas_tf.memory import end_without_search_for_garbage

class Told:
    def __init__(self):
        self.itself = self
    def __del__(self):
        print("looked for")

gc.disable()
end_without_search_for_garbage() if sys.argv[1] == "without" else None
Told()
print("ends")
"""


@pytest.mark.parametrize(("end", "printed"), [("as ever", ["ends", "looked for"]), ("without", ["ends"])])
def test_the_end_looks_for_no_garbage(end, printed):
    result = subprocess.run([sys.executable, "-c", AT_THE_END, end], capture_output=True, text=True, check=True)
    assert result.stdout.splitlines() == printed
