"""Starts the binaries as processes, and compares what runs left."""

import atexit
import dataclasses
import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from epnas_tf.storage.state_files import State, StateFiles

# A real search of 12 children, with two convolutions and skips at the last level.
TINY = (
    "--dataset=digits",
    "--layers=3",
    "--k=2",
    "--iterations=2",
    "--channels=4",
    "--batch_size=64",
    "--epochs=1",
    "--train_images=300",
    "--operations=conv_3x3,max_pool_3x3",
    "--surrogate_steps=20",
    "--noforecast",
)
NUM_CHILDREN = 12
RANK = ("--architectures=3", "--own_epochs=1")
SEARCH = (sys.executable, "-m", "epnas_tf.bin.search")
SHOW = (sys.executable, "-m", "epnas_tf.bin.show")
DRIVER = (sys.executable, "-m", "tests.bin.driver")
LIMIT_SECONDS = 300
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
ROOT = Path(__file__).parents[2]


@dataclasses.dataclass(frozen=True)
class Run:
    """A run that ended, and what it printed."""

    path: Path
    stdout: str
    stderr: str


def environment(**variables):
    """Returns an environment in which neither this terminal nor a proxy shows, and no one has chosen the threads."""
    hidden = ("TF_CPP_MIN_LOG_LEVEL", "COLUMNS", "LINES", "PYTHONWARNINGS", *THREADS)
    kept = {k: v for k, v in os.environ.items() if k not in hidden and not k.lower().endswith("_proxy")}
    paths = [str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**kept, "PYTHONPATH": os.pathsep.join(paths), **variables}


def call(command, *arguments, cwd=None, **variables):
    """Runs a program to its end, with some environment variables."""
    return subprocess.run(
        [*command, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=LIMIT_SECONDS,
        env=environment(**variables),
        cwd=cwd,
    )


def search(run_dir, *arguments):
    """Runs the tiny search to its end."""
    return call(SEARCH, *TINY, f"--run_dir={run_dir}", *arguments)


def drive(binary, *arguments, cwd=ROOT, **plan):
    """Runs a binary to its end, where TensorFlow is imported, with what may happen to it at an exact moment.

    See `driver`. A third of the time of many a `call` is TensorFlow's import.
    """
    return _drive(f"epnas_tf.bin.{binary}", arguments, cwd, plan)


def script(path, *arguments, cwd=ROOT):
    """Runs a script to its end, where TensorFlow is imported."""
    return _drive(str(path), arguments, cwd, {})


def code(text, *arguments, cwd=ROOT):
    """Runs lines of Python to their end, where TensorFlow is imported."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "code.py"
        path.write_text(text)
        return script(path, *arguments, cwd=cwd)


def program(module, *arguments):
    """Runs a module as `python -m` does, where TensorFlow is imported."""
    return _drive(module, arguments, ROOT, {})


def benchmark(*arguments):
    """Runs `python -m benchmarks` to its end, where TensorFlow is imported."""
    return program("benchmarks", *arguments)


def light(binary, *arguments, cwd=ROOT):
    """Runs a binary to its end that must not import TensorFlow: it fails if it does.

    See `driver`. Nearly all the time of such a `call` is the start of Python and its imports.
    """
    return _drive(f"epnas_tf.bin.{binary}", arguments, cwd, {}, "light")


def light_search(run_dir, *arguments):
    """Starts the tiny search where it is to be refused."""
    return light("search", *TINY, f"--run_dir={run_dir}", *arguments)


def _drive(module, arguments, cwd, plan, kind="tensorflow"):
    process, arguments = driver(kind), [str(argument) for argument in arguments]
    with tempfile.TemporaryDirectory() as output:
        job = {"module": module, "arguments": arguments, "folder": str(cwd), "output": output, "plan": plan}
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        code = process.stdout.readline()
        assert code, "the driver has ended"
        printed = ((Path(output) / name).read_text() for name in ("stdout", "stderr"))
        return subprocess.CompletedProcess(arguments, int(code), *printed)


@functools.cache
def driver(kind):
    """Starts the process that the driven binaries are forked from."""
    quiet = environment(TF_CPP_MIN_LOG_LEVEL="3")  # the programs do not see to it where TensorFlow is imported before
    process = subprocess.Popen([*DRIVER, kind], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=quiet)
    atexit.register(lambda: (process.kill(), process.communicate()))  # which waits, and closes the pipes
    return process


def drive_search(run_dir, **plan):
    """Drives the tiny search."""
    return drive("search", *TINY, f"--run_dir={run_dir}", **plan)


def trials(run_dir):
    """Returns the lines of trials.jsonl without their times."""
    lines = (run_dir / "trials.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if not k.endswith("seconds")} for line in lines]


def newest_file(run_dir):
    """Returns the file of the newest state."""
    return max((run_dir / "state").glob("*.npz"))


def state(run_dir) -> State:
    """Returns the newest state."""
    newest, problems = StateFiles(run_dir / "state", "after-").load()
    assert newest is not None
    assert not problems
    return newest


def snapshot(run_dir):
    """Returns every file with its content and its time."""
    files = (file for file in sorted(run_dir.rglob("*")) if file.is_file())
    return {str(file.relative_to(run_dir)): (file.stat().st_mtime_ns, file.read_bytes()) for file in files}


def assert_same_result(run_dir, expected_dir):
    """Checks that a run ended like another, bit for bit, times apart, and left nothing lying about."""
    assert trials(run_dir) == trials(expected_dir)
    for name in ("architecture.json", "ranking.json"):
        assert (run_dir / name).read_bytes() == (expected_dir / name).read_bytes()
    ours, theirs = state(run_dir), state(expected_dir)
    timed = {"seconds", "parts", "workers"}
    assert ours.number == theirs.number
    assert {k: v for k, v in ours.values.items() if k not in timed} == {
        k: v for k, v in theirs.values.items() if k not in timed
    }
    assert any(name.startswith("search.") for name in ours.arrays)
    assert any(name.startswith("store.") for name in ours.arrays)
    assert ours.arrays.keys() == theirs.arrays.keys()
    for name, array in ours.arrays.items():
        assert (array.dtype, array.shape) == (theirs.arrays[name].dtype, theirs.arrays[name].shape), name
        assert array.tobytes() == theirs.arrays[name].tobytes(), name
    assert {file.name for file in run_dir.iterdir()} - {"searches"} == {
        "architecture.json",
        "config.json",
        "data.json",
        "logs",
        "ranking.json",
        "state",
        "trials.jsonl",
    }
    # A kill between a state's renaming and the removal of the oldest leaves three, until the next state is saved.
    *states, lock = sorted(file.name for file in (run_dir / "state").iterdir())
    assert len(states) in (2, 3)
    assert (states[-1], lock) == (f"after-{ours.number:06d}.npz", "lock")


def assert_clear_error(result, *words, prefix="error: "):
    """Checks that a program ended with one message that has these words, and without a traceback."""
    assert result.returncode not in (0, None)
    assert "Traceback" not in result.stderr + result.stdout
    assert result.stderr.count(prefix) == 1, result.stderr
    for word in words:
        assert word in result.stderr
