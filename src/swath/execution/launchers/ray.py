"""Tasks on a cluster of Ray, kept going by an actor there. Ray is an extra: `swath[ray]`."""

import contextlib
import logging
import os
import re
import signal
import socket
import threading
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from swath.errors import AwayError, SwathError, UsageError

from .child import CPUS
from .launcher import Resources, States, TaskState, all_of, join_ids, split_ids

NAMESPACE = "swath"
"""Namespace of the actors' names."""

PATIENCE_S = 60
"""Seconds that Ray may take to start an actor, or to answer."""

CONNECT_S = 5
"""Seconds for the first connection. Ray itself would try for two minutes."""

TRAVELLING = ("SWATH_", "MLFLOW_", "AWS_", "PG", "TF_", "XLA_", "ONEDNN_", "OMP_", "HYDRA_")
"""How names of variables begin that travel. The others are those of the node."""


class RayLauncher:
    """Runs tasks on Ray: an actor on the head, which belongs to no driver, keeps them going.

    An actor that has died starts all tasks again, also those that are done. A head that has died has
    forgotten everything, unless Ray keeps its state elsewhere. The output of tasks goes to a folder of the
    node that runs them.
    """

    understands = frozenset({"workers", "cpus", "memory_mb", "address", "logs"})

    def check(self, resources: Resources) -> None:
        """See `Launcher.check`."""
        with _cluster(resources.address):
            pass

    def named(self, name: str, count: int, resources: Resources) -> str:
        """See `Launcher.named`."""
        return join_ids(f"swath-ray-{name}@{_wanted(resources.address)}", count)

    def start(self, argv: Sequence[str], count: int, resources: Resources, name: str = "") -> str:
        """See `Launcher.start`."""
        with _cluster(resources.address) as (ray, address):
            from .ray_tasks import Tasks

            name = f"swath-ray-{name or uuid.uuid4().hex[:12]}"
            variables = {key: value for key, value in os.environ.items() if key.startswith(TRAVELLING)}
            actor = (
                ray.remote(Tasks)
                .options(
                    name=name,
                    namespace=NAMESPACE,
                    lifetime="detached",
                    max_restarts=-1,
                    max_task_retries=-1,
                    num_cpus=0,
                    resources={"node:__internal_head__": 0.001},  # nodes come and go
                )
                .remote(
                    list(argv),
                    count,
                    resources.workers,
                    {"num_cpus": resources.cpus, "memory": resources.memory_mb * 2**20 or None},
                    {**variables, CPUS: str(resources.cpus), "RAY_ADDRESS": address},
                    os.getcwd(),  # noqa: PTH109
                    resources.logs or f"launched/{name}",
                )
            )
            try:
                ray.get(actor.states.remote(), timeout=PATIENCE_S)
            except ray.exceptions.RayError as error:
                ray.kill(actor)
                raise SwathError(
                    f"Ray at {address} did not start swath's actor: {_first_line(error)}; it runs on the"
                    " head, which needs swath and the same version of Python; `ray status` shows the cluster"
                ) from None
        return join_ids(f"{name}@{address}", count)

    def state(self, ids: str) -> States:
        """See `Launcher.state`."""
        name, address, count = _parts(ids)
        try:
            with _cluster(address) as (ray, _):
                actor = _actor(ray, name)
                if actor is None:
                    return all_of("gone", count, "Ray has forgotten it")
                tasks = ray.get(actor.states.remote(), timeout=PATIENCE_S)
        except (SwathError, Exception) as error:
            return all_of("unknown", count, _first_line(error))
        return States(tuple(TaskState(*values) for values in tasks))

    def cancel(self, ids: str) -> None:
        """See `Launcher.cancel`."""
        name, address, _ = _parts(ids)
        with _cluster(address) as (ray, _):
            actor = _actor(ray, name)
            if actor is not None:
                try:
                    ray.get(actor.cancel.remote(), timeout=PATIENCE_S)
                except ray.exceptions.RayError as error:
                    raise AwayError(f"Ray at {address} does not answer: {_first_line(error)}") from None


@contextlib.contextmanager
def _cluster(address: str) -> Iterator[tuple[Any, str]]:
    """A connection to Ray, for the time of the block; one that the program has already is used.

    Yields:
      Ray's module, and the address of the cluster for other processes.

    Raises:
      UsageError: Ray is not installed, or the address is none.
      AwayError: no cluster answers.
      SwathError: it does not take this token.
    """
    os.environ.setdefault("RAY_NUM_REDIS_GET_RETRIES", "1")  # 40 s for a head that hangs, instead of 14 min
    try:
        import ray
    except ImportError:
        raise UsageError("found no Ray, expected the extra: pip install 'swath[ray]'") from None
    if ray.is_initialized():
        yield ray, address or ray.get_runtime_context().gcs_address
        return
    wanted = _wanted(address)
    _knock(wanted)
    handler = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(wanted, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
    except ray.exceptions.AuthenticationError as error:
        _forget(ray)
        raise SwathError(f"Ray at {wanted} takes no task without its token: {_first_line(error)}") from None
    except Exception as error:
        _forget(ray)
        raise AwayError(
            f"Ray at {wanted} does not answer: {_first_line(error)}; `ray start --head` starts a cluster, and"
            f" executor.address=HOST:PORT names one"
        ) from None
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, handler)  # Ray sets its own
    try:
        yield ray, ray.get_runtime_context().gcs_address if wanted == "auto" else wanted
    finally:
        ray.shutdown()


def _forget(ray: Any) -> None:
    """End a connection that was not made: else a client that failed once would never connect again."""
    with contextlib.suppress(Exception):
        ray.shutdown()


def _wanted(address: str) -> str:
    return address or os.environ.get("RAY_ADDRESS") or "auto"


def _knock(address: str) -> None:
    """Connect to HOST:PORT or ray://HOST:PORT and hang up.

    Raises:
      SwathError: nobody answers within `CONNECT_S`.
    """
    found = re.fullmatch(r"(?:ray://)?\[?(?P<host>[^/]+?)\]?:(?P<port>\d+)/?", address)
    if found is None:  # "auto", or what Ray will refuse
        return
    try:
        socket.create_connection((found["host"], int(found["port"])), CONNECT_S).close()
    except OSError as error:
        raise AwayError(
            f"Ray at {address} does not answer: {error.strerror or error}; expected the address of a running"
            " cluster, such as executor.address=10.0.0.1:6379"
        ) from None


def _actor(ray: Any, name: str) -> Any:
    """The actor of that name, or None."""
    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError:
        return None


def _parts(ids: str) -> tuple[str, str, int]:
    """The actor's name, the cluster's address, and the number of tasks."""
    handle, count = split_ids(ids)
    name, at, address = handle.partition("@")
    if not at or not name.startswith("swath-ray-"):
        raise SwathError(f"found {ids!r}, expected ids of Ray such as swath-ray-0a1b2c3d4e5f@10.0.0.1:6379/4")
    return name, address, count


def _first_line(error: BaseException) -> str:
    """The first line of an error with words in it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
