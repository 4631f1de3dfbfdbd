"""Traces the next child while one trains."""

import concurrent.futures
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from epnas_tf.network.network import Network

T = TypeVar("T")


class TracePrefetcher(Generic[T]):
    """Traces one network at a time in a second thread.

    Tracing needs Python, while training is a single call of TensorFlow. The second thread only traces; it makes no
    variable and reads no value, so results do not depend on timing.

    Args:
        trace: the function to apply to a network.
    """

    def __init__(self, trace: Callable[[Network], T]) -> None:
        self._trace = trace
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "trace-ahead")
        self._begun: tuple[Network, concurrent.futures.Future[T]] | None = None

    def begin(self, network: Network) -> None:
        """Starts to trace a network whose variables exist."""
        self._begun = network, self._thread.submit(self._trace, network)

    def take(self, architecture: Any) -> T | None:
        """Waits for the result of `trace`; None if it is of another architecture, or nothing was started.

        Raises:
            Exception: whatever `trace` raised.
        """
        self.wait()  # even if it is not wanted: only one thread may trace at a time
        begun, self._begun = self._begun, None
        if begun is None or begun[0].architecture != architecture:
            return None
        return begun[1].result()

    def wait(self) -> None:
        """Waits until the started trace is done."""
        if self._begun is not None:
            concurrent.futures.wait([self._begun[1]])
