import contextlib
import gc
import weakref

from epnas_tf.memory import free_memory, only_new_garbage


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
