"""The README's Python example runs as it stands, and its commands exist."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_python_example_runs_as_it_stands(tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 1
    script = tmp_path / "example.py"
    script.write_text(blocks[0], encoding="utf-8")
    done = subprocess.run(
        [sys.executable, script], cwd=tmp_path, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Results summary" in done.stdout
    architecture = done.stdout.strip().splitlines()[-1]
    assert re.fullmatch(r"1 \w+ \| 2 \w+( \+0)? \| 3 \w+( \+[01](,1)?)?", architecture)


def test_every_named_flag_exists():
    from epnas_tf.config import RunConfig, fields_of

    known = {field.name for field in fields_of(RunConfig)} | {
        "run_dir",
        "flagfile",
        "help",
        "logdir",
    }  # the last is TensorBoard's
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
