"""The README's examples run as they stand, and its commands exist."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

from epnas_tf.space import MacroArchitecture, MicroArchitecture
from epnas_tf.space.serialization import architecture_from_json
from tests.bin import runs

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
BINARIES = ("search", "train", "evaluate", "export", "predict", "report", "show", "rank")


def example(word):
    """Returns the one Python example in which a word stands."""
    found = [block for block in PYTHON if word in block]
    assert len(found) == 1
    return found[0]


def run_example(text, folder, python=sys.executable, **options):
    """Runs an example as it stands, and returns what it printed."""
    script = folder / "example.py"
    script.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [python, script], cwd=folder, capture_output=True, text=True, timeout=600, check=False, **options
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def clone_with_environment(parent):
    """Makes what `make demo` makes of a clone: a folder epnas_tf with .venv in it, which borrows our packages.

    Returns:
        The environment's Python, and variables that do not show it where the package is.
    """
    clone = parent / "epnas_tf"
    clone.mkdir()
    for name in ("epnas_tf", "setup.py", "pyproject.toml", "README.md"):
        (clone / name).symlink_to(ROOT / name)
    python = clone / ".venv" / "bin" / "python"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", clone / ".venv"], check=True, timeout=100)
    packages = sysconfig.get_path("purelib")
    site = Path(sysconfig.get_path("purelib", vars={"base": str(clone / ".venv")}))
    (site / "packages.pth").write_text(packages, encoding="utf-8")
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    install = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--editable", clone)
    subprocess.run([python, *install], env=variables, check=True, timeout=300)
    return python, variables


def test_keras_tuner_example_runs_as_it_stands_beside_the_clone(tmp_path):
    python, variables = clone_with_environment(tmp_path)
    printed = run_example(example("EPNASTuner"), tmp_path, python, env=variables)
    assert "Results summary" in printed
    architecture = printed.strip().splitlines()[-1]
    assert re.fullmatch(r"1 \w+ \| 2 \w+( \+0)? \| 3 \w+( \+[01](,1)?)?", architecture)


def test_examples_after_a_search_run_as_they_stand(tmp_path):
    assert runs.drive_search(tmp_path / "runs" / "demo").returncode == 0
    printed = run_example(example("train_final"), tmp_path)
    assert printed.strip().endswith("report.html")
    demo = tmp_path / "runs" / "demo"  # gets what `make demo` leaves there
    shutil.move(tmp_path / "runs" / "short" / "export", demo / "export")
    shutil.move(tmp_path / "runs" / "short", demo / "final")
    answer = run_example(example("saved_model.load"), tmp_path)
    assert "shape=(1,), dtype=string" in answer
    served = subprocess.run(
        [sys.executable, ROOT / "examples" / "serve.py", demo],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    assert re.search(r"\d +\d+\.\d %  \(is \d\)", served.stdout)


def test_serving_what_was_not_exported_says_what_to_do(tmp_path):
    served = subprocess.run(
        [sys.executable, ROOT / "examples" / "serve.py", tmp_path], capture_output=True, text=True, timeout=300
    )
    assert served.returncode == 1
    assert "Run epnas-export" in served.stderr
    assert "Traceback" not in served.stderr


def test_every_architecture_is_one():
    documents = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
    assert [type(architecture_from_json(document)) for document in documents] == [MacroArchitecture, MicroArchitecture]


def test_every_named_flag_exists():
    known = {"logdir", "flagfile", "help"}  # TensorBoard's, and absl's own
    for binary in BINARIES:
        printed = runs.call((sys.executable, "-m", f"epnas_tf.bin.{binary}"), "--help").stdout
        known |= set(re.findall(r"^  --(?:\[no\])?(\w+)", printed, re.MULTILINE))
    assert set(re.findall(r"--(\w+)", README)) <= known


def test_every_named_file_exists():
    named = set(re.findall(r"(?:flags|tests|epnas_tf|benchmarks)/[\w/.]*\w\.(?:py|cfg)", README))
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_make_has_the_two_commands():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in README
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
