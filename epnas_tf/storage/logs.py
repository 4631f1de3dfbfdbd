"""TensorBoard logs."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import tensorflow as tf


class TensorBoardLogs:
    """Writes values for TensorBoard. If they cannot be written, it warns once and the work goes on.

    Args:
        directory: the folder of the logs; made with the first values.
        warn: receives the warning.
    """

    def __init__(self, directory: Path, warn: Callable[[str], None]) -> None:
        self.directory = directory
        self._warn = warn
        self._writer: Any = None
        self._broken = False

    def add(self, step: int, values: Mapping[str, float | None]) -> None:
        """Adds values at a step and skips those that are None."""
        if self._broken:
            return
        try:
            self._writer = self._writer or tf.summary.create_file_writer(str(self.directory))
            with self._writer.as_default(step=step):
                for name, value in values.items():
                    if value is not None:
                        tf.summary.scalar(name, value)
            self._writer.flush()
        except tf.errors.OpError as error:
            self._broken = True
            reason = error.message.splitlines()[0]
            self._warn(f"{self.directory} cannot be written, so TensorBoard will lack the rest: {reason}")
