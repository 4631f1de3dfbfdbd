"""How long `import epnas_tf` and `epnas-search --help` take, against `import tensorflow` and an empty program.

python -m benchmarks startup --turns=5

Every program is a fresh process, from its start to its end, and all of them take turns. Three lines are differences,
turn by turn: what `import epnas_tf` adds to an empty program, and what a command's own import of TensorFlow and Keras,
and all that a search imports, add to `import tensorflow`. A last check asks Python itself (`-X importtime`) whether
--help imported TensorFlow.
"""

import subprocess
import sys

from absl import flags

from benchmarks.interleaved import SPREAD, interleave, show_table, spread, timed

_TURNS = flags.DEFINE_integer("turns", 5, "how often each program runs", lower_bound=1)

HELP = ["-m", "epnas_tf.bin.search", "--help"]
COMMAND = """
from epnas_tf.bin.console import quiet_tensorflow
with quiet_tensorflow():
    pass
"""
PROGRAMS = {
    "pass": ["-c", "pass"],
    "import epnas_tf": ["-c", "import epnas_tf"],
    "epnas-search --help": HELP,
    "import tensorflow": ["-c", "import tensorflow"],
    "a command's import of TensorFlow": ["-c", COMMAND],
    "import tensorflow, epnas_tf.run.runner": ["-c", "import tensorflow, epnas_tf.run.runner"],
}
DIFFERENCES = {
    "import epnas_tf adds": ("import epnas_tf", "pass"),
    "a command's import adds": ("a command's import of TensorFlow", "import tensorflow"),
    "epnas_tf.run.runner adds": ("import tensorflow, epnas_tf.run.runner", "import tensorflow"),
}


def run(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    """Runs Python and returns what it printed."""
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)


def heavy_imports(arguments: list[str]) -> list[str]:
    """Returns which of the libraries that take seconds a program imports."""
    imported = {line.rpartition("|")[2].strip() for line in run(["-X", "importtime", *arguments]).stderr.splitlines()}
    return sorted(imported & {"tensorflow", "keras", "keras_tuner", "tensorflow_datasets"})


def main() -> None:
    measures = [timed(lambda arguments=arguments: run(arguments)) for arguments in PROGRAMS.values()]  # type: ignore[misc]
    interleave(measures, 1)  # not counted: it brings the files into memory
    figures = dict(zip(PROGRAMS, interleave(measures, _TURNS.value), strict=True))
    for name, (longer, shorter) in DIFFERENCES.items():
        figures[name] = [a - b for a, b in zip(figures[longer], figures[shorter], strict=True)]
    rows = [[name, *spread(values, "{:.3f} s")] for name, values in figures.items()]
    rows += [
        [f"libraries that {name} imports", ", ".join(heavy_imports(PROGRAMS[name])) or "none", "", ""]
        for name in ("import epnas_tf", "epnas-search --help")
    ]
    note = f"{_TURNS.value} turns; aim: import epnas_tf adds less than 0.3 s, --help takes less than 1 s, no TensorFlow"
    show_table(f"start of a program, Python {sys.version.split()[0]}", ["", *SPREAD], rows, note)
