"""Traces the next child while one trains."""

import concurrent.futures
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from epnas_tf.network.network import Network

T = TypeVar("T")


class TracePrefetcher(Generic[T]):
    """Traces one network at a time in a second thread.

    A graph is made by Python, which a training does not need: it is one call of TensorFlow. The second thread only
    traces; it makes no variable and reads no value, so that nothing depends on which of the two is faster.

    Args:
        trace: makes what is wanted of a network.
    """

    def __init__(self, trace: Callable[[Network], T]) -> None:
        self._trace = trace
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "trace-ahead")
        self._begun: tuple[Network, concurrent.futures.Future[T]] | None = None

    def begin(self, network: Network) -> None:
        """Begins with a network, whose variables are made."""
        self._begun = network, self._thread.submit(self._trace, network)

    def take(self, architecture: Any) -> T | None:
        """Returns what was made of the network, once it is; None if it is of another architecture, or there is none.

        Raises:
            Exception: what `trace` raised.
        """
        self.wait()  # also if it is not wanted: two threads should not trace at a time
        begun, self._begun = self._begun, None
        if begun is None or begun[0].architecture != architecture:
            return None
        return begun[1].result()

    def wait(self) -> None:
        """Waits until what was begun is traced."""
        if self._begun is not None:
            concurrent.futures.wait([self._begun[1]])
