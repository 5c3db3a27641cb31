"""A sweep that an engine trains while faults strike it."""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from services.places import Place
from services.postgres import Postgres
from support.command import SWATH

from torture.engines import WORKERS, Engine, is_alive

LENGTH = 12_000
"""Steps of a run: a lot takes so long that several faults can strike it."""

GRID = (
    "-m",
    "data=digits",
    "learning_rate=1e-6,1e-5",
    "batch_size=200,250,300",
    f"max_steps={LENGTH}",
    "checkpoint.every_s=1",
    "tracking.postprocess=off",
)
"""Six configurations in three lane groups, a lot each."""

STEPS = 6 * LENGTH

WORKERS_ARE = ("swath.cli.worker", "swath-worker")
"""What a worker's command line names: as engines start it, and as it is started by hand."""

IDLE_S = 5.0
"""Seconds without a worker after which `swath-watch` is asked whether the engine will start one."""

EMPTY = "empty"
"""Database with MLflow's tables, from which those of sweeps are copied."""

SWEEP_STATUS = (
    "select status from runs join tags using (run_uuid) where key = 'swath.kind' and value = 'sweep'"
)


class MissedError(Exception):
    """A fault found nothing to strike: the sweep had ended before."""


class Sweep(Place):
    """A sweep on a new database.

    Args:
      folder: where commands are typed.
      engine: trains it.
      postgres: the server; its database `EMPTY` is copied.
      cache: cache folder of all nodes, also for checkpoints.
      name: of the new database.
    """

    def __init__(self, folder: Path, engine: Engine, postgres: Postgres, cache: Path, name: str) -> None:
        self.engine, self.postgres, self.cache = engine, postgres, cache
        self.overrides = (
            f"executor={engine.name}",
            f"executor.workers={WORKERS}",
            f"checkpoint.dir={cache}/shared",
        )
        environment = {**engine.environment, "SWATH_CACHE_DIR": str(cache)}
        super().__init__(folder, postgres, name, environment, self.overrides, template=EMPTY)
        self.sweep_id = ""
        self.resumes = 0
        self.command: subprocess.Popen[bytes] | None = None
        self.by_hand: list[subprocess.Popen[bytes]] = []

    def start(self) -> str:
        """Type the command, which then watches; returns the sweep's id."""
        log = self.folder / "command.txt"
        with log.open("wb") as output:
            self.command = subprocess.Popen(
                [str(SWATH), *GRID, *self.overrides],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.wait(lambda: "swath-watch " in log.read_text() or self.command.poll() is not None, 60)
        text = log.read_text()
        assert "swath-watch " in text, text
        self.sweep_id = text.partition("swath-watch ")[2].split(";")[0]
        return self.sweep_id

    def wait(self, condition: Callable[[], bool], timeout_s: float, what: str = "") -> None:
        """Wait until a condition holds; one that cannot be judged now does not."""
        until = time.monotonic() + timeout_s
        while True:
            with contextlib.suppress(psutil.Error, OSError):
                if condition():
                    return
            assert time.monotonic() < until, f"after {timeout_s:.0f} s still not: {what or 'the condition'}"
            time.sleep(0.1)

    def steps(self) -> int:
        """Steps that are stored, of all runs."""
        (row,) = self.sql("select coalesce(sum(step + 1), 0) from latest_metrics where key = 'train/loss'")
        return int(row[0])

    def status(self) -> str:
        """Of the sweep as a whole; empty before it has begun."""
        rows = self.sql(SWEEP_STATUS)
        return rows[0][0] if rows else ""

    def epoch(self, lot: int) -> int:
        """Of a lot."""
        (row,) = self.sql(f"select value from tags where key = 'swath.lot.{lot}'")
        return int(json.loads(row[0])["epoch"])

    def workers(self) -> dict[int, psutil.Process]:
        """The processes that train lots, by lot; a lot's latest."""
        found: dict[int, psutil.Process] = {}
        for process in sorted(
            psutil.process_iter(["cmdline", "create_time"]), key=lambda each: each.info["create_time"]
        ):
            words = process.info["cmdline"] or []
            is_worker = any(word in WORKERS_ARE for word in map(_name, words[1:-2])) and "-I" not in words
            if is_worker and "python" in words[0] and words[-2] == self.sweep_id and is_alive(process.pid):
                found[int(words[-1])] = process
        return found

    def worker_in_training(
        self, rng: random.Random, *, of_engine: bool = False
    ) -> tuple[int, psutil.Process]:
        """A worker that has begun its lot, and the lot.

        Args:
          rng: chooses.
          of_engine: whether it must not be one that was started by hand.

        Raises:
          MissedError: the sweep has ended, or only workers by hand are left.
        """
        until = time.monotonic() + 180
        while time.monotonic() < until:
            workers = self.workers()
            if of_engine:
                workers = {lot: each for lot, each in workers.items() if not self._is_by_hand(each)}
            begun = [lot for lot, each in sorted(workers.items()) if self._has_begun(lot, each)]
            if begun:
                lot = rng.choice(begun)
                return lot, workers[lot]
            if self.status() != "RUNNING":
                raise MissedError
            time.sleep(0.2)
        assert self.by_hand, "no worker has begun a lot within three minutes"
        raise MissedError

    def _is_by_hand(self, worker: psutil.Process) -> bool:
        with contextlib.suppress(ProcessLookupError):
            return os.getpgid(worker.pid) in [each.pid for each in self.by_hand]
        return False

    def _has_begun(self, lot: int, process: psutil.Process) -> bool:
        """Whether a worker is the last that has begun its lot."""
        held = self._lot(lot)
        return held.get("state") == "running" and f"process {process.pid}" in held.get("worker", "")

    def is_done(self, lot: int) -> bool:
        """Whether all runs of a lot have ended."""
        return self._lot(lot).get("state") == "done"

    def _lot(self, lot: int) -> dict[str, str]:
        rows = self.sql(f"select value from tags where key = 'swath.lot.{lot}'")
        found: dict[str, str] = json.loads(rows[0][0]) if rows != [("",)] else {}
        return found

    def checkpoint_age_s(self, lot: int, at_s: float) -> float:
        """Seconds between the newest checkpoint of a lot and a Unix time."""
        newest_s = self._newest_checkpoint_s(lot)
        assert newest_s, f"lot {lot} has no checkpoint"
        return at_s - min(newest_s, at_s)

    def wait_for_checkpoint(self, lot: int, worker: psutil.Process) -> None:
        """Wait until a worker has saved a checkpoint itself: it may still be loading what it trains with.

        Raises:
          MissedError: it ends before.
        """
        began_s, until = worker.create_time(), time.monotonic() + 60
        while self._newest_checkpoint_s(lot) <= began_s:
            if not worker.is_running() or self.status() != "RUNNING":
                raise MissedError
            assert time.monotonic() < until, f"lot {lot} has no new checkpoint after a minute"
            time.sleep(0.1)

    def _newest_checkpoint_s(self, lot: int) -> float:
        folder = self.cache / "shared" / self.sweep_id / f"lot-{lot}"
        while files := list(folder.glob("*.checkpoint")):
            found = []
            for file in files:
                with contextlib.suppress(FileNotFoundError):  # replaced by a newer one
                    found.append(file.stat().st_mtime)
            if found:
                return max(found)
        return 0.0

    def is_helpless(self) -> bool:
        """Whether nobody will train what is left, as `swath-watch` sees it."""
        done = self.type("swath-watch", self.sweep_id, "--once", "--format", "json")
        if done.returncode != 0:
            return False
        tasks = json.loads(done.stdout)["workers"]
        return not any(tasks.get(kind) for kind in ("running", "waiting", "unknown"))

    def resume(self) -> None:
        """Type the command again with `resume=yes`; it is refused as long as a worker is left."""
        for _ in range(10):
            done = self.type("swath", *GRID, *self.overrides, "resume=yes", "executor.wait=false")
            if done.returncode == 0:
                self.resumes += 1
                return
            time.sleep(3)
        raise AssertionError(f"resume=yes: {done.stderr.strip()}")

    def train_until(self, is_reached: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait until a condition holds or the sweep has ended; resume it if the engine does not go on.

        Raises:
          AssertionError: neither happens in time.
        """
        until = time.monotonic() + timeout_s
        idle_s: float | None = None
        while (status := self.status()) != "FINISHED" and not is_reached():
            assert time.monotonic() < until, f"after {timeout_s:.0f} s still {status}, and not {what}"
            if self.workers():
                idle_s = None
            elif status != "RUNNING":
                self.resume()
            elif idle_s is None:
                idle_s = time.monotonic()
            elif time.monotonic() - idle_s > IDLE_S:
                idle_s = time.monotonic()
                if self.is_helpless():
                    self.resume()
            time.sleep(0.2)

    def finish(self) -> None:
        """Wait until the sweep has ended and no worker is left."""
        self.train_until(lambda: False, 240, "FINISHED")
        self.wait(lambda: not self.workers(), 60, "no worker is left")

    def start_worker(self, lot: int, *before: str) -> None:
        """Start a worker by hand, whatever the engine does, and wait until it has begun the lot.

        Args:
          lot: its number.
          before: command that starts the worker's.

        Raises:
          MissedError: the lot was done before.
        """
        epoch, log = self.epoch(lot), self.folder / f"by-hand-{len(self.by_hand)}.txt"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [*before, str(SWATH.with_name("swath-worker")), "-", self.sweep_id, str(lot)],
                cwd=self.folder,
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.by_hand.append(process)
        self.wait(lambda: self.epoch(lot) > epoch or process.poll() is not None, 90, f"lot {lot} begun again")
        if self.epoch(lot) == epoch:
            text = log.read_text()
            assert process.returncode == 0, f"a worker by hand: status {process.returncode}: {text[-300:]}"
            raise MissedError

    def close(self) -> None:
        """Leave no process behind, whatever was found."""
        for process in filter(None, (self.command, *self.by_hand)):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        if self.sweep_id and self.status() == "RUNNING":
            self.type("swath-stop", self.sweep_id)


def _name(word: str) -> str:
    return word.rpartition("/")[2]
