"""Parts that the commands share: one-line errors for the user's mistakes, exit codes, printed settings."""

import codecs
import concurrent.futures
import contextlib
import errno
import functools
import io
import os
import re
import shlex
import shutil
import sys
import tempfile
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NoReturn, TypeVar

from absl import app, flags, logging
from rich.console import Console
from rich.table import Table

from epnas_tf import plugins
from epnas_tf.bin import flags as config_flags
from epnas_tf.bin.displays.reading import show_reading
from epnas_tf.data import progress
from epnas_tf.data.checks.names import printable
from epnas_tf.errors import ConfigError, EPNASError
from epnas_tf.memory import end_without_search_for_garbage
from epnas_tf.options import as_flags, values_of

T = TypeVar("T")

INTERRUPTED = 130
"""The exit code of a program that the user stopped, by the shell's custom."""

NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

NO_PATH = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS, errno.ENOTDIR)
"""Errors about a path that the user gave, wherever they occur first."""

NOT_FOR_US = ("KERAS_MAX_EPOCHS", "KERAS_MAX_STEPS_PER_EPOCH", "KERAS_NNX_ENABLED")
"""What Keras reads for its own `fit` and for JAX alone, when it is imported."""

SPELLED_OUT = {
    "…": "...",
    "×": "x",
    "·": ".",
    "−": "-",
    "→": "->",
    "τ": "tau",
    "ρ": "rho",
    "²": "^2",
    "½": "1/2",
    "≥": ">=",
    "━": "-",
    "╸": "-",
    "╺": "-",
}
"""Replacements in our own texts for characters that an encoding lacks."""

FLAG_VALUES = {"int": "a whole number", "float": "a number", "bool": "true or false"}
"""The values that flags expect, by absl's name of their type."""

UNUSED_BY_KERAS = ("matplotlib", "pandas", "sklearn")
"""What Keras imports if it is there, for wrappers and pictures that no binary uses."""


@contextlib.contextmanager
def quiet_tensorflow() -> Iterator[None]:
    """Imports TensorFlow and Keras without their start-up messages, which are shown only after a bug.

    They come from C++ code before its log level can be set, so standard error itself is redirected. If
    TF_CPP_MIN_LOG_LEVEL is set, they are shown.
    """
    if "TF_CPP_MIN_LOG_LEVEL" in os.environ:
        _import_tensorflow()
        yield
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"  # for what comes later
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as aside:
        os.dup2(aside.fileno(), 2)
        try:
            _import_tensorflow()
            yield
        except (EPNASError, OSError, MemoryError, KeyboardInterrupt):
            raise  # no bug, so the error says what is wrong
        except BaseException:
            os.dup2(kept, 2)
            aside.seek(0)
            sys.stderr.write(aside.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


def start_tensorflow(xla: bool | None = None, long_runs: bool = False, one_thread: bool = False) -> None:
    """Imports TensorFlow as `quiet_tensorflow` does and prepares it.

    It takes seconds, so whatever can be refused is refused before.

    Args:
        xla: as in `epnas_tf.devices.prepare_tensorflow`; None for commands that train nothing, for which only GPU
            memory grows on demand.
        long_runs: likewise.
        one_thread: likewise.
    """
    with quiet_tensorflow():
        from epnas_tf.devices import grow_gpu_memory, prepare_tensorflow

        if xla is None:
            grow_gpu_memory()
        else:
            prepare_tensorflow(xla, long_runs, one_thread)


def _import_tensorflow() -> None:
    """Imports TensorFlow and Keras without modules that Keras would import needlessly.

    Only for a command's own process, before it has threads: it then lacks Keras's wrappers of scikit-learn for good.
    """
    _set_keras_environment()
    hidden = [name for name in UNUSED_BY_KERAS if name not in sys.modules]
    # Measured in turns: 3.0 s of CPU time, without it 4.3; on a busy machine 9.3, without it 12.6.
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]  # None: an import of it fails
    try:
        import keras  # noqa: F401
        import tensorflow  # noqa: F401

        end_without_search_for_garbage()
    finally:
        for name in hidden:
            sys.modules.pop(name, None)


def _set_keras_environment() -> None:
    """Makes a command independent of the user's Keras settings: the backend, and keras.json with its float type.

    Keras reads them once, when it is imported, and a broken keras.json would end the command there.
    """
    backend = os.environ.get("KERAS_BACKEND")
    for name in NOT_FOR_US:
        os.environ.pop(name, None)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ["KERAS_HOME"] = os.devnull  # where keras.json is: none is in what is no folder, and none can be written
    if backend not in (None, "", "tensorflow"):
        Terminal().say(f"note: Keras runs on TensorFlow here, whatever KERAS_BACKEND is. Received: {backend}")


