"""The forecast of a search on this device: its time and memory, and flags for a shorter search."""

import dataclasses
import functools
import os

import tensorflow as tf

from epnas_tf.config import RunConfig
from epnas_tf.cost.memory_need import TOLERANCE, bytes_needed
from epnas_tf.cost.workload import DataSize, Workload, workload
from epnas_tf.data import ImageData
from epnas_tf.data.pixels import StoredPixels
from epnas_tf.devices import mirrored_strategy
from epnas_tf.errors import ConfigError
from epnas_tf.memory import available_bytes, resident_bytes
from epnas_tf.options import as_flags
from epnas_tf.run.shortening import shortened
from epnas_tf.run.timed_steps import time_steps
from epnas_tf.space import NetworkShape, definition_of_space, depth_of, make_space

LONG = 3600.0
"""Seconds of a search that is told how to be shorter."""

SHORT = 1200.0
"""Seconds that it is then brought to."""

EVERYWHERE = ("iterations", "image_size", "k", "train_images", "operations", "epochs", "channels")
"""Settings by which a search is made shorter, those of its space apart."""

SMALLER = ("batch_size", "image_size", "train_images", "channels")
"""Settings by which its memory is made less, those of its space apart."""


@dataclasses.dataclass(frozen=True)
class Memory:
    """The main memory that a search needs.

    Attributes:
        needed: estimated peak of the whole process, in bytes.
        available: memory that the process has or can get, in bytes.
    """

    needed: int
    available: int


@dataclasses.dataclass(frozen=True)
class Proposal:
    """Flags for a shorter search.

    Attributes:
        flags: the flags, as typed.
        seconds: the time of the search with them.
    """

    flags: str
    seconds: float


@dataclasses.dataclass(frozen=True)
class Forecast:
    """The forecast of a search on this device.

    Attributes:
        num_children: number of children of the whole search.
        seconds: the time of the whole search, from a few timed steps.
        seconds_by_level: the mean time of a child of each level, divided by the children that are trained at a time.
        at_a_time: the children that are trained at a time.
        memory: the main memory; None with a GPU, whose own memory is what counts.
        shorter: flags that shorten it to `SHORT` seconds, or as near as possible; None if it takes less than `LONG`
            seconds, or nothing helps.
    """

    num_children: int
    seconds: float
    seconds_by_level: dict[int, float]
    memory: Memory | None
    shorter: Proposal | None
    at_a_time: float = 1

    def side_by_side(self, children: float) -> "Forecast":
        """The forecast where so many children are trained at a time, less than one where searches take turns."""
        by_level = {level: seconds / children for level, seconds in self.seconds_by_level.items()}
        shorter = self.shorter and dataclasses.replace(self.shorter, seconds=self.shorter.seconds / children)
        return dataclasses.replace(
            self, seconds=self.seconds / children, seconds_by_level=by_level, shorter=shorter, at_a_time=children
        )


def shorter_by(config: RunConfig) -> tuple[str, ...]:
    """Returns the names of the settings that can shorten a search."""
    return (*EVERYWHERE, *definition_of_space(config.space.space).shorter_by)


def size_of(data: ImageData) -> DataSize:
    """Returns the sizes of a data set that determine the time of a search."""
    in_memory = not isinstance(data.train.images, StoredPixels)
    return DataSize(len(data.train), len(data.validation), data.image_shape, data.num_classes, in_memory)


def check_memory(config: RunConfig, data: DataSize) -> Memory | None:
    """Compares the main memory that a search needs with what is available; None if it trains on a GPU.

    Raises:
        ConfigError: if there is too little, even if the estimate is too high by its tolerance.
    """
    if tf.config.list_physical_devices("GPU"):
        return None
    need = functools.partial(bytes_needed, cores=len(os.sched_getaffinity(0)))
    free, resident = available_bytes(), resident_bytes()
    needed = need(config, data)
    if (1 - TOLERANCE) * needed > free:
        names = [*SMALLER[:3], *definition_of_space(config.space.space).smaller_by, *SMALLER[3:]]
        less = shortened(config, data, need, free / (1 + TOLERANCE), names)
        fits = less is not None and need(less.config, less.data) <= free
        advice = f"Give {as_flags(less.changes)}, which needs less, " if less and fits else "Use smaller images, "
        height, width, _ = data.image_shape
        raise ConfigError(
            f"The search needs about {gigabytes(needed)} of memory beside what it has now, and {gigabytes(free)} are "
            f"free. {advice}or a computer with more memory; --noforecast tries it all the same. Received: images of "
            f"{height}×{width}, {min(config.child.batch_size, data.num_train)} at a time, networks of "
            f"{depth_of(config.space)} levels and {config.network.channels} channels"
        )
    return Memory(resident + needed, resident + free)


def forecast_search(
    config: RunConfig, shape: NetworkShape, data: DataSize, memory: Memory | None, resumed: bool
) -> Forecast:
    """Times a few steps, within seconds, and forecasts the search. The search's results do not change.

    Args:
        config: the settings.
        shape: all that determines the children's networks beside their architecture.
        data: the images.
        memory: the result of `check_memory`.
        resumed: whether there are trained children, so that the settings can no longer change.
    """
    replicas = mirrored_strategy().num_replicas_in_sync if config.child.mirrored else 1

    def work_of(config: RunConfig, data: DataSize) -> Workload:
        """The work of each device."""
        work = workload(config, data)
        return dataclasses.replace(work, batch=max(work.batch // replicas, 1))

    work = work_of(config, data)
    model = time_steps(make_space(config.space), shape, config.child, work.batch)

    def seconds(config: RunConfig, data: DataSize) -> float:
        return model.seconds(work_of(config, data))

    whole, shorter = seconds(config, data), None
    if whole > LONG and not resumed:
        found = shortened(config, data, seconds, SHORT, shorter_by(config))
        shorter = Proposal(as_flags(found.changes), seconds(found.config, found.data)) if found else None
    return Forecast(work.num_children, whole, model.by_level(work), memory, shorter)


def gigabytes(number: float) -> str:
    """Formats a number of bytes in GB, in about two digits."""
    return f"{number / 1e9:.0f} GB" if number >= 9.5e9 else f"{number / 1e9:.1f} GB"
