"""Kill a sweep's process group at random moments and resume until it finishes; then check its store.

python -m torture.kills [grid|search|file|both [KILLS [FIRST_SEED]]]

From tests/; `make torture` runs 200, 100, 50 and 50.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from support.command import SWATH
from support.forks import training_server
from support.stores import orphans, whole_store

GRID = (
    "-m",
    "data=digits",
    "data.validation_size=300",
    "batch_size=20,50",
    "learning_rate=1e-7,1e-6,1e-5,1e36",
    "max_steps=400,1500",
    "evaluate_every_steps=100",
)
"""16 configurations, four of which diverge. Shorter runs are prefixes of longer ones."""

SEARCH = (
    "-m",
    "data=digits",
    "data.validation_size=300",
    "batch_size=20,50",
    "learning_rate=tag(log,interval(1e-8,1e-4))",
    "max_steps=1200",
    "search.trials=20",
    "search.round=10",
    "search.confirm=2",
    "search.confirm_seeds=1",
)
"""Two rounds of ten trials with three rungs, and two finalists with another seed."""

SMALL_GRID = (*GRID, "batch_size=20", "learning_rate=1e-6,1e36")

MAX_KILLS = 4
"""Maximum number of kills per sweep."""


@dataclass(frozen=True)
class Subject:
    """What is killed.

    Attributes:
      arguments: of the command.
      status: its exit status if nothing kills it.
    """

    arguments: tuple[str, ...]
    status: int


SUBJECTS = {
    "grid": Subject(GRID, 1),
    "search": Subject(SEARCH, 0),
    "file": Subject((*SMALL_GRID, "tracking.curves=file"), 1),
    "both": Subject((*SMALL_GRID, "tracking.curves=both", "tracking.every_steps=7"), 1),
}
"""Some configurations of the grid diverge, so its status is 1. The last two keep curves in files."""


@dataclass(frozen=True)
class Campaign:
    """Result of killing and resuming one sweep.

    Attributes:
      seed: seed of the moments of the kills.
      kills: number of kills.
      faults: differences between its store and the reference; empty if there are none.
    """

    seed: int
    kills: int
    faults: tuple[str, ...]


class Process(Protocol):
    """A running command.

    Attributes:
      pid: id of the process and of its process group.
    """

    pid: int

    def wait(self, timeout: float | None = None) -> int:
        """See `subprocess.Popen`."""


Start = Callable[[list[str], Path, Path, IO[bytes]], Process]
"""Starts `swath` with arguments, in a folder, with a cache folder; its output goes to a file."""


def environment(cache: Path) -> dict[str, str]:
    """Environment variables of the command: a separate cache folder, and no postprocessing."""
    return {"SWATH_CACHE_DIR": str(cache), "SWATH_POSTPROCESS": "off"}


def start_command(arguments: list[str], folder: Path, cache: Path, log: IO[bytes]) -> Process:
    """Start the command like users start it."""
    return subprocess.Popen(
        [str(SWATH), *arguments],
        cwd=folder,
        env={**os.environ, **environment(cache)},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def fork_command(arguments: list[str], folder: Path, cache: Path, log: IO[bytes]) -> Process:
    """Fork the command from a process that has loaded TensorFlow, so that no kill hits its imports."""
    server, output = training_server(), [log.fileno()] * 2
    return server.spawn("swath.cli.entry:swath", folder, tuple(arguments), environment(cache), output)


def run_reference(subject: Subject, folder: Path, cache: Path, start: Start = start_command) -> float:
    """Run the sweep twice without kills, since the first probes widths; return the seconds of the second."""
    for name in ("probing", "reference"):
        (folder / name).mkdir()
        started = time.monotonic()
        with (folder / f"{name}.txt").open("wb") as log:
            status = start(list(subject.arguments), folder / name, cache, log).wait()
        assert status == subject.status, (folder / f"{name}.txt").read_text()
    return time.monotonic() - started


def run_campaign(
    subject: Subject,
    seed: int,
    folder: Path,
    cache: Path,
    duration_s: float,
    reference: dict[str, object],
    max_kills: int = MAX_KILLS,
    start: Start = start_command,
) -> Campaign:
    """Kill a sweep up to `max_kills` times, resume it after each kill, and compare its store."""
    rng = random.Random(seed)
    kills = 0
    arguments = [*subject.arguments, "resume=true"] + (["checkpoint.every_s=0.5"] if seed % 2 else [])
    log = (folder / "log.txt").open("wb")
    for attempt in range(3 * MAX_KILLS):
        process = start(arguments, folder, cache, log)
        last = kills == max_kills or attempt == 3 * MAX_KILLS - 1
        try:
            status = process.wait(None if last else rng.uniform(0.1, 1.05 * duration_s))
            break
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
            kills += 1
    log.close()
    return Campaign(seed, kills, tuple(_faults(folder, cache, status, subject.status, reference)))


def _faults(folder: Path, cache: Path, status: int, expected: int, reference: dict[str, object]) -> list[str]:
    faults = (
        [] if status == expected else [f"exit status {status}: {(folder / 'log.txt').read_text()[-500:]}"]
    )
    try:
        found = whole_store(folder)
    except Exception as error:
        return [*faults, f"{type(error).__name__}: {error}"]
    for key in sorted({*found, *reference}):
        if found.get(key) != reference.get(key):
            faults.append(f"{key}: {_first_difference(found.get(key), reference.get(key))}")
    faults += [f"orphan {path}" for path in orphans(folder)]
    faults += [f"checkpoint {path}" for path in (cache / "checkpoints").glob("*/*")]
    return faults


def _first_difference(found: object, expected: object) -> str:
    if not isinstance(found, dict) or not isinstance(expected, dict):
        return f"{str(found)[:200]} instead of {str(expected)[:200]}"
    for name in sorted({*found, *expected}):
        if found.get(name) != expected.get(name):
            return f"{name}: {_first_difference(found.get(name), expected.get(name))}"
    return "nothing"


def main(what: str, kills: int, first_seed: int) -> int:
    """Run campaigns until `kills` is reached; return the exit status."""
    done, failed, seed = 0, 0, first_seed
    with tempfile.TemporaryDirectory(prefix="swath-torture-") as name:
        folder, cache = Path(name), Path(name) / "cache"
        subject = SUBJECTS[what]
        duration_s = run_reference(subject, folder, cache)
        reference = whole_store(folder / "reference")
        print(f"undisturbed, the {what} takes {duration_s:.1f} s", flush=True)
        while done < kills:
            place = folder / f"campaign-{seed}"
            place.mkdir()
            result = run_campaign(subject, seed, place, cache, duration_s, reference)
            done += result.kills
            failed += bool(result.faults)
            print(f"seed {seed}: {result.kills} kills; {'; '.join(result.faults) or 'ok'}", flush=True)
            seed += 1
    print(f"{done} kills, {seed - first_seed} sweeps, {failed} with faults", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    what, kills, first_seed = [*sys.argv[1:], *("grid", "200", "0")[len(sys.argv) - 1 :]]
    sys.exit(main(what, int(kills), int(first_seed)))
