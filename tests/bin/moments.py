"""What a test may let happen to a program at an exact moment. Imports TensorFlow."""

import dataclasses
import errno
import itertools
import json
import os
import resource
import signal
import socket
import sys
import threading

from epnas_tf import files
from epnas_tf.bin.console import quiet_tensorflow
from epnas_tf.storage import run_directory, state_files
from epnas_tf.storage.run_directory import RunDirectory
from epnas_tf.storage.training_directory import TrainingDirectory

with quiet_tensorflow():
    from epnas_tf.children.child import ChildTrainer
    from epnas_tf.network.store import VariableStore
    from epnas_tf.run import one_search
    from epnas_tf.storage.logs import TensorBoardLogs
    from epnas_tf.training import trainer

TRAINING_BEGAN_SECONDS = 0.05


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def die_soon(*_):
    threading.Timer(TRAINING_BEGAN_SECONDS, die).start()


def interrupt(*_):
    """Does what Ctrl-C does, and goes no further: the main thread has to answer."""
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait()


def half_beside(file, data, *_):
    """Dies with half of a file written beside it."""
    file.with_name(file.name + ".tmp").write_bytes(bytes(data)[: len(data) // 2])
    die()


def half_a_line(directory, record):
    """Dies with half of a child's line written."""
    with open(directory.path / "trials.jsonl", "ab") as file:
        file.write(json.dumps(record).encode()[:100])
    die()


def fill_disk(plan):
    """An action that leaves no space: fills a small file system, or ends the process's allowance a file."""

    def fill(*_):
        if plan["ballast"] is None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
            return
        with open(plan["ballast"], "wb", buffering=0) as file:
            for size in (2**16, 1):
                while True:
                    try:
                        file.write(b"x" * size)
                    except OSError:
                        break

    return fill


def narrow_terminal(plan):
    """Makes standard output and error look like a terminal of 50 columns on which nothing can be drawn over."""
    os.environ |= {"COLUMNS": "50", "LINES": "25", "TERM": "dumb"}
    for stream in (sys.stdout, sys.stderr):
        stream.isatty = lambda: True


def ascii_terminal(plan):
    """Makes standard output and error take ASCII alone."""
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="ascii", errors="strict")


def limit_files(plan):
    resource.setrlimit(resource.RLIMIT_FSIZE, (plan["bytes"], plan["bytes"]))


def diverge(plan):
    """Makes the nth children diverge, with the weights as they were before."""
    real, calls = ChildTrainer.outcome, itertools.count(1)
    hits = plan["nth"] if isinstance(plan["nth"], list) else [plan["nth"]]

    def outcome(*arguments, **named):
        found = real(*arguments, **named)
        return dataclasses.replace(found, failure="The loss became nan.") if next(calls) in hits else found

    ChildTrainer.outcome = outcome


def no_network(*_, **__):
    raise OSError(errno.ENETUNREACH, "Network is unreachable")


def at(owner, name, action, after=False):
    """An installer that makes `action` happen before or after the nth call of a function."""

    def install(plan):
        real, calls = getattr(owner, name), itertools.count(1)
        hits = plan["nth"] if isinstance(plan["nth"], list) else [plan["nth"]]

        def wrapped(*arguments, **named):
            hit = next(calls) in hits
            if hit and not after:
                action(*arguments)
            result = real(*arguments, **named)
            if hit and after:
                action(*arguments)
            return result

        setattr(owner, name, wrapped)

    return install


MOMENTS = {
    "half of config.json is written": at(state_files, "write_whole", half_beside),
    "in a child's training": at(ChildTrainer, "outcome", die_soon),
    "a child is trained, not told": at(VariableStore, "count_updates", die),
    "half of a line is written": at(RunDirectory, "append_record", half_a_line),
    "a line is written": at(RunDirectory, "append_record", die, after=True),
    "half of a state is written": at(state_files, "write_whole", half_beside),
    "a state is written, not renamed": at(files, "to_disk", die, after=True),
    "a state is renamed": at(state_files, "write_whole", die, after=True),
    "before architecture.json": at(RunDirectory, "save_best", die),
    "half of architecture.json is written": at(run_directory, "write_whole", half_beside),
    "after a child": at(TensorBoardLogs, "add", die, after=True),
    "before the end": at(one_search, "SearchResult", die),
    "candidates are written": at(TrainingDirectory, "save_candidates", die, after=True),
    "Ctrl-C after a state": at(RunDirectory, "save_state", interrupt, after=True),
    "test.npz is written": at(trainer, "write_whole", die, after=True),
    "children diverge": diverge,
    "the disk is full": lambda plan: at(RunDirectory, "append_record", fill_disk(plan))(plan),
    "files have a limit": limit_files,
    "the terminal is ASCII": ascii_terminal,
    "the terminal is narrow": narrow_terminal,
    "the terminal is narrow and ASCII": lambda plan: [ascii_terminal(plan), narrow_terminal(plan)],
    "no network": lambda plan: setattr(socket, "getaddrinfo", no_network),
}


def note_children(file):
    """Writes down which children begin."""
    real = one_search.OneSearch.began

    def began(run, task):
        with open(file, "a") as noted:
            noted.write(f"{task.number + 1}\n")
        real(run, task)

    one_search.OneSearch.began = began


def install(plan):
    """Makes what a job's plan says happen in this process."""
    if "moment" in plan:
        MOMENTS[plan["moment"]](plan)
    if "children" in plan:
        note_children(plan["children"])
