"""The engines of launched sweeps, with what faults need to know and do on each."""

import os
import signal
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

import psutil
from services.ray_cluster import RayCluster, why_no_ray
from services.slurm import Slurm, why_no_slurm

WORKERS = 3
"""Workers of a sweep: one more than there are processors and nodes, so that a lot waits."""


class Engine(Protocol):
    """An engine that is up.

    Attributes:
      name: value of the field `executor`.
      environment: variables that lead to it.
      nodes: names of its nodes; none if it has this machine only.
    """

    name: str
    environment: Mapping[str, str]
    nodes: tuple[str, ...]

    def node_of(self, process: psutil.Process) -> str:
        """The node that runs a worker; empty for one that was started by hand."""

    def processes(self, node: str) -> list[int]:
        """The processes of a node, and what it runs."""

    def kill(self, node: str) -> None:
        """Kill a node as a power cut would."""

    def revive(self, node: str) -> None:
        """Bring a node back that was killed, or was frozen and given up."""

    def close(self) -> None:
        """End everything."""


class Processes:
    """Supervised processes of this machine."""

    name, environment, nodes = "processes", {}, ()

    def node_of(self, process: psutil.Process) -> str:
        """See `Engine`."""
        return ""

    def processes(self, node: str) -> list[int]:
        """See `Engine`."""
        raise NotImplementedError

    kill = revive = processes

    def close(self) -> None:
        """See `Engine`."""


class SlurmNodes:
    """Two nodes of Slurm, and its controller; a cluster of its own, which `close` ends."""

    name, nodes = "slurm", ("n1", "n2")

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="swath-slurm-", ignore_cleanup_errors=True)
        self.slurm = Slurm(Path(self._folder.name))
        try:
            self.slurm.up()
        except BaseException:
            self.slurm.down()
            raise
        self.environment = {"SLURM_CONF": self.slurm.configuration}

    def node_of(self, process: psutil.Process) -> str:
        """See `Engine`."""
        return process.environ().get("SLURMD_NODENAME", "")

    def processes(self, node: str) -> list[int]:
        """See `Engine`."""
        return self.slurm.processes(node)

    def kill(self, node: str) -> None:
        """See `Engine`."""
        self.slurm.kill(node)

    def revive(self, node: str) -> None:
        """See `Engine`."""
        if not all(is_alive(pid) for pid in self.slurm.processes(node)[:1]):
            self.slurm.revive(node)

    def close(self) -> None:
        """See `Engine`."""
        self.slurm.ask("scancel", "--quiet", "--user=root")
        self.slurm.down()


class RayNodes:
    """Two nodes of Ray, and its head; a cluster of its own, which `close` ends."""

    name, nodes = "ray", ("n1", "n2")

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="swath-ray-", ignore_cleanup_errors=True)
        self.ray = RayCluster(Path(self._folder.name))
        try:
            self.ray.up()
        except BaseException:
            self.ray.down()
            raise
        self.environment = self.ray.variables

    def node_of(self, process: psutil.Process) -> str:
        """See `Engine`."""
        return Path(process.environ().get("SWATH_TEST_RAY", "")).name

    def processes(self, node: str) -> list[int]:
        """See `Engine`."""
        return self.ray.processes(node)

    def kill(self, node: str) -> None:
        """See `Engine`."""
        self.ray.kill(node)

    def revive(self, node: str) -> None:
        """See `Engine`. A node that the head has given up ends by itself, sooner or later."""
        self.ray.kill(node)
        self.ray.start(node)

    def close(self) -> None:
        """See `Engine`."""
        self.ray.down()


ENGINES = {
    "processes": (Processes, lambda: ""),
    "slurm": (SlurmNodes, why_no_slurm),
    "ray": (RayNodes, why_no_ray),
}
"""For each executor: what starts its engine, and what says why it cannot be started here."""


def is_alive(pid: int) -> bool:
    """Whether a process runs, or is frozen."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def send(number: signal.Signals, pids: Iterable[int]) -> None:
    """Send a signal to processes, some of which may have ended."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def family(process: psutil.Process) -> list[int]:
    """A process and its descendants."""
    try:
        return [process.pid, *(child.pid for child in process.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []


def wait_until_gone(pids: Iterable[int], timeout_s: float) -> bool:
    """Wait until processes have ended; whether they have in time."""
    until = time.monotonic() + timeout_s
    while any(is_alive(pid) for pid in pids):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True
