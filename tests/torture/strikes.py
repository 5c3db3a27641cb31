"""Faults that any engine has to bear. Each strikes a sweep in training, and says what it has hit."""

import errno
import os
import random
import re
import shutil
import signal
import time
from pathlib import Path
from typing import ClassVar, Protocol

import psutil
import psycopg

from torture.engines import Engine, family, is_alive, send, wait_until_gone
from torture.launched import GRID, MissedError, Sweep

REFUSED = re.compile(r"lot \d+ has been begun again by .*?(\(epoch \d+, here \d+\))")

REPLACED_S = 300
"""Longest wait, in seconds, until another worker has begun a lot; it may have to wait for a processor."""


class Fault(Protocol):
    """A fault.

    Attributes:
      name: in a word or two.
      once: whether it can strike a sweep only once.
    """

    name: ClassVar[str]
    once: ClassVar[bool] = False

    def applies(self, engine: Engine) -> bool:
        """Whether it can be made on an engine."""
        return True

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """Make the fault, put right what does not come back by itself, and return what was found.

        Raises:
          MissedError: there was nothing left to strike.
          AssertionError: the sweep did not bear it as it should; says how.
        """
        ...


class WorkerKilled(Fault):
    """`kill -9` of a worker, with its tracking process or without."""

    name = "worker killed"

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        lot, worker = sweep.worker_in_training(rng)
        alone = rng.random() < 0.5
        send(signal.SIGKILL, [worker.pid] if alone else family(worker))
        return f"lot {lot}, {'alone' if alone else 'with its tracking process'}"


class WorkerFrozen(Fault):
    """A worker is frozen, another trains its lot, and the first wakes up.

    With nodes, the node is frozen and the engine replaces it; else the other worker is started by hand.
    """

    name = "frozen and thawed"

    by_hand: ClassVar[tuple[str, ...] | None] = None
    """What precedes the command of a worker that is started by hand, whatever the engine does."""

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        lot, worker = sweep.worker_in_training(rng)
        while (log := output_of(worker)) is None:  # it has ended in between
            lot, worker = sweep.worker_in_training(rng)
        engine, epoch = sweep.engine, sweep.epoch(lot)
        node = "" if self.by_hand else engine.node_of(worker)
        own = family(worker)
        before = log.stat().st_size
        frozen = engine.processes(node) if node else own
        self.freeze(sweep, worker, frozen)
        try:
            if node:
                sweep.wait(lambda: sweep.epoch(lot) > epoch, REPLACED_S, f"lot {lot} begun again elsewhere")
            else:
                sweep.start_worker(lot, *(self.by_hand or ()))
            send(signal.SIGCONT, own)
            assert wait_until_gone(own, 60), f"the thawed worker of lot {lot} goes on"
        finally:
            send(signal.SIGCONT, frozen)
            if node:
                engine.revive(node)
        return f"{node or 'worker'} of lot {lot}; thawed: {refusal(log, before)}"

    def freeze(self, sweep: Sweep, worker: psutil.Process, frozen: list[int]) -> None:
        """Freeze processes."""
        send(signal.SIGSTOP, frozen)


class FrozenInTransaction(WorkerFrozen):
    """As `WorkerFrozen`, at a moment when the worker has a transaction open that locks rows."""

    name = "frozen in a transaction"

    def freeze(self, sweep: Sweep, worker: psutil.Process, frozen: list[int]) -> None:
        """Freeze processes, and thaw them again until a transaction of the worker is idle meanwhile."""
        query = "select client_port from pg_stat_activity where state = 'idle in transaction'"
        with psycopg.connect(sweep.uri, autocommit=True) as connection:
            for _ in range(3_000):
                if not is_alive(worker.pid):
                    raise MissedError
                send(signal.SIGSTOP, frozen)
                time.sleep(0.002)  # what it has sent arrives
                idle = {row[0] for row in connection.execute(query)}
                if idle and idle & ports_of(family(worker)):
                    return
                send(signal.SIGCONT, frozen)
                time.sleep(0.003)
        raise MissedError


class CommandKilled(Fault):
    """`kill -9` of the command that has started the sweep."""

    name, once = "command killed", True

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        assert sweep.command is not None
        if sweep.command.poll() is not None:
            raise MissedError
        os.killpg(sweep.command.pid, signal.SIGKILL)
        return f"process {sweep.command.wait()}"


