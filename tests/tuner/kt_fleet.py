"""Starts the processes of a distributed search from one that has its imports done, and waits for them.

    python -m tests.tuner.kt_fleet LOGS MODULE NAME=ARGUMENTS …

Each NAME is a process's KERASTUNER_TUNER_ID; it runs MODULE as `python -m` does with its ARGUMENTS, a JSON list, and
prints to the files LOGS/NAME and LOGS/NAME.err. The exit codes are printed as JSON at the end.
"""

import gc
import json
import os
import runpy
import signal
import socket
import sys
from pathlib import Path

import keras_tuner  # noqa: F401  (with it in memory, each process begins at once)

from epnas_tf.tuner import tuner  # noqa: F401

LIMIT_SECONDS = 280
"""Less than `runs.LIMIT_SECONDS`, of which a quiet machine needs a tenth."""


def free_port() -> int:
    """A port of the loopback that is free."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return opened.getsockname()[1]


def start(name: str, module: str, arguments: list[str], logs: Path) -> int:
    """Forks a process of the search, and returns its number."""
    if process := os.fork():
        return process
    signal.alarm(LIMIT_SECONDS)
    os.environ["KERASTUNER_TUNER_ID"] = name
    for descriptor, file in ((1, logs / name), (2, logs / f"{name}.err")):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT), descriptor)
    sys.argv[1:] = arguments
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    sys.exit()


def main(logs: str, module: str, *named: str) -> None:
    """Starts all processes and waits for them."""
    os.environ |= {"KERASTUNER_ORACLE_IP": "127.0.0.1", "KERASTUNER_ORACLE_PORT": str(free_port())}
    arguments = {name: json.loads(text) for name, _, text in (one.partition("=") for one in named)}
    gc.freeze()
    processes = {start(name, module, arguments[name], Path(logs)): name for name in arguments}
    codes = {}
    while processes:
        process, status = os.wait()
        codes[processes.pop(process)] = os.waitstatus_to_exitcode(status)
    print(json.dumps(codes))


if __name__ == "__main__":
    main(*sys.argv[1:])
