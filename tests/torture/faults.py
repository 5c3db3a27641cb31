"""Strike sweeps that engines train with faults at random moments; then check every run, step and bit.

python -m torture.faults [FAULTS [FIRST_SEED [EXECUTOR ...]]]   (from tests/; `make torture` makes 60)

The store is PostgreSQL. An executor whose engine is not installed is left out, and the output says so.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
from services.postgres import Postgres, postgres_programs
from services.turns import taking_turns
from support.command import SWATH

from torture.engines import ENGINES, Engine
from torture.findings import Findings, Run, compare, read_runs
from torture.launched import EMPTY, GRID, STEPS, MissedError, Sweep
from torture.strikes import (
    ClockAhead,
    ClockBehind,
    CommandKilled,
    DatabaseRestarted,
    DiskFull,
    Fault,
    FrozenInTransaction,
    SecondCommand,
    Stopped,
    SupervisorKilled,
    WorkerFrozen,
    WorkerKilled,
)
from torture.strikes_on_nodes import (
    ActorKilled,
    ControllerKilled,
    HeadRestarted,
    NodeKilled,
    Preempted,
    RayWorkerKilled,
    TimeLimit,
)

FAULTS: tuple[Fault, ...] = (
    WorkerKilled(),
    WorkerFrozen(),
    FrozenInTransaction(),
    CommandKilled(),
    DatabaseRestarted(),
    SecondCommand(),
    DiskFull(),
    ClockAhead(),
    ClockBehind(),
    Stopped(),
    SupervisorKilled(),
    NodeKilled(),
    Preempted(),
    TimeLimit(),
    ControllerKilled(),
    RayWorkerKilled(),
    ActorKilled(),
    HeadRestarted(),
)

MAX_FAULTS = 5
"""Maximum number of faults per sweep."""

DISK = "16m"
"""Size of the disk of caches and checkpoints, where disks can be mounted."""


@dataclass(frozen=True)
class Ground:
    """What sweeps of a campaign share.

    Attributes:
      folder: of their folders.
      cache: cache folder, with the widths that a first sweep has probed.
      postgres: the server.
      expected: what one process has stored.
    """

    folder: Path
    cache: Path
    postgres: Postgres
    expected: dict[str, Run]


@contextlib.contextmanager
def prepared(folder: Path, postgres: Postgres) -> Iterator[Ground]:
    """Train the sweep by one process on SQLite, and make the database that is copied.

    Args:
      folder: an empty folder.
      postgres: a server.
    """
    cache, reference = folder / "cache", folder / "reference"
    cache.mkdir()
    reference.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(cache)]
    is_mounted = (
        os.geteuid() == 0 and subprocess.run(["mount", *options], capture_output=True).returncode == 0
    )
    try:
        environment = {**os.environ, "SWATH_CACHE_DIR": str(cache), "SWATH_POSTPROCESS": "off"}
        done = subprocess.run(
            [str(SWATH), *GRID, f"tracking.uri=sqlite:///{reference}/mlflow.db"],
            cwd=reference,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        arguments = [
            sys.executable,
            "-W",
            "ignore",
            "-m",
            "mlflow",
            "db",
            "upgrade",
            postgres.new_database(EMPTY),
        ]
        subprocess.run(arguments, check=True, capture_output=True)
        yield Ground(folder, cache, postgres, read_runs(f"sqlite:///{reference}/mlflow.db"))
    finally:
        if is_mounted:
            subprocess.run(["umount", "--lazy", str(cache)], check=True)


@dataclass(frozen=True)
class Result:
    """What has become of a sweep.

    Attributes:
      faults: that have struck it, in words.
      findings: what is wrong.
      resumes: how often its command was typed again.
      seconds: that it took.
    """

    faults: tuple[str, ...]
    findings: Findings
    resumes: int
    seconds: float


def torment(ground: Ground, engine: Engine, faults: Sequence[Fault], seed: int) -> Result:
    """Train a sweep while faults strike it, and compare what it has stored.

    Args:
      ground: what sweeps share.
      engine: trains it.
      faults: strike in this order.
      seed: decides the moments, and what is struck.
    """
    rng = random.Random(f"{engine.name} {seed}")
    name = f"{engine.name}_{seed}"
    folder = ground.folder / name
    folder.mkdir()
    began_s = time.monotonic()
    struck: list[str] = []
    wrong: list[str] = []
    sweep = Sweep(folder, engine, ground.postgres, ground.cache, name)
    try:
        sweep.start()
        for fault, share in zip(faults, moments(len(faults), rng), strict=True):
            at = share
            try:
                sweep.train_until(partial(has_come, sweep, share), 240, f"at {share:.0%}")
                time.sleep(rng.random())
                at = sweep.steps() / STEPS
                words = fault.strike(sweep, rng)
            except (MissedError, psutil.NoSuchProcess):
                continue
            except AssertionError as error:
                words = "; ".join(str(error).splitlines()) or "an assertion"
                wrong.append(f"{fault.name}: {words}")
            struck.append(f"{fault.name:<24} at {at:4.0%}  {words}")
        try:
            sweep.finish()
        except AssertionError as error:
            wrong.append(str(error))
    finally:
        sweep.close()
    found = compare(read_runs(sweep.uri), ground.expected)
    findings = Findings(found.lost, found.doubled, found.other_bits, (*found.others, *wrong))
    return Result(tuple(struck), findings, sweep.resumes, time.monotonic() - began_s)


def has_come(sweep: Sweep, share: float) -> bool:
    """Whether a share of the steps is stored."""
    return sweep.steps() >= share * STEPS


def moments(count: int, rng: random.Random) -> list[float]:
    """When faults strike, as shares of the steps: one in each part of the first four fifths."""
    return [0.8 * (number + rng.random()) / count for number in range(count)]


def deck(engine: Engine, rng: random.Random) -> Iterator[Fault]:
    """The faults of an engine in a drawn order, again and again."""
    while True:
        faults = [fault for fault in FAULTS if fault.applies(engine)]
        rng.shuffle(faults)
        yield from faults


@contextlib.contextmanager
def engine_of(name: str) -> Iterator[Engine]:
    """An engine for the time of the block."""
    start, _ = ENGINES[name]
    engine = start()
    try:
        yield engine
    finally:
        engine.close()


def run_campaign(ground: Ground, name: str, count: int, first_seed: int) -> list[Result]:
    """Strike with `count` faults sweeps of one engine; print a line for each."""
    results: list[Result] = []
    with engine_of(name) as engine:
        faults = deck(engine, random.Random(f"{name} {first_seed}"))
        seed = first_seed
        while (done := sum(len(result.faults) for result in results)) < count:
            drawn: list[Fault] = []
            while len(drawn) < min(MAX_FAULTS, count - done):
                fault = next(faults)
                if not (fault.once and fault in drawn):
                    drawn.append(fault)
            result = torment(ground, engine, drawn, seed)
            for line in result.faults:
                print(f"{name:<10} {seed:>3}  {line}", flush=True)
            ended = f"resumed {result.resumes} times, {result.seconds:.0f} s"
            print(f"{name:<10} {seed:>3}  {result.findings}; {ended}", flush=True)
            results.append(result)
            seed += 1
    return results


def main(count: int, first_seed: int, names: Sequence[str]) -> int:
    """Run campaigns on all engines that are there, until `count` faults were made; return the exit status."""
    if postgres_programs() is None:
        print("found no PostgreSQL; on Debian: apt-get install postgresql", file=sys.stderr)
        return 2
    here = []
    for name in names:
        why_not = ENGINES[name][1]()
        if why_not:
            print(f"{name}: left out. {why_not}", flush=True)
        else:
            here.append(name)
    results: list[Result] = []
    with (
        taking_turns(),
        tempfile.TemporaryDirectory(prefix="swath-faults-", ignore_cleanup_errors=True) as folder,
    ):
        postgres = Postgres()
        try:
            with prepared(Path(folder), postgres) as ground:
                for number, name in enumerate(here):
                    share = count // len(here) + (number < count % len(here))
                    results += run_campaign(ground, name, share, first_seed)
        finally:
            postgres.close()
    found = [result.findings for result in results]
    total = Findings(
        sum(each.lost for each in found),
        sum(each.doubled for each in found),
        sum(each.other_bits for each in found),
        tuple(word for each in found for word in each.others),
    )
    faults = sum(len(result.faults) for result in results)
    print(f"{faults} faults, {len(results)} sweeps: {total}", flush=True)
    return int(bool(total))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    count, first_seed, *names = [*sys.argv[1:3], *("60", "0")[len(sys.argv[1:3]) :], *sys.argv[3:]]
    sys.exit(main(int(count), int(first_seed), names or list(ENGINES)))
