"""An object in a process of its own, so that what one competitor sets for TensorFlow does not reach the other.

`epnas-search` turns TensorFlow's deterministic operations on and Grappler off, for the whole process. A user of Keras
does neither, and Keras must not be measured with it.
"""

import concurrent.futures
import logging
import multiprocessing
import os
import pkgutil
import signal
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any, Self, TypeVar

from benchmarks.interleaved import CLOCK
from epnas_tf.bin.console import quiet_tensorflow

T = TypeVar("T")

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class Worker:
    """An object in a process of its own, whose methods are called from here; it stays between the calls.

    Args:
        maker: what makes the object there, as "module:name"; this process does not import it.
        *arguments: of the maker.
    """

    def __init__(self, maker: str, *arguments: Any) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share what this process has started
        self._connection, other_end = context.Pipe()
        self._process = context.Process(target=_serve, args=(other_end, maker, arguments))
        self._process.start()
        other_end.close()

    def call(self, method: str, *arguments: Any) -> Any:
        """Calls a method of the object, and returns its result."""
        return self._ask(method, arguments)[0]

    def seconds(self, method: str, *arguments: Any) -> float:
        """Returns how long a call takes by the clock of `--clock`, in seconds, without the way there and back."""
        return self._ask(method, arguments)[1][CLOCK.value]

    def _ask(self, method: str, arguments: tuple[Any, ...]) -> tuple[Any, dict[str, float]]:
        try:
            self._connection.send((method, arguments))
            value, seconds, problem = self._connection.recv()
        except (EOFError, OSError):
            self._process.join()
            raise RuntimeError(f"A competitor ended with exit code {self._process.exitcode}; see above.") from None
        if problem:
            raise RuntimeError(f"A competitor failed:\n{problem}")
        return value, seconds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        self._connection.close()  # the process then ends by itself, once it has answered
        if error is not None:
            self._process.terminate()
        self._process.join()


def end_on_interrupt() -> None:
    """Lets Ctrl-C, which reaches every process of a command, end this one without a word: the command says it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _serve(connection: Connection, maker: str, arguments: tuple[Any, ...]) -> None:
    """Makes the object and answers calls until the other end is closed."""
    end_on_interrupt()
    logging.getLogger("tensorflow").setLevel(logging.ERROR)  # it warns of what trials are about: new graphs
    with quiet_tensorflow():
        made = pkgutil.resolve_name(maker)(*arguments)
    while True:
        try:
            method, call_arguments = connection.recv()
        except EOFError:
            return
        value, problem = None, ""
        began = [read() for read in CLOCKS.values()]
        try:
            value = getattr(made, method)(*call_arguments)
        except Exception:
            problem = traceback.format_exc()
        seconds = {name: CLOCKS[name]() - start for name, start in zip(CLOCKS, began, strict=True)}
        connection.send((value, seconds, problem))


def side_by_side(call: Callable[..., T], arguments: Sequence[tuple[Any, ...]], processes: int) -> Iterator[T]:
    """Calls a function of a module in several processes; yields what it returns as it comes."""
    context = multiprocessing.get_context("spawn")  # TensorFlow's threads do not outlive a fork
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read where a process imports NumPy; they share out the cores
    pool = concurrent.futures.ProcessPoolExecutor(processes, context, _one_thread)
    try:
        for future in concurrent.futures.as_completed([pool.submit(call, *each) for each in arguments]):
            yield future.result()
    finally:  # after an error, what has not begun does not begin
        pool.shutdown(cancel_futures=True)


def _one_thread() -> None:
    """Keeps TensorFlow to one core a process; the processes share out the cores."""
    end_on_interrupt()
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
