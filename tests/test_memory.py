import contextlib
import gc
import subprocess
import sys
import weakref

import pytest

from epnas_tf import memory
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


def make_group(folder, limit, used, cached, version=2):
    names = memory.GROUP_FILES[version == 1]
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip((*names[:2], "memory.stat"), (limit, used, f"anon 5\n{names[2]} {cached}"), strict=True):
        (folder / name).write_text(f"{text}\n")


def test_control_groups_of_both_versions_and_those_around_them_bound_the_memory(tmp_path):
    own, root = tmp_path / "cgroup", tmp_path / "fs"
    own.write_text("0::/outer/inner\n")
    make_group(root / "outer" / "inner", "max", 70, 0)
    make_group(root / "outer", 100, 80, 30)
    assert list(memory._free_in_groups(own, root)) == [100 - (80 - 30)]
    own.write_text("4:memory:/docker/x\n3:cpu:/docker/x\n")
    make_group(root / "memory", 1_000, 400, 100, version=1)  # in a container the path is the host's
    assert list(memory._free_in_groups(own, root)) == [1_000 - 300]


def test_memory_that_is_taken_is_no_longer_available():
    before, resident = memory.available_bytes(), memory.resident_bytes()
    taken = b"x" * 300_000_000
    assert memory.resident_bytes() - resident == pytest.approx(len(taken), rel=0.2)
    assert 0 < before < 2**50
