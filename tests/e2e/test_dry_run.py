"""`dry_run=true` prints the plan and starts nothing."""

from pathlib import Path

import pytest
from support.command import swath

NO_TENSORFLOW = "sys.modules['tensorflow'] = sys.modules['mlflow'] = None"
"""Makes imports of TensorFlow and MLflow fail."""


def dry_run(folder: Path, *arguments: str) -> tuple[list[str], list[str]]:
    """Lines of the two tables on standard output, and the sentences on standard error."""
    done = swath(folder, "dry_run=true", *arguments, patch=NO_TENSORFLOW, real=True)
    assert done.returncode == 0, done.stderr
    assert list(folder.iterdir()) == []
    return done.stdout.splitlines(), done.stderr.splitlines()


def test_dry_run_of_a_named_sweep(tmp_path: Path) -> None:
    table, words = dry_run(tmp_path, "-cn", "grid")
    assert words[0] == "72 configurations, trained as 36 lanes in 6 lane groups"
    assert table[0].split() == ["job", "batch_size", "learning_rate", "max_steps", "group"]
    assert table[72].split() == ["71", "200", "0.005", "1500", "6"]
    assert table[73].split()[:5] == ["group", "batch_size", "seed", "lanes", "runs"]
    assert table[74].split()[:6] == ["1", "16", "0", "6", "12", "1500"]
    # 72 runs x 1,000 steps x 2 values x 230 bytes, plus 210 kB per run
    assert words[-2].endswith("48.2 MB in the store (sqlite:///mlflow.db).")
    assert words[-1] == "Dry run: nothing was trained or written."


def test_dry_run_estimates_a_smaller_store_for_thinned_steps(tmp_path: Path) -> None:
    _, words = dry_run(tmp_path, "-cn", "grid", "tracking.every_steps=100")
    assert words[-2].endswith("15.5 MB in the store (sqlite:///mlflow.db).")


def test_dry_run_estimates_a_smaller_store_for_curves_in_files(tmp_path: Path) -> None:
    _, words = dry_run(tmp_path, "-cn", "grid", "tracking.curves=file")
    # 72 runs x 1,000 steps x 2 values x 2.2 bytes more than with every 100th step alone
    assert words[-2].endswith("15.8 MB in the store (sqlite:///mlflow.db).")


def test_dry_run_of_a_command_line_grid(tmp_path: Path) -> None:
    _, words = dry_run(tmp_path, "-m", "seed=0,1", "learning_rate=1e-6,1e-5", "lanes.max=1")
    assert words[0] == "4 configurations, trained as 4 lanes in 4 lane groups"


def test_dry_run_of_a_single_run(tmp_path: Path) -> None:
    table, words = dry_run(tmp_path, "max_steps=10", "tracking.uri=postgresql://me:secret@host/db")
    assert words[0] == "1 configuration, trained as 1 lane in 1 lane group"
    assert table[1].split() == ["0", "100", "0.005", "10", "1"]
    assert "postgresql://me:***@host/db" in words[-2]
    assert "secret" not in "".join(table + words)


def test_dry_run_with_hydras_basic_sweeper(tmp_path: Path) -> None:
    _, words = dry_run(tmp_path, "-m", "seed=0,1", "hydra/sweeper=basic")
    assert words[0] == "2 configurations, trained as 2 lanes in 2 lane groups"


def test_dry_run_with_the_basic_launcher(tmp_path: Path) -> None:
    arguments = ("learning_rate=1e-6,1e-5", "max_steps=5,9", "hydra/launcher=basic")
    table, words = dry_run(tmp_path, "-m", *arguments)
    assert words[0] == "4 configurations, trained as 4 lanes in 4 lane groups"
    assert [line.split()[-1] for line in table[1:5]] == ["1", "2", "3", "4"]


@pytest.mark.parametrize("arguments", [["max_steps=0"], ["-m", "learning_rate=1,x"]])
def test_dry_run_validates_the_command(tmp_path: Path, arguments: list[str]) -> None:
    done = swath(tmp_path, "dry_run=true", *arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
