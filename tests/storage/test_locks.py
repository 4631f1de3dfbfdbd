import signal
import subprocess
import sys

import pytest

from epnas_tf.errors import RunDirectoryError
from epnas_tf.storage.locks import take_lock


def test_one_at_a_time(tmp_path):
    file = tmp_path / "lock"
    message = rf"^Another process is running in {tmp_path}. Wait\.$"
    with take_lock(file, "Wait."), pytest.raises(RunDirectoryError, match=message):
        take_lock(file, "Wait.")
    take_lock(file, "Wait.").close()


def test_kill_leaves_nothing_locked(tmp_path):
    file = tmp_path / "lock"
    code = f"""
import pathlib, signal
from epnas_tf.storage.locks import take_lock
kept = take_lock(pathlib.Path({str(file)!r}), "Wait.")
print("locked", flush=True)
signal.pause()
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "locked\n"
        with pytest.raises(RunDirectoryError, match="Another process"):
            take_lock(file, "Wait.")
        process.send_signal(signal.SIGKILL)
    take_lock(file, "Wait.").close()


def test_where_nothing_can_be_written(tmp_path):
    with pytest.raises(RunDirectoryError, match="cannot be written"):
        take_lock(tmp_path / "absent" / "lock", "Wait.")
