"""Runs programs in processes that find their imports done, where a test may let something happen at a moment.

    python -m tests.bin.driver KIND

takes jobs, one a line of JSON, and answers each with the exit code of its process, or the signal that ended it, as a
negative number. A job has `module`, that of a program, or a script's path; `arguments`, its flags; `folder`, where it
is started; `output`, a folder for `stdout` and `stderr`; and `plan`, which may be empty: `moment`, a name of `MOMENTS`;
`nth`, at which of the times that it comes; `children`, a file to which the number of each child that begins is written;
other keys belong to the moment.

The processes are forked from this one. KIND is "tensorflow": they find TensorFlow imported, and not started, and what
the commands import later; or "light": they find what the commands import before it, and end with an error where they
import TensorFlow.
"""

import gc
import importlib.util
import json
import os
import runpy
import signal
import sys
from pathlib import Path

from tests.bin.runs import LIMIT_SECONDS

COMMANDS = ("evaluate", "export", "predict", "rank", "report", "search", "show", "train")
HEAVY = {"tensorflow", "keras", "keras_tuner", "sklearn"}
# What the commands import where they first need it.
LATER = (
    "epnas_tf.export.writers",
    "epnas_tf.report",
    "keras_tuner",
    "scipy.stats",
    "sklearn.datasets",
    "sklearn.metrics",
    "tensorboard.summary._tf.summary",
)


class NoHeavyImport:
    """Ends the process that imports what a refusal must not wait for; no `except` can hide it."""

    @classmethod
    def find_spec(cls, name, *_):
        return importlib.util.spec_from_loader(name, cls) if name in HEAVY else None  # to look for it is no import

    @staticmethod
    def create_module(spec):
        os.write(2, f"Traceback: {spec.name} is imported\n".encode())
        os._exit(1)

    @staticmethod
    def exec_module(_):
        """Importlib asks for it."""


def import_light():
    """Imports what the commands import before TensorFlow; the commands themselves run as `__main__`."""
    importlib.import_module("tensorflow_datasets")  # its names, for a data set's; without TensorFlow
    importlib.import_module("epnas_tf.report.page")  # with Matplotlib
    for name in COMMANDS:
        importlib.import_module(f"epnas_tf.bin.{name}")
        del sys.modules[f"epnas_tf.bin.{name}"]
    assert not HEAVY & sys.modules.keys()
    sys.meta_path.insert(0, NoHeavyImport)


def start(module, arguments, folder, output, plan):
    """Starts a job in a new process and returns its number; ends that process with it."""
    if process := os.fork():
        return process
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(Path(output) / name, os.O_WRONLY | os.O_CREAT), descriptor)
    os.chdir(folder)
    signal.alarm(LIMIT_SECONDS)
    if plan:
        from tests.bin import moments

        moments.install(plan)
    sys.argv[1:] = arguments
    if module.endswith(".py"):
        runpy.run_path(module, run_name="__main__")
    else:
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()


def main():
    if sys.argv[1] == "light":
        import_light()
    else:
        for name in ("tests.bin.moments", *LATER):
            importlib.import_module(name)
    gc.freeze()  # a fork then shares what is imported here to its end
    for line in sys.stdin:
        _, status = os.waitpid(start(**json.loads(line)), 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
