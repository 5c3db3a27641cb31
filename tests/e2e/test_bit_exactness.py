"""Bit-exactness is checked on the user's machine, and its absence is reported."""

import sqlite3
from pathlib import Path

from support.command import swath

GRID = ["-m", "data=digits", "batch_size=10", "max_steps=20", "learning_rate=1e-7,1e-6,1e36"]

WIDTH_DEPENDENT = """
import swath.models.backend
from swath.models import tf
class WidthDependent:
    def __getattr__(self, name):
        return getattr(tf, name)
    def matmul(self, a, b, **options):
        return tf.matmul(a, b, **options) * (1 + 1e-6 * tf.cast(tf.shape(b)[1] // 16, tf.float32))
swath.models.backend.tf = WidthDependent()
"""

PROBE_THAT_ACCEPTS_EVERYTHING = "import swath.training; swath.training.is_bit_exact = lambda *anything: True"


def verdicts(errors: str) -> list[str]:
    """The lines about verified runs; before the answer."""
    lines = errors.splitlines()
    answer = next(number for number, line in enumerate(lines) if line.startswith("Best: "))
    found = [line for line in lines if line.startswith("lanes.verify: ")]
    assert lines[answer - len(found) : answer] == found
    return found


def lanes_used(folder: Path) -> set[float]:
    with sqlite3.connect(folder / "mlflow.db") as database:
        found = database.execute("select value from latest_metrics where key = 'runtime/lanes'")
        return {value for (value,) in found}


def test_verify_compares_runs_with_their_solo_runs(tmp_path: Path) -> None:
    done = swath(tmp_path, *GRID, "lanes.verify=2")
    assert verdicts(done.stderr)[-1] == "lanes.verify: 2 of 2 runs are bit-identical to their solo runs"


def test_verify_of_more_runs_than_the_sweep_has_checks_all(tmp_path: Path) -> None:
    done = swath(tmp_path, *GRID, "learning_rate=1e-7,1e-6", "lanes.verify=9", "hydra/launcher=basic")
    assert verdicts(done.stderr)[-1] == "lanes.verify: 2 of 2 runs are bit-identical to their solo runs"
    assert done.returncode == 0


def test_width_dependent_arithmetic_falls_back_to_one_lane(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    done = swath(
        tmp_path / "run",
        *GRID,
        "lanes.verify=3",
        patch=WIDTH_DEPENDENT,
        SWATH_CACHE_DIR=str(tmp_path / "cache"),
    )
    note = "is bit-exact on this machine for batch_size=10; these configurations"
    assert done.stderr.count(note) == 1
    assert lanes_used(tmp_path / "run") == {1}
    assert verdicts(done.stderr)[-1] == "lanes.verify: 3 of 3 runs are bit-identical to their solo runs"


def test_verify_reports_lanes_that_differ_from_their_solo_runs(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    done = swath(
        tmp_path / "run",
        *GRID,
        "learning_rate=1e-7,1e-6",
        "lanes.verify=2",
        patch=WIDTH_DEPENDENT + PROBE_THAT_ACCEPTS_EVERYTHING,
        SWATH_CACHE_DIR=str(tmp_path / "cache"),
    )
    lines = verdicts(done.stderr)
    assert lines[-1] == "lanes.verify: 0 of 2 runs are bit-identical to their solo runs"
    differing = [line for line in lines if line.startswith("lanes.verify: learning_rate=1e-0")]
    assert [len(line.split("(run ")[1]) for line in differing] == [33, 33]
    assert done.returncode == 1
