"""A Ray cluster, of this computer or of several: how this process joins it, and what can go wrong there."""

import contextlib
import logging
import math
import socket
from collections.abc import Iterator
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from epnas_tf.config import WorkersConfig
from epnas_tf.environment import versions
from epnas_tf.errors import ConfigError, EPNASError, SearchError

MAX_LOST = 5
"""Workers that may end while they train the same child, or before they can train, until the search stops."""

LOCAL = "127.0.0.1"


@contextlib.contextmanager
def told_in_one_line() -> Iterator[None]:
    """Translates Ray's own failures, such as a full object store or a cluster that went away, into a clear error.

    Raises:
        EPNASError: what a worker has raised, if it is one.
        SearchError: for a failure of Ray's.
    """
    try:
        yield
    except RayTaskError as error:
        if isinstance(error.cause, EPNASError):
            raise error.cause from None
        raise  # a bug of ours, which ran on a worker
    except RayError as error:
        first = (str(error).strip().splitlines() or [""])[0]
        raise SearchError(
            "Ray cannot go on. The same command does, from what is done, once the reason is mended. "
            f"Received: {type(error).__name__}: {first}"
        ) from error


def connect(workers: WorkersConfig) -> None:
    """Connects this process to a cluster, or starts one on this computer that ends with it.

    Raises:
        ConfigError: if no cluster answers, or it is of another version.
    """
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    # It prints pages of Ray's own log where a worker is lost, which no option turns off; `Events.said` tells of it.
    ray._private.worker.print_to_stdstream = lambda *_, **__: None
    if workers.cluster:
        refuse_silent(workers.cluster)
    try:
        if workers.cluster:
            join(workers.cluster, quiet)
        else:
            ray.init(
                address="local",
                num_cpus=workers.workers,
                include_dashboard=False,
                _node_ip_address=LOCAL,
                **quiet,
            )
    except (ConnectionError, RuntimeError, ValueError, RayError, OSError) as error:
        lines = str(error).strip().splitlines() or [""]
        raise ConfigError(
            "Workers need a Ray cluster that answers, of the same versions of Ray and Python as this process, and with "
            "the same token in ~/.ray/auth_token if it has one. "
            f"Received: {workers.cluster or 'this computer'}: {' '.join(line.strip() for line in lines[:4])}"
        ) from error


def join(address: str, options: dict[str, Any]) -> None:
    """Connects this process to a running cluster, with Ray's token if it cannot do without."""
    from ray._private.authentication import authentication_token_setup  # Ray does so by itself for "auto" alone

    try:
        ray.init(address=address, **options)
    except (ConnectionError, RuntimeError, RayError):
        if not authentication_token_setup.maybe_enable_token_auth_if_token_available(warn_if_disabled=False):
            raise
        ray.init(address=address, **options)


def refuse_silent(address: str) -> None:
    """Refuses an address at which nothing listens, at once; Ray would try for minutes.

    Raises:
        ConfigError: if nothing does.
    """
    host, colon, port = address.rpartition(":")
    if address == "auto" or "://" in address:
        return  # Ray looks for one on this computer, or knows the form
    if not (colon and port.isdecimal()):
        raise ConfigError(
            f"`cluster` must be HOST:PORT, as `ray start --head` prints it, or auto. Received: --cluster={address}"
        )
    if host in ("localhost", LOCAL):
        host = ray.util.get_node_ip_address()  # as Ray takes it
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(
            "`cluster` must be the address of a running Ray cluster, as `ray start --head` prints it. "
            f"Received: --cluster={address}, and nothing answers at {host}:{port} ({error})"
        ) from None


def options_of(workers: WorkersConfig) -> dict[str, Any]:
    """What of the cluster a worker takes: a CPU, and a part of a GPU where there are any.

    Raises:
        ConfigError: if this computer's GPUs have no room for the workers.
    """
    gpus = ray.cluster_resources().get("GPU", 0.0)
    if not gpus:
        return {"num_cpus": 1}
    if not workers.cluster and workers.workers > gpus * workers.workers_per_gpu:
        raise ConfigError(
            f"{workers.workers} workers need as many GPUs, or to share them: give "
            f"--workers_per_gpu={math.ceil(workers.workers / gpus)}. Received: {gpus:g} GPUs"
        )
    return {"num_cpus": 1, "num_gpus": 1 / workers.workers_per_gpu}


def refuse_other_versions(found: dict[str, Any]) -> None:
    """Refuses a worker whose packages are others than here, by its answer to `Worker.ready`.

    Raises:
        ConfigError: if they are.
    """
    if found["versions"] != versions():
        raise ConfigError(
            "A worker must have the same versions as this process, or results would differ. Install them there. "
            f"Received: on {found['host']} {found['versions']}, here {versions()}"
        )


def room(workers: WorkersConfig) -> int:
    """The number of workers that the cluster has room for now."""
    has = ray.cluster_resources()
    by_gpu = has.get("GPU", 0.0) * workers.workers_per_gpu
    return int(by_gpu or has.get("CPU", 0.0))
