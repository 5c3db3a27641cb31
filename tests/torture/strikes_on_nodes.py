"""Faults of Slurm and Ray: nodes and daemons that die, preemption, limits of time."""

import random
import signal
import time
from typing import ClassVar

import psutil
from services.slurm import Slurm
from support.machine import busy

from torture.engines import Engine, RayNodes, SlurmNodes, family, send, wait_until_gone
from torture.launched import MissedError, Sweep
from torture.strikes import Fault, output_of

CHECKPOINT_S = 1.0
"""`checkpoint.every_s` of the sweeps."""

SEGMENT_S = 2.0
"""A checkpoint is written at the end of a segment of about a second, and two processors are shared."""


class NodeKilled(Fault):
    """All processes of a node die at once, as by a power cut; it comes back when the engine has missed it."""

    name = "node killed"

    def applies(self, engine: Engine) -> bool:
        """See `Fault`."""
        return bool(engine.nodes)

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        lot, worker = sweep.worker_in_training(rng, of_engine=True)
        sweep.wait_for_checkpoint(lot, worker)
        node, at_s = sweep.engine.node_of(worker), time.time()
        age_s = sweep.checkpoint_age_s(lot, at_s)
        oldest_s = CHECKPOINT_S + SEGMENT_S * busy()
        sweep.engine.kill(node)
        assert wait_until_gone([worker.pid], 10), f"{node} was killed, and its worker goes on"
        if rng.random() < 0.5:
            time.sleep(15)  # Slurm gives it up after ten
        sweep.engine.revive(node)
        assert age_s <= oldest_s, f"the newest checkpoint was {age_s:.1f} s old"
        return f"{node}, lot {lot}; newest checkpoint {age_s:.1f} s old"


class OnSlurm(Fault):
    """A fault that only Slurm has."""

    name: ClassVar[str] = ""

    def applies(self, engine: Engine) -> bool:
        """See `Fault`."""
        return isinstance(engine, SlurmNodes)


class Preempted(OnSlurm):
    """Jobs of a higher partition take one node or both."""

    name = "preempted"

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        slurm = _slurm(sweep)
        sweep.worker_in_training(rng)
        workers = list(sweep.workers().values())
        count = rng.choice([1, 2])
        for _ in range(count):
            slurm.ask("sbatch", "--partition=high", "--output=/dev/null", "--wrap=sleep 4")
        sweep.wait(
            lambda: sum(not each.is_running() for each in workers) >= min(count, len(workers)),
            30,
            "a worker makes room",
        )
        return f"by {count} jobs"


class TimeLimit(OnSlurm):
    """The time of a worker is nearly over: it saves a checkpoint and is requeued."""

    name = "time limit"

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        slurm = _slurm(sweep)
        lot, worker = sweep.worker_in_training(rng, of_engine=True)
        variables, log, at_s = worker.environ(), output_of(worker), time.time()
        # The last task of an array has the id of the whole array as its own.
        job = f"{variables['SLURM_ARRAY_JOB_ID']}_{variables['SLURM_ARRAY_TASK_ID']}"
        assert log is not None
        before = log.stat().st_size
        # One minute: the notice of two is due at once.
        slurm.ask("scontrol", "update", f"JobId={job}", "TimeLimit=1")
        was_told = wait_until_gone([worker.pid], 60)
        if sweep.is_done(lot) or sweep.status() != "RUNNING":  # before Slurm told it
            raise MissedError
        slurm.ask("scontrol", "update", f"JobId={job}", "TimeLimit=UNLIMITED")
        assert was_told, "no signal came"
        requeued = b"ended with status 75, and is requeued"
        sweep.wait(lambda: requeued in log.read_bytes()[before:], 15, "status 75, and requeued")
        assert sweep.checkpoint_age_s(lot, time.time()) < time.time() - at_s, "no checkpoint was saved"
        return f"lot {lot}: a checkpoint, status 75, requeued"


class ControllerKilled(OnSlurm):
    """Slurm's controller dies, and is started again."""

    name = "controller killed"

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        slurm, away_s = _slurm(sweep), rng.choice([0, 5])
        sweep.worker_in_training(rng)
        slurm.kill("controller")
        time.sleep(away_s)
        slurm.revive("controller")
        return f"away for {away_s} s{_administered(slurm)}"


class OnRay(Fault):
    """A fault that only Ray has."""

    name: ClassVar[str] = ""

    def applies(self, engine: Engine) -> bool:
        """See `Fault`."""
        return isinstance(engine, RayNodes)


class RayWorkerKilled(OnRay):
    """`kill -9` of Ray's own process that carries a task out."""

    name = "Ray's worker killed"

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        lot, worker = sweep.worker_in_training(rng, of_engine=True)
        send(signal.SIGKILL, [worker.ppid()])
        assert wait_until_gone([worker.pid], 60), f"the worker of lot {lot} goes on"
        return f"lot {lot}"


class ActorKilled(OnRay):
    """`kill -9` of the actor that keeps the tasks going; Ray begins it again with all its tasks."""

    name = "actor killed"

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        sweep.worker_in_training(rng)
        actors = [pid for pid in sweep.engine.processes("head") if _is_actor(pid)]
        newest = max(
            actors, key=lambda pid: psutil.Process(pid).create_time()
        )  # others answer for a while more
        send(signal.SIGKILL, [newest])
        return "it had all three tasks"


class HeadRestarted(OnRay):
    """Ray's head dies and comes back without its memory; its nodes end, and are started again."""

    name = "head restarted"

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        sweep.worker_in_training(rng)
        workers = [pid for each in sweep.workers().values() for pid in family(each)]
        sweep.engine.kill("head")
        ended = wait_until_gone(workers, 60)
        for name in sweep.engine.nodes:  # as long as one is left on this machine, no head starts
            sweep.engine.kill(name)
        for name in ("head", *sweep.engine.nodes):
            sweep.engine.revive(name)
        assert ended, "workers without a head go on for a minute"
        return f"{len(workers)} processes ended"


def _administered(slurm: Slurm) -> str:
    """Do by hand what only an administrator can after the controller was killed; returns what that was.

    A controller that had not written down that a job runs starts it again: Slurm drains the node, and holds
    the job.
    """
    until, done = time.monotonic() + 15, ""
    while time.monotonic() < until:
        time.sleep(1)
        held = [
            line.split("|")[0]
            for line in slurm.ask("squeue", "-h", "-r", "-t", "PD", "-o", "%F_%K|%r").splitlines()
            if "held" in line.lower()
        ]
        if held:
            for node in set(slurm.ask("sinfo", "-h", "-N", "-t", "drain", "-o", "%N").split()):
                slurm.ask("scontrol", "update", f"NodeName={node}", "State=RESUME")
            for job in held:
                slurm.ask("scontrol", "release", job)
            done = f"; Slurm held {', '.join(held)}, which were released"
    return done


def _is_actor(pid: int) -> bool:
    try:
        return (psutil.Process(pid).cmdline() or [""])[0].startswith("ray::Tasks")
    except psutil.Error:
        return False


def _slurm(sweep: Sweep) -> Slurm:
    engine = sweep.engine
    assert isinstance(engine, SlurmNodes)
    return engine.slurm
