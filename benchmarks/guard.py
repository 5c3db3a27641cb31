"""`python -m benchmarks.guard`: whether small commands cost more of a processor than the repository says.

Processor seconds of each part are divided by those of a fixed piece of work (`reference.py`) that is measured
in turn, because machines differ. Of some measurements the least counts: noise only adds. `--write` stores the
values in benchmarks/guard.json; do that on a quiet machine, and say in the commit what costs more and why.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from benchmarks.processes import measure
from benchmarks.where import parts_of

VALUES = Path(__file__).with_name("guard.json")

ROOM = 1.5
"""How much more a command may cost: machines of continuous integration are shared, and differ."""

SMALLEST = 0.15
"""Share of the growth of a command that a part must have to be named."""

REPEATS = 3

SWATH = str(Path(sys.executable).parent / "swath")

WORKLOADS = {
    "a single run": ("data=digits", "max_steps=1000", "tracking.postprocess=wait"),
    "a grid of 24": (
        "-m",
        "data=digits",
        "max_steps=300",
        "batch_size=20,50",
        f"learning_rate={','.join(f'{1e-8 * 2**power:.4g}' for power in range(12))}",
        "tracking.postprocess=wait",
    ),
    "a plan of 5,000": (
        "-m",
        "data=digits",
        "dry_run=true",
        f"learning_rate={','.join(f'{1e-8 * 1.002**power:.7g}' for power in range(5_000))}",
    ),
}

Costs = dict[str, dict[str, float]]
"""Processor seconds relative to the reference, by command and by `PROCESS: PART`."""


def costs() -> Costs:
    """Measure every command, and the reference before each."""
    least: Costs = {}
    references = []
    reference = [sys.executable, "-m", "benchmarks.reference"]
    with tempfile.TemporaryDirectory(prefix="swath-guard-") as name:
        folder = Path(name)
        for command in WORKLOADS.values():  # makes the store and the caches
            parts_of([SWATH, *command], folder)
        for _ in range(REPEATS):
            for workload, command in WORKLOADS.items():
                references.append(measure(reference, Path(__file__).parents[1]).cpu_s)
                found = {
                    f"{process}: {part}": seconds
                    for process, parts in parts_of([SWATH, *command], folder).items()
                    for part, seconds in parts.items()
                }
                best = least.setdefault(workload, found)
                if sum(found.values()) < sum(best.values()):
                    least[workload] = found
    unit = min(references)
    return {
        workload: {part: round(seconds / unit, 3) for part, seconds in parts.items()}
        for workload, parts in least.items()
    }


def grown(now: Mapping[str, Mapping[str, float]], before: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A line for each command that costs more than it may, with the parts that have grown most."""
    lines = []
    for workload, parts in now.items():
        known = before.get(workload, {})
        total, allowed = sum(parts.values()), ROOM * sum(known.values())
        if total <= allowed:
            continue
        more = total - sum(known.values())
        by_part = {part: value - known.get(part, 0.0) for part, value in parts.items()}
        named = [part for part, growth in by_part.items() if growth >= SMALLEST * more]
        named.sort(key=lambda part: -by_part[part])
        shown = ", ".join(f"{part} {known.get(part, 0.0):.2f} -> {parts[part]:.2f}" for part in named)
        lines.append(
            f"{workload} costs {total:.2f} times the reference; at most {allowed:.2f} was expected "
            f"({sum(known.values()):.2f} before). What has grown: {shown}"
        )
    return lines


def main(arguments: list[str]) -> int:
    """Measure, and compare or write; returns the exit status."""
    now = costs()
    if arguments == ["--write"]:
        VALUES.write_text(json.dumps(now, indent=1, sort_keys=True) + "\n", encoding="utf-8")
        return 0
    before = json.loads(VALUES.read_text(encoding="utf-8"))
    for workload, parts in now.items():
        known = sum(before.get(workload, {}).values())
        print(f"{workload}: {sum(parts.values()):.2f} times the reference ({known:.2f} in the repository)")
    lines = grown(now, before)
    for line in lines:
        print(f"guard: {line}", file=sys.stderr)
    return int(bool(lines))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
