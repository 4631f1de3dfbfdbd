import gc
import weakref

from epnas_tf.memory import free_memory


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
