import numpy as np
import pytest

from epnas_tf.errors import RunDirectoryError, StateError
from epnas_tf.storage.state_files import State, StateFiles, write_whole


def state(number):
    return State(number, {"name": f"state {number}"}, {"array": np.arange(number, dtype=np.float32)})


@pytest.fixture
def files(tmp_path):
    return StateFiles(tmp_path / "states", "after-")


def names(files):
    return sorted(file.name for file in files.directory.iterdir())


class TestRoundTrip:
    def test_nothing_saved(self, files):
        assert files.load() == (None, [])
        assert files.newest() is None

    def test_newest_comes_back(self, files):
        for number in (1, 2, 3):
            files.save(state(number))
        loaded, problems = files.load()
        assert (loaded.number, loaded.values, problems) == (3, {"name": "state 3"}, [])
        np.testing.assert_array_equal(loaded.arrays["array"], [0, 1, 2])
        assert names(files) == ["after-000002.npz", "after-000003.npz"]
        assert files.newest() == 3

    def test_prefixes_are_apart(self, files):
        other = StateFiles(files.directory, "other-after-")
        files.save(state(1))
        other.save(state(5))
        assert files.load()[0].number == 1
        assert other.load()[0].number == 5

    def test_more_than_six_digits(self, files):
        for number in (999_999, 1_000_000):
            files.save(state(number % 7 + number - number % 7))
        assert files.newest() == 1_000_000


class TestGoingBack:
    def test_younger_states_are_removed(self, files):
        files.save(state(1))
        files.save(state(2))
        assert files.load(newest=1)[0].number == 1
        assert names(files) == ["after-000001.npz"]

    def test_all_are_younger(self, files):
        files.save(state(1))
        assert files.load(newest=0) == (None, [])
        assert names(files) == []

    @pytest.mark.parametrize("damage", ["cut", "flip", "empty"])
    def test_broken_state_is_passed_over(self, files, damage):
        files.save(state(300))
        files.save(state(400))
        broken = files.directory / "after-000400.npz"
        data = bytearray(broken.read_bytes())
        if damage == "flip":
            data[len(data) // 2] ^= 1
        broken.write_bytes({"cut": data[:-50], "flip": data, "empty": b""}[damage])
        loaded, problems = files.load()
        assert loaded.number == 300
        assert len(problems) == 1
        assert "after-000400.npz is not whole" in problems[0]
        assert names(files) == ["after-000300.npz"]

    def test_none_is_whole(self, files):
        files.save(state(1))
        (files.directory / "after-000001.npz").write_bytes(b"no state")
        with pytest.raises(StateError, match=r"None of the states.*Received: .*after-000001"):
            files.load()


class TestPeeking:
    def test_nothing_saved(self, files):
        assert files.peek() is None
        assert not files.directory.exists()

    def test_newest_whole_state_and_nothing_is_removed(self, files):
        files.save(state(1))
        files.save(state(2))
        (files.directory / "after-000003.npz").write_bytes(b"cut short")
        before = {file: file.read_bytes() for file in files.directory.iterdir()}
        peeked = files.peek()
        assert (peeked.number, peeked.values) == (2, {"name": "state 2"})
        np.testing.assert_array_equal(peeked.arrays["array"], [0, 1])
        assert {file: file.read_bytes() for file in files.directory.iterdir()} == before

    def test_none_is_whole(self, files):
        files.save(state(1))
        (files.directory / "after-000001.npz").write_bytes(b"no state")
        assert files.peek() is None

    def test_states_that_another_process_replaces_meanwhile(self, files):
        for number in (1, 2):
            files.save(state(number))

        class Replaced(StateFiles):
            def _files(self):
                found = super()._files()
                if found[0].stem == "after-000002":
                    for number in (3, 4):
                        files.save(state(number))
                return found

        assert Replaced(files.directory, "after-").peek().number == 4


class TestWriting:
    def test_refused_write_leaves_what_was_there(self, files, monkeypatch):
        files.save(state(1))

        def full(descriptor):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(RunDirectoryError, match="No space left on device"):
            files.save(state(2))
        assert names(files) == ["after-000001.npz"]
        assert files.load()[0].number == 1

    def test_directory_that_cannot_be_made(self, tmp_path):
        (tmp_path / "file").write_text("")
        with pytest.raises(RunDirectoryError, match="cannot be written"):
            StateFiles(tmp_path / "file" / "states", "after-").save(state(1))

    def test_write_whole_replaces(self, tmp_path):
        for data in (b"one", b"two"):
            write_whole(tmp_path / "file", data)
        assert (tmp_path / "file").read_bytes() == b"two"
        assert [file.name for file in tmp_path.iterdir()] == ["file"]
