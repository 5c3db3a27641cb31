"""Sweepers of Hydra that search: they choose the configurations from the values that jobs return."""

from pathlib import Path

import pytest
from support.command import error_lines, swath
from support.waiting import query_store

SWEEPER = '''
import math
from hydra.plugins.sweeper import Sweeper

RATES = (("1e-7", "1e36"), ("1e-6", "1e-5"))

class Search(Sweeper):
    """Tries some rates, two at a time; like Optuna's, it ends the sweep at a value that is not a number."""

    def __init__(self, direction, max_batch_size=None, params=None):
        self.direction = direction

    def setup(self, *, hydra_context, task_function, config):
        from hydra.core.plugins import Plugins
        self.launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments):
        fixed = [argument for argument in arguments if not argument.startswith("learning_rate=")]
        values, job = [], 0
        for rates in RATES:
            jobs = [[*fixed, f"learning_rate={rate}"] for rate in rates]
            values += [found.return_value for found in self.launcher.launch(jobs, job)]
            job += len(jobs)
        assert not any(math.isnan(value) for value in values), values
        assert values.index(min(values)) == 1, values
'''
SEARCH = (
    "-m",
    "data=digits",
    "max_steps=20",
    "learning_rate=interval(1e-7,1e-5)",
    "hydra/sweeper=basic",
    "hydra.sweeper._target_=hydra_plugins.searching.Search",
)
MAXIMIZE = "+hydra.sweeper.direction=maximize"


@pytest.fixture
def path(tmp_path: Path) -> str:
    plugins = tmp_path / "lib" / "hydra_plugins"
    plugins.mkdir(parents=True)
    (plugins / "searching.py").write_text(SWEEPER)
    return str(tmp_path / "lib")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "work").mkdir()
    return tmp_path / "work"


def test_search_goes_on_after_a_run_that_diverged(path: str, folder: Path) -> None:
    done = swath(folder, *SEARCH, MAXIMIZE, PYTHONPATH=path)
    assert done.returncode == 1, "a run has failed"
    words = done.stderr.splitlines()
    assert any(line.startswith("3 of 4 runs finished") for line in words), done.stderr
    assert any(line.startswith("FAILED learning_rate=1e+36: diverged at step 1") for line in words)
    assert not any("s left" in line for line in words), "nobody knows how many jobs there will be"
    logs = sorted((folder / "multirun").glob("*/*/*/swath.log"), key=lambda log: int(log.parent.name))
    texts = [log.read_text() for log in logs]
    assert [text.count("\n") for text in texts] == [1] * 4
    assert "[INFO] - finished, test/accuracy 0." in texts[0]
    assert "[ERROR] - FAILED learning_rate=1e+36: diverged at step 1: loss is nan" in texts[1]


def test_dry_run_of_a_search_names_what_it_knows(path: str, folder: Path) -> None:
    done = swath(folder, *SEARCH, MAXIMIZE, "dry_run=true", PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    words = done.stderr.splitlines()
    assert words[:3] == [
        "The sweeper Search chooses learning_rate during the sweep:",
        "  learning_rate=interval(1e-7,1e-5)",
        "All configurations share these values:",
    ]
    rows = {line.split()[0]: line.split()[1] for line in done.stdout.splitlines()}
    assert rows["max_steps"] == "20"
    assert "learning_rate" not in rows
    assert list(folder.iterdir()) == []


def test_record_of_a_search_names_what_was_searched(path: str, folder: Path) -> None:
    swath(folder, *SEARCH, MAXIMIZE, PYTHONPATH=path)
    tags = dict(
        query_store(
            folder,
            "select key, value from tags where run_uuid in "
            "(select run_uuid from tags where key = 'swath.space')",
        )
    )
    assert tags["swath.space"] == '["learning_rate=interval(1e-7,1e-5)"]'
    assert (tags["swath.swept"], tags["swath.grid"], tags["swath.asked_for"]) == ("learning_rate", "", "4")
    note = str(tags["mlflow.note.content"])
    assert "Space: `learning_rate=interval(1e-7,1e-5)`" in note
    assert "Chosen during the sweep by Hydra's sweeper `Search`." in note
    assert "Grid:" not in note


def test_configuration_that_is_asked_for_twice_is_said(path: str, folder: Path) -> None:
    plugin = Path(path) / "hydra_plugins" / "searching.py"
    plugin.write_text(plugin.read_text().replace('("1e-6", "1e-5"))', '("1e-6", "1e-7"))'))
    done = swath(folder, *SEARCH, MAXIMIZE, PYTHONPATH=path)
    repeated = [line for line in done.stderr.splitlines() if line.startswith("Given before")]
    assert repeated == ["Given before: learning_rate=1e-07; it is trained again"]


@pytest.mark.parametrize("typed", ["batch_size=interval(2,9)", "learning_rate=interval(-1,1)"])
def test_interval_is_checked_before_anything_starts(typed: str, path: str, folder: Path) -> None:
    done = swath(folder, *SEARCH, MAXIMIZE, typed, PYTHONPATH=path)
    assert done.returncode == 2
    (line,) = error_lines(done.stderr)
    assert line.startswith(f"swath: {typed}: ")
    assert list(folder.iterdir()) == []


def test_search_for_the_smallest_accuracy_is_refused(path: str, folder: Path) -> None:
    done = swath(folder, *SEARCH, "+hydra.sweeper.direction=minimize", PYTHONPATH=path)
    assert done.returncode == 2
    assert error_lines(done.stderr) == [
        "swath: hydra.sweeper.direction=minimize: expected maximize; a job returns an accuracy"
    ]
    assert list(folder.iterdir()) == []


def test_commands_that_start_within_a_second_have_their_own_folders(folder: Path) -> None:
    for _ in range(2):
        assert swath(folder, "data=digits", "max_steps=2").returncode == 0
    folders = list((folder / "outputs").glob("*/*"))
    assert len(folders) == 2
    assert {len(found.name) for found in folders} == {len("12-34-56-000000")}, "with microseconds"
