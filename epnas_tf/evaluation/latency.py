"""Latency of a classifier on this device."""

import dataclasses
import os
import platform
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from epnas_tf.errors import DataError
from epnas_tf.evaluation.classifier import Classifier

BATCH_SIZES = (1, 64)
SECONDS = 1.5
WARM_UP_CALLS = 3
FEWEST_CALLS = 5
"""The minimum number of timed calls, so that median and percentile are meaningful."""


@dataclasses.dataclass(frozen=True)
class BatchLatency:
    """The latency of one call at one batch size.

    Attributes:
        batch_size: images per call.
        median_ms: median time of a call in milliseconds.
        percentile_90_ms: 90th percentile of the time of a call, in milliseconds.
        calls: number of timed calls.
    """

    batch_size: int
    median_ms: float
    percentile_90_ms: float
    calls: int

    @property
    def images_per_second(self) -> float:
        """Images per second at the median time."""
        return 1000 * self.batch_size / self.median_ms


@dataclasses.dataclass(frozen=True)
class Latency:
    """The latency of a classifier on one device.

    Attributes:
        device: the GPU, or the CPU with the number of cores that the process may use.
        batches: the times for each batch size.
    """

    device: str
    batches: tuple[BatchLatency, ...]

    def to_dict(self) -> dict[str, Any]:
        """Converts the times to JSON values, images per second included."""
        batches = [{**dataclasses.asdict(b), "images_per_second": b.images_per_second} for b in self.batches]
        return {"device": self.device, "batches": batches}


def measure_latency(
    classifier: Classifier,
    images: npt.NDArray[np.uint8],
    batch_sizes: tuple[int, ...] = BATCH_SIZES,
    seconds: float = SECONDS,
) -> Latency:
    """Times calls from raw pixels in memory to probabilities in memory, transfers to and from a GPU included.

    Args:
        classifier: the classifier to time.
        images: uint8 [n, height, width, channels], n ≥ 1; repeated if a batch needs more.
        batch_sizes: images per call, each at least 1.
        seconds: duration of the timing for each batch size; at least `FEWEST_CALLS` calls are timed.

    Returns:
        The times. The first `WARM_UP_CALLS` calls of each batch size are not counted.

    Raises:
        DataError: if the images do not have the classifier's shape.
        ModelError: if the classifier's output is not probabilities.
    """
    if not len(images) or min(batch_sizes) < 1:
        raise DataError(
            f"Latency needs an image and batches of at least 1. Received: {len(images)} images, "
            f"batch_sizes={batch_sizes}. Give real images."
        )
    batches = []
    for size in batch_sizes:
        batch = np.resize(images[:size], (size, *images.shape[1:]))  # repeats them
        for _ in range(WARM_UP_CALLS):
            classifier.predict(batch, size)
        times = _time(classifier, batch, seconds)
        batches.append(BatchLatency(size, float(np.median(times)), float(np.percentile(times, 90)), len(times)))
    return Latency(device_name(on_gpu=classifier.on_gpu), tuple(batches))


def _time(classifier: Classifier, batch: npt.NDArray[np.uint8], seconds: float) -> list[float]:
    times: list[float] = []
    ends = time.perf_counter() + seconds
    while len(times) < FEWEST_CALLS or time.perf_counter() < ends:
        began = time.perf_counter()
        classifier.predict(batch, len(batch))
        times.append(1000 * (time.perf_counter() - began))
    return times


def device_name(*, on_gpu: bool) -> str:
    """Returns the name of the first GPU, or of the CPU with the number of cores that the process may use."""
    if on_gpu:
        import tensorflow as tf

        details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
        return str(details.get("device_name", "GPU"))
    cores = len(os.sched_getaffinity(0))
    return f"{_cpu_model()}, {cores} core{'s' if cores > 1 else ''}"


def _cpu_model() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]  # ARM gives none
    return names[0] if names else f"{platform.machine()} CPU"
