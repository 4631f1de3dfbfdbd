"""Every public name has an example in its docstring, and it runs."""

from pathlib import Path

from tests.bin import runs


def test_examples_run_and_none_is_missing(tmp_path):
    done = runs.script(Path(__file__).with_name("docstring_examples.py"), cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-3000:]