def _spell_out(error: UnicodeError) -> tuple[str, int]:
    r"""Replaces characters that an encoding lacks: "…" by "...", "é" or a byte of a file name by `\xe9`."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lacking = error.object[error.start : error.end]
    written = (SPELLED_OUT.get(c) or printable(c).encode("ascii", "backslashreplace").decode() for c in lacking)
    return "".join(written), error.end


def print_in_any_encoding() -> None:
    """Makes standard output and error accept every text, whatever their encoding, without loss."""
    codecs.register_error("epnas_tf.spell_out", _spell_out)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="epnas_tf.spell_out")


def run_main(name: str, main: Callable[[list[str]], None], description: str, on_interrupt: str = "") -> None:
    """Parses the flags and runs a command. A user's mistake ends it with one message and exit code 1, `--help` with 0.

    Args:
        name: the command's name, for its messages.
        main: takes the positional arguments.
        description: the purpose of the command, for `--help`.
        on_interrupt: the message after Ctrl-C, before the text of the `KeyboardInterrupt`, if it has any.
    """
    print_in_any_encoding()
    progress.display, progress.tell = show_reading, complain
    sys.modules["__main__"].__doc__ = description  # what absl shows above the flags
    app.HelpFlag = _Help  # type: ignore[misc]
    if "plugins" not in flags.FLAGS:  # a program without settings, or whose settings have none
        flags.DEFINE_list("plugins", [], plugins.HELP)
        config_flags.show_in_help("plugins")

    def guarded(argv: list[str]) -> None:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.ERROR)  # libraries' notes would stand between our own lines
        plugins.load(flags.FLAGS.plugins)
        main(argv[1:])
        sys.stdout.flush()  # here, where its failure can be told

    try:
        app.run(guarded, flags_parser=functools.partial(_parse, name))
    except EPNASError as error:
        complain(f"{name}: error: {error}")
        sys.exit(1)
    except MemoryError as error:
        complain(f"{name}: error: there is not enough memory; fewer or smaller images need less. {error}")
        _leave(1)
    except BrokenPipeError:
        _leave(1)  # who reads the output has gone, `| head` say
    except OSError as error:
        if error.errno in NO_PATH and error.filename is not None:
            complain(f"{name}: error: a path cannot be used: {error.strerror}. Received: {error.filename}")
            sys.exit(1)
        if error.errno not in NO_SPACE:
            raise
        complain(f"{name}: error: the output cannot be written: {error.strerror}. {on_interrupt}")
        _leave(1)
    except KeyboardInterrupt as stopped:
        sys.stderr.write("\n")
        complain(f"{name}: stopped. {on_interrupt} {stopped}".rstrip())
        _leave(INTERRUPTED)


def _parse(name: str, argv: list[str]) -> list[str]:
    """Parses the flags of a command; a flag that asks for help ends it.

    Raises:
        ConfigError: if a flag is wrong.
    """
    try:
        return flags.FLAGS(config_flags.with_preset(argv))
    except UnicodeDecodeError as error:
        raise ConfigError(_undecodable_flag_file(argv, error)) from error
    except flags.Error as error:
        raise ConfigError(f"{_flag_error(error)}\nSee {name} --help.") from error
    except SystemExit:  # only a flag that asks for help ends the program while it is read
        sys.exit(0)


class _Help(app.HelpFlag):
    """The flag `--help`, by purpose; absl's own flags (debuggers, profilers, loggers) are left to `--helpfull`."""

    def parse(self, arg: Any) -> None:
        if self._parse(arg):
            sys.stdout.write(f"{sys.modules['__main__'].__doc__}{config_flags.help_by_purpose()}\n")
            sys.stdout.flush()
            sys.exit(0)


def _flag_error(error: flags.Error) -> str:
    """Returns the error text for a flag that absl refuses, with the expected values in the words of the settings."""
    text, reason = str(error).removeprefix("ERROR:: "), str(error.__context__)
    found = re.fullmatch(rf"flag --(\w+)=(.*): {re.escape(reason)}", text, re.DOTALL)
    if not found or found[1] not in flags.FLAGS:
        return text
    flag, parser = flags.FLAGS[found[1]], flags.FLAGS[found[1]].parser
    expected = FLAG_VALUES.get(parser.flag_type(), parser.syntactic_help)
    if isinstance(parser, flags.EnumParser):
        expected = f"one of {', '.join(parser.enum_values)}"
    elif getattr(parser, "lower_bound", None) is not None:
        expected += f" of at least {parser.lower_bound}"
    example = "" if flag.default is None else f", such as {as_flags({flag.name: flag.default})}"
    advice = f"Give one{example}, or leave the flag out."
    return f"--{flag.name} must be {expected}. Received: {found[2]!r}. {advice}"


def _undecodable_flag_file(argv: list[str], error: UnicodeDecodeError) -> str:
    """Returns the error text for a flag file that Python cannot decode in the terminal's encoding."""
    remedy = "Save it as UTF-8." if error.encoding == "utf-8" else "Set PYTHONUTF8=1 to have it read as UTF-8."
    begin = bytes(error.object[: error.start + 1]).splitlines()[-1]  # of the line, with the byte that is wrong
    files = " ".join(argument for argument in argv[1:] if "flagfile" in argument)
    received = f"{files} with {begin!r}, which cannot be decoded"
    return f"A flag file must be a text in {error.encoding.upper()}. Received: {received}. {remedy}"


