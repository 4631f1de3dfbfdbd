"""Settings of the workers, which are no settings of a run: they change no result."""

import dataclasses
import importlib.util
from typing import ClassVar

from epnas_tf.config.search import RunConfig
from epnas_tf.errors import ConfigError
from epnas_tf.options import Settings, as_flags, option, require, values_of


@dataclasses.dataclass(frozen=True)
class WorkersConfig(Settings):
    """Where the children of a round, or the networks of a comparison, are trained; no setting of a run.

    Example:
        >>> import epnas_tf
        >>> epnas_tf.WorkersConfig().is_this_process
        True
    """

    TITLE: ClassVar[str] = "workers"

    workers: int = option(
        0,
        "processes of Ray that train side by side the children of a round, or the networks of a comparison; 0: this "
        "process trains them, or with cluster as many processes as it has room for",
        minimum=0,
    )
    cluster: str = option(
        "", "address of the Ray cluster that has the workers, such as 10.0.0.5:6379; without one, this computer"
    )
    workers_per_gpu: int = option(1, "workers that share a GPU", minimum=1)

    @property
    def is_this_process(self) -> bool:
        """Whether this process trains the children itself."""
        return not self.workers and not self.cluster

    @property
    def given(self) -> str:
        """What was given, as flags."""
        return as_flags({name: value for name, value in values_of(self).items() if value != getattr(type(self), name)})


def check_workers(workers: WorkersConfig, config: RunConfig, searches: int = 1) -> None:
    """Refuses workers that so many searches have no use for, or that cannot be had; before any long work.

    Raises:
        ConfigError: if a round has a single child, or Ray is missing.
    """
    require(WorkersConfig, "workers", workers)
    if workers.is_this_process:
        return
    if config.round == 1 and searches == 1:
        raise ConfigError(
            "Workers train the children of a round side by side, so a round must have at least 2: each child of "
            f"--round=1 goes on from the one before. Give --round={max(5, workers.workers)}, say, to a new run, or "
            "--searches=2 for a second search beside it. "
            f"Received: {workers.given} --round=1"
        )
    if config.child.mirrored:
        raise ConfigError(
            "Each worker trains children of its own, and `mirrored` trains one child on all GPUs: give one of the two. "
            f"Received: {workers.given} --mirrored"
        )
    check_ray(workers)


def check_ray(workers: WorkersConfig) -> None:
    """Refuses workers where Ray is missing.

    Raises:
        ConfigError: if it is.
    """
    if not workers.is_this_process and importlib.util.find_spec("ray") is None:
        raise ConfigError(
            "Workers need Ray: pip install 'epnas-tf[ray]'. Without --workers and --cluster this process trains "
            f"everything itself. Received: {workers.given}"
        )
