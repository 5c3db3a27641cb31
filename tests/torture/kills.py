"""`kill -9` of a sweep's whole process group at random moments, and `resume=true` until it is done.

python -m torture.kills [KILLS [FIRST_SEED]]   (from tests/; `make torture` runs 200)
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

SWEEP = (
    "-m",
    "data=digits",
    "data.validation_size=300",
    "batch_size=20,50",
    "learning_rate=1e-7,1e-6,1e-5,1e36",
    "max_steps=400,2500",
    "evaluate_every_steps=100",
)
"""16 configurations, four of which diverge; shorter ones are the beginnings of longer ones."""

MOST_KILLS = 4
"""Of one sweep, before it may end."""

ENDS_WITH = 1
"""Exit status: some configurations diverge."""


@dataclass(frozen=True)
class Campaign:
    """What became of one sweep.

    Attributes:
      seed: of its moments.
      kills: how often it was killed.
      faults: how its store differs from that of a sweep left alone; empty where it does not.
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
    """Variables of the command: a cache folder of its own, and no postprocessing."""
    return {"SWATH_CACHE_DIR": str(cache), "SWATH_POSTPROCESS": "off"}


def start_command(words: list[str], folder: Path, cache: Path, log: IO[bytes]) -> Process:
    """Start the command as users do."""
    return subprocess.Popen(
        [str(SWATH), *words],
        cwd=folder,
        env={**os.environ, **environment(cache)},
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def fork_command(words: list[str], folder: Path, cache: Path, log: IO[bytes]) -> Process:
    """Fork the command from a process that has loaded TensorFlow, so that no kill hits its imports."""
    server, output = training_server(), [log.fileno()] * 2
    return server.start("swath.cli.entry:swath", folder, tuple(words), environment(cache), output)


def undisturbed(folder: Path, cache: Path, start: Start = start_command) -> float:
    """Run the sweep twice without a kill; returns the duration of the second, which checks no width."""
    for name in ("probing", "reference"):
        (folder / name).mkdir()
        started = time.monotonic()
        with (folder / f"{name}.txt").open("wb") as log:
            status = start(list(SWEEP), folder / name, cache, log).wait()
        assert status == ENDS_WITH, (folder / f"{name}.txt").read_text()
    return time.monotonic() - started


def campaign(
    seed: int,
    folder: Path,
    cache: Path,
    duration_s: float,
    reference: dict[str, object],
    most: int = MOST_KILLS,
    start: Start = start_command,
) -> Campaign:
    """Kill one sweep at up to `most` moments, take it up each time, and compare what it leaves."""
    chosen = random.Random(seed)
    kills = 0
    words = [*SWEEP, "resume=true"] + (["checkpoint.every_s=0.5"] if seed % 2 else [])
    log = (folder / "log.txt").open("wb")
    for attempt in range(3 * MOST_KILLS):
        process = start(words, folder, cache, log)
        last = kills == most or attempt == 3 * MOST_KILLS - 1
        try:
            status = process.wait(None if last else chosen.uniform(0.1, 1.05 * duration_s))
            break
        except subprocess.TimeoutExpired:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            status = process.wait()
            kills += 1
    log.close()
    return Campaign(seed, kills, tuple(_faults(folder, cache, status, reference)))


def _faults(folder: Path, cache: Path, status: int, reference: dict[str, object]) -> list[str]:
    faults = (
        [] if status == ENDS_WITH else [f"exit status {status}: {(folder / 'log.txt').read_text()[-500:]}"]
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


def main(kills: int, first_seed: int) -> int:
    """Run campaigns until there have been so many kills; returns the exit status."""
    done, failed, seed = 0, 0, first_seed
    with tempfile.TemporaryDirectory(prefix="swath-torture-") as name:
        folder, cache = Path(name), Path(name) / "cache"
        duration_s = undisturbed(folder, cache)
        reference = whole_store(folder / "reference")
        print(f"left alone, the sweep takes {duration_s:.1f} s", flush=True)
        while done < kills:
            place = folder / f"campaign-{seed}"
            place.mkdir()
            result = campaign(seed, place, cache, duration_s, reference)
            done += result.kills
            failed += bool(result.faults)
            print(f"seed {seed}: {result.kills} kills; {'; '.join(result.faults) or 'whole'}", flush=True)
            seed += 1
    print(f"{done} kills, {seed - first_seed} sweeps, {failed} of them not whole", flush=True)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in [*sys.argv[1:], *("200", "0")[len(sys.argv) - 1 :]])))
