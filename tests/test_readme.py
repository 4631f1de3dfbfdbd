"""What the README promises: its size, its two commands, KerasTuner beside a clone."""

import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from epnas_tf.space import MacroArchitecture, MicroArchitecture, StagedArchitecture
from epnas_tf.space.serialization import architecture_from_json

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVED = (ROOT / "docs" / "served_model.md").read_text(encoding="utf-8")
KERAS_TUNER = (ROOT / "docs" / "keras_tuner.md").read_text(encoding="utf-8")


def run_example(text, folder, python, **options):
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
    (block,) = [text for text in re.findall(r"```python\n(.*?)```", KERAS_TUNER, re.DOTALL) if "EPNASTuner(" in text]
    python, variables = clone_with_environment(tmp_path)
    printed = run_example(block, tmp_path, python, env=variables)
    assert "Results summary" in printed
    architecture = printed.strip().splitlines()[-1]
    assert re.fullmatch(r"1 \w+ \| 2 \w+( \+0)? \| 3 \w+( \+[01](,1)?)?", architecture)


def test_every_architecture_is_one():
    documents = re.findall(r"```json\n(.*?)```", SERVED, re.DOTALL)
    kinds = [type(architecture_from_json(document)) for document in documents]
    assert kinds == [MacroArchitecture, MicroArchitecture, StagedArchitecture]


def test_make_has_the_two_commands():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in ("demo", "test"):
        assert f"make {target}" in README
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)


def test_readme_is_one_page():
    assert len(README.encode()) <= 7000


def test_workflow_runs_the_two_commands_with_the_packages_of_ci():
    workflow = (ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8")
    steps = re.findall(r"- run: (.+)", workflow)
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert steps == [*re.findall(r"^apt-get .+$", script, re.MULTILINE), "make demo", "make test"]
