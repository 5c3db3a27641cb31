"""Hydra's Optuna sweeper, which wants Optuna 2: `make test-optuna` runs these tests where there is one."""

import importlib.util
import json
from pathlib import Path

import pytest
from support.command import error_lines, swath, swath_compare
from support.waiting import query_store

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("hydra_plugins.hydra_optuna_sweeper") is None,
    reason="hydra-optuna-sweeper is not installed; run: make test-optuna",
)

SWEEP = ("-m", "data=digits", "data.validation_size=200", "max_steps=20", "hydra/sweeper=optuna")
SETTINGS = (
    "hydra.sweeper.direction=maximize",
    "hydra.sweeper.n_trials=8",
    "hydra.sweeper.n_jobs=4",
    "hydra.sweeper.sampler.seed=0",
)
SPACE = ("learning_rate=tag(log,interval(1e-6,1e-3))", "batch_size=int(interval(20,50))")


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """Folder of a search, and the lines that it printed."""
    folder = tmp_path_factory.mktemp("searched")
    done = swath(folder, *SWEEP, *SETTINGS, *SPACE)
    assert done.returncode == 0, done.stderr
    return folder, done.stderr.splitlines()


def test_the_screen_tells_how_many_it_will_choose(searched: tuple[Path, list[str]]) -> None:
    assert searched[1][0].startswith("at most 8 configurations; loading")
    assert any(line.startswith("8 of 8 runs finished") for line in searched[1])
    assert not any("edge of the grid" in line for line in searched[1]), "there is no grid"


def test_the_record_tells_what_it_chose_from(searched: tuple[Path, list[str]]) -> None:
    query = "select key, value from tags join runs using (run_uuid) where key like 'swath.%' and run_uuid in "
    tags = dict(query_store(searched[0], f"{query} (select run_uuid from tags where key = 'swath.space')"))
    assert tags["swath.swept"] == "batch_size learning_rate"
    assert json.loads(str(tags["swath.space"])) == list(SPACE)
    assert tags["swath.grid"] == ""
    assert tags["swath.asked_for"] == "8"
    ((note,),) = query_store(
        searched[0], "select value from tags where key = 'mlflow.note.content' and value like '%Command%'"
    )
    for line in SPACE:
        assert f"Space: `{line}`" in str(note)
    assert "Hydra's sweeper `OptunaSweeper`" in str(note)
    assert "Grid:" not in str(note)


def test_comparison_knows_the_space(searched: tuple[Path, list[str]]) -> None:
    done = swath_compare(searched[0], "ad-hoc")
    assert done.returncode == 0, done.stderr
    assert "edge of the grid" not in done.stdout + done.stderr


def test_dry_run_tells_what_it_knows(tmp_path: Path) -> None:
    done = swath(tmp_path, *SWEEP, *SETTINGS, *SPACE, "optimizer=choice(sgd,adam)", "dry_run=true")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[:4] == [
        "The sweeper OptunaSweeper chooses batch_size, learning_rate, optimizer.name during the sweep, "
        "at most 8 configurations, 4 at a time:",
        *(f"  {line}" for line in SPACE),
        "  optimizer=choice(sgd,adam)",
    ]
    shared = {line.split()[0] for line in done.stdout.splitlines()}
    assert "max_steps" in shared
    assert not shared & {"optimizer.name", "learning_rate", "batch_size"}
    assert list(tmp_path.iterdir()) == []


def test_configuration_that_is_asked_for_twice_is_said(tmp_path: Path) -> None:
    done = swath(tmp_path, *SWEEP, *SETTINGS, "learning_rate=choice(1e-5,1e-4)", "batch_size=choice(20,50)")
    assert done.returncode == 0, done.stderr
    repeated = [line for line in done.stderr.splitlines() if line.startswith("Given before: ")]
    assert len(repeated) >= 8 - 4, "there are four configurations"
    assert all(line.endswith("; it is trained again") for line in repeated)


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (
            "batch_size=interval(16,50)",
            "batch_size=interval(16,50): the sweeper would choose numbers that are not whole; "
            "write batch_size=int(interval(16,50))",
        ),
        (
            "learning_rate=interval(-1,1e40)",
            "learning_rate=interval(-1,1e40): expected a number above 0 that float32 can hold",
        ),
        (
            "learning_rate=tag(log,interval(0,1))",
            "learning_rate=tag(log,interval(0,1)): expected a lower end above 0, because of tag(log,...)",
        ),
    ],
)
def test_interval_is_checked_before_anything_starts(typed: str, line: str, tmp_path: Path) -> None:
    done = swath(tmp_path, *SWEEP, *SETTINGS, typed)
    assert done.returncode == 2
    assert error_lines(done.stderr) == [f"swath: {line}"]
    assert list(tmp_path.iterdir()) == []