class DatabaseRestarted(Fault):
    """PostgreSQL is restarted, or crashes, and is away for some seconds."""

    name = "PostgreSQL restarted"

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        mode, away_s = rng.choice(["fast", "immediate"]), rng.choice([0, 2, 8])
        sweep.postgres.restart(away_s, mode)
        return f"{mode}, away for {away_s} s"


class SecondCommand(Fault):
    """The same command is typed again with `resume=yes`, with the same executor or another."""

    name, once = "second command", True

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        executor = rng.choice([sweep.engine.name, "threads"])
        own = sweep.overrides if executor == sweep.engine.name else ()
        sweep.worker_in_training(rng)
        done = sweep.type("swath", *GRID, *own, "resume=yes")
        if sweep.status() != "RUNNING":
            raise MissedError
        line = done.stderr.strip().splitlines()[-1]
        assert done.returncode == 2, f"status {done.returncode}: {line}"
        assert f"swath-stop {sweep.sweep_id} stops them" in line, line
        return f"executor={executor}: refused"


class DiskFull(Fault):
    """The disk of checkpoints, output and cache is full for some seconds."""

    name = "disk full"

    def applies(self, engine: Engine) -> bool:
        """See `Fault`."""
        return os.geteuid() == 0  # the disk is a small one of its own

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        sweep.worker_in_training(rng)
        if not os.path.ismount(sweep.cache):
            raise MissedError
        ballast, seconds = sweep.cache / "ballast", rng.choice([3, 6])
        try:
            with ballast.open("wb", buffering=0) as file:
                try:
                    while True:
                        file.write(bytes(2**20))
                except OSError as error:
                    assert error.errno == errno.ENOSPC
            time.sleep(seconds)
        finally:
            ballast.unlink()
        return f"for {seconds} s"


class ClockAhead(WorkerFrozen):
    """A worker whose clock is an hour ahead takes the lot of a frozen one, which wakes up."""

    name = "clock an hour ahead"
    by_hand = ("faketime", "-m", "--exclude-monotonic", "-f", "+1h")

    def applies(self, engine: Engine) -> bool:
        """See `Fault`."""
        return shutil.which("faketime") is not None


class ClockBehind(ClockAhead):
    """As `ClockAhead`, an hour behind."""

    name = "clock an hour behind"
    by_hand = ("faketime", "-m", "--exclude-monotonic", "-f", "-1h")


class Stopped(Fault):
    """The sweep is stopped by hand, and its command is typed again."""

    name = "stopped and resumed"

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        sweep.worker_in_training(rng)
        done = sweep.type("swath-stop", sweep.sweep_id)
        assert done.returncode == 0, done.stderr.strip()
        if sweep.status() == "FINISHED":
            raise MissedError
        sweep.resume()
        return done.stdout.strip().partition("is stopped: ")[2].partition(";")[0]


class SupervisorKilled(Fault):
    """`kill -9` of the process that keeps the workers of one machine going."""

    name = "supervisor killed"

    def applies(self, engine: Engine) -> bool:
        """See `Fault`."""
        return engine.name == "processes"

    def strike(self, sweep: Sweep, rng: random.Random) -> str:
        """See `Fault`."""
        _, worker = sweep.worker_in_training(rng, of_engine=True)
        workers = list(sweep.workers().values())
        send(signal.SIGKILL, [worker.ppid()])
        assert wait_until_gone([each.pid for each in workers], 60), "its workers go on"
        return f"{len(workers)} workers ended"


def output_of(worker: psutil.Process) -> Path | None:
    """The file to which a worker writes its output; None if it has ended."""
    try:
        return Path(f"/proc/{worker.pid}/fd/1").readlink()
    except FileNotFoundError:
        return None


def refusal(log: Path, before: int) -> str:
    """The epochs with which a worker was refused, from what it has written since.

    Raises:
      AssertionError: it does not say that it was.
    """
    with log.open("rb") as file:
        file.seek(before)
        text = file.read().decode(errors="replace")
    found = REFUSED.search(text)
    assert found, f"the worker does not say that it was refused: {text[-300:]!r}"
    assert "Traceback" not in text, text[-500:]
    return f"refused {found[1]}"


def ports_of(pids: list[int]) -> set[int]:
    """Local ports of the connections of processes."""
    return {
        connection.laddr.port
        for pid in pids
        for connection in psutil.Process(pid).net_connections("tcp")
        if connection.laddr
    }
