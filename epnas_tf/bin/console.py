"""What the binaries share: one line for a user's mistake, an exit code, tables of settings."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from absl import app
from rich.console import Console
from rich.table import Table

from epnas_tf.errors import ConfigError, EPNASError

INTERRUPTED = 130
"""The exit code of a program that the user stopped, by the shell's custom."""


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Keeps TensorFlow's start-up messages off the terminal; shows them if the start fails.

    They come from C++ before its log level can be set, so standard error itself is led aside. With TF_CPP_MIN_LOG_LEVEL
    set, the user wants to see them.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # for what comes later
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            aside.seek(0)
            sys.stderr.write(aside.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def run_main(main: Callable[[list[str]], None], description: str, on_interrupt: str = "") -> None:
    """Parses the flags and runs a binary; a user's mistake ends it with one message and exit code 1.

    Args:
        main: takes the arguments that are not flags.
        description: what the program does, for `--help`.
        on_interrupt: what to tell a user who stops it with Ctrl-C.
    """
    sys.modules["__main__"].__doc__ = description  # what absl shows above the flags

    def guarded(argv: list[str]) -> None:
        name = os.path.basename(sys.argv[0]).removesuffix(".py")
        try:
            main(argv[1:])
        except EPNASError as error:
            sys.stderr.write(f"{name}: error: {error}\n")
            sys.exit(1)
        except KeyboardInterrupt:
            sys.stderr.write(f"\n{name}: stopped. {on_interrupt}\n")
            sys.exit(INTERRUPTED)

    app.run(guarded)


def refuse_arguments(arguments: list[str]) -> None:
    """Refuses arguments that are not flags.

    Raises:
        ConfigError: if there are any.
    """
    if arguments:
        raise ConfigError(f"Only flags are understood, see --help. Received: {' '.join(arguments)}")


def settings_table(values: Mapping[str, Any]) -> Table:
    """Returns settings as a table of two columns."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for name, value in values.items():
        shown = ", ".join(value) if isinstance(value, tuple) else str(value)
        table.add_row(f"  {name}", shown or "-")
    return table


def make_console() -> Console:
    """Returns the console; where the output is no terminal, lines are not cut to a width."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else 200)
