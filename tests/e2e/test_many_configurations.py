"""A sweep of many configurations: its plan, its folders, and its resume with nothing to do."""

from pathlib import Path

import pytest
from support.command import swath

GRID = ("-m", "data=digits", "data.validation_size=300", "max_steps=4", "learning_rate=1e-5,1e-4", "seed=0,1")
FEW = "hydra.launcher.folders=3"


def words(text: str) -> list[str]:
    """Lines without those that tell times, folders and addresses."""
    return [line for line in text.splitlines() if not line.startswith(("See it", "More", "More than"))]


def test_plan_of_many_configurations(tmp_path: Path) -> None:
    arguments = ("-m", "data=digits", "learning_rate=range(0.00001,0.002005,0.00001)", "seed=range(0,50)")
    done = swath(tmp_path, *arguments, "dry_run=true")
    assert done.returncode == 0, done.stderr
    first, second, *_ = done.stderr.splitlines()
    assert first.startswith("10,000 configurations, trained as 10,000 lanes in ")
    assert second == "... and 9900 more configurations"
    assert done.stdout.splitlines()[100].split()[:3] == ["99", "2e-05", "49"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("more", [[], ["hydra.sweeper.max_batch_size=2"]])
def test_jobs_beyond_the_folders_share_one_folder_and_one_log(tmp_path: Path, more: list[str]) -> None:
    done = swath(tmp_path, *GRID, FEW, *more)
    assert done.returncode == 0, done.stderr
    assert (
        "More than 3 configurations: Hydra makes one log for all, and no folder for each "
        "(hydra.launcher.folders=4 makes them)"
    ) in done.stderr.splitlines()
    (sweep,) = (tmp_path / "multirun").glob("*/*")
    # With batches of two, the first one is within the three.
    expected = {"multirun.yaml", "swath.log"} | ({"0", "1"} if more else set())
    assert {path.name for path in sweep.iterdir()} == expected
    logged = (sweep / "swath.log").read_text(encoding="utf-8").splitlines()
    named = [f"learning_rate={rate} seed={seed}" for rate in ("1e-05", "0.0001") for seed in (0, 1)]
    assert [line.rpartition(", ")[2] for line in logged] == named[2 if more else 0 :]
    assert all("[swath.job][INFO] - finished, validation/accuracy 0." in line for line in logged)


def test_failures_are_in_the_shared_log_by_name(tmp_path: Path) -> None:
    done = swath(
        tmp_path, "-m", "data=digits", "max_steps=4", "learning_rate=1e36,1e-5", "hydra.launcher.folders=0"
    )
    assert done.returncode == 1, "a run has failed"
    (log,) = (tmp_path / "multirun").glob("*/*/swath.log")
    first, second = log.read_text(encoding="utf-8").splitlines()
    assert "[ERROR] - FAILED learning_rate=1e+36: diverged at step " in first
    assert "[INFO] - finished, test/accuracy 0." in second


def test_resume_with_nothing_to_do_says_the_same_with_and_without_folders(tmp_path: Path) -> None:
    trained = swath(tmp_path, *GRID, FEW)
    assert trained.returncode == 0, trained.stderr
    resumed = [swath(tmp_path, *GRID, "resume=yes", *folders) for folders in ([FEW], [])]
    for done in resumed:
        assert done.returncode == 0, done.stderr
        assert done.stdout == trained.stdout
        assert "Resume: 4 already done." in done.stderr.splitlines()
    assert words(resumed[0].stderr) == words(resumed[1].stderr)
    answer = [words(done.stderr) for done in (trained, resumed[0])]
    start = [next(i for i, line in enumerate(lines) if line.startswith("Best:")) for lines in answer]
    assert answer[0][start[0] :] == answer[1][start[1] :]