def _leave(code: int) -> NoReturn:
    """Ends the process at once; a normal exit would collide with a thread that is still in TensorFlow's C++ code."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


def interruptible(call: Callable[[], T]) -> T:
    """Calls a function in another thread, so that Ctrl-C works, and returns or raises what it does.

    Python handles Ctrl-C between two of its own instructions, and a child's training is a single one of some minutes.
    Therefore the main thread only waits, and responds at once.
    """
    outcome: concurrent.futures.Future[T] = concurrent.futures.Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # passed on to the main thread
            outcome.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return outcome.result()


def refuse_arguments(arguments: list[str]) -> None:
    """Refuses positional arguments, and names the flag for a folder or file.

    Raises:
        ConfigError: if there are any.
    """
    if arguments:
        path = next((one for one in arguments if os.path.exists(one)), None)
        advice = f" For images of your own give {shlex.quote(f'--dataset={path}')}." if path else ""
        raise ConfigError(f"Only flags are understood, see --help. Received: {' '.join(arguments)}.{advice}")


def only_argument(arguments: list[str], what: str = "run directory") -> str:
    """Returns the one positional argument.

    Args:
        arguments: the positional arguments.
        what: the name of the argument.

    Raises:
        ConfigError: if there is none, or another one.
    """
    if len(arguments) != 1:
        raise ConfigError(f"Give one {what}, see --help. Received: {' '.join(arguments) or 'none'}")
    return arguments[0]


def complain(text: str) -> None:
    """Prints a sentence to standard error; further lines, meant for copying, are not wrapped."""
    console = Terminal(stderr=True)
    sentence, *lines = text.split("\n")
    console.say(sentence)
    for line in lines:
        console.print(line, soft_wrap=True)


def command(name: str) -> str:
    """Returns a program of this environment as typed: its name, or its path if the shell would not find it."""
    if shutil.which(name):
        return name
    path = os.path.join(os.path.dirname(sys.executable), name)
    return min(path, os.path.relpath(path), key=len)


class Terminal(Console):
    """The console of a command: it prints texts unchanged, without a width limit if the output is not a terminal.

    Args:
        stderr: whether it prints to standard error.
        **options: further arguments of Rich's console.
    """

    def __init__(self, *, stderr: bool = False, **options: Any) -> None:
        if not (sys.stderr if stderr else sys.stdout).isatty():
            options.setdefault("width", 200)
        super().__init__(stderr=stderr, highlight=False, markup=False, emoji=False, **options)

    def say(self, text: str) -> None:
        """Prints a sentence, wrapped between words on a terminal, on one line elsewhere. Long paths are not broken."""
        if self.is_terminal:
            wrap = textwrap.TextWrapper(self.width, break_long_words=False, break_on_hyphens=False)
            text = "\n".join(map(wrap.fill, text.split("\n")))
        self.print(text, soft_wrap=True)

    def print_next(self, steps: Mapping[str, str], path: str | os.PathLike[str], flag: str = "") -> None:
        """Prints the commands to type next.

        Args:
            steps: commands, each with its purpose.
            path: their argument.
            flag: a flag behind it.
        """
        self.print("next:")
        for program, what in steps.items():
            self.say(f"  # {what}")
            self.print(f"  {command(program)} {shlex.quote(str(path))} {flag}".rstrip(), soft_wrap=True)

    def print_settings(self, config: Any, extra: Mapping[str, Any]) -> None:
        """Prints the settings that differ from the defaults as flags on one line, or with `--verbose` all in a table.

        Args:
            config: the settings.
            extra: further values by name; always shown.
        """
        values = values_of(config)
        if flags.FLAGS.verbose:
            table = make_table()
            for name, value in {**extra, **values, **extra}.items():
                shown = ", ".join(value) if isinstance(value, tuple) else str(value)
                table.add_row(f"  {name}", shown or "-")
            self.print(table)
            return
        for name, value in extra.items():
            self.print(f"{name.replace('_', ' ')}: {value}", soft_wrap=True)
        defaults = values_of(type(config)())
        changed = {name: value for name, value in values.items() if value != defaults[name]}
        shown = f"{as_flags(changed)} (others at their defaults: --verbose)" if changed else "all at their defaults"
        self.print(f"settings: {shown}", soft_wrap=True)


def make_table(*headings: str, numbers: Iterable[str] = ()) -> Table:
    """Makes a table without lines.

    Args:
        headings: of the columns of text; without any heading at all, none are shown.
        numbers: headings of the columns of numbers behind them.
    """
    table = Table(*headings, box=None, show_header=bool(headings or numbers), pad_edge=False)
    for heading in numbers:
        table.add_column(heading, justify="right")
    return table
