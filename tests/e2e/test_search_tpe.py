"""Searches with the TPE sampler from the shell: they learn, and go on after a kill as if there were none."""

import importlib.util
import itertools
import json
from pathlib import Path

import pytest
from support.command import error_lines, swath
from support.searches import DIGITS, decided, trials_of
from support.waiting import query_store

from swath.searching import Dimension, Space, sampler_of

SPACE = ("-m", "learning_rate=tag(log,interval(1e-8,1e-2))", "batch_size=20,50", *DIGITS, "max_steps=40")
SEARCH = (*SPACE, "search.sampler=tpe", "search.trials=36", "search.round=12", "search.confirm=0")

REPEATED = """
select count(*) from (select run_uuid, key, step from metrics where key in ('train/loss', 'rung/loss')
group by run_uuid, key, step having count(*) > 1)
"""

KILL = """
import os, signal
import swath.searching.driver as driver
decide = driver.Search._decide_rungs
def decide_and_die(self):
    found = decide(self)
    if ({round_number}, 0) in [(number, rung) for number, rung, _ in self.outcome.decisions]:
        os.kill(os.getpid(), signal.SIGKILL)
    return found
driver.Search._decide_rungs = decide_and_die
"""

needs_optuna = pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None, reason="Optuna is not installed: pip install 'swath[search]'"
)


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a search of three rounds; do not change it."""
    folder = tmp_path_factory.mktemp("searched")
    done = swath(folder, *SEARCH)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return folder


@needs_optuna
def test_third_round_learns_from_the_first(searched: Path) -> None:
    space = Space(
        (
            Dimension("learning_rate", 1e-8, 1e-2, log=True),
            Dimension("batch_size", choices=("20", "50"), splits=True),
        )
    )
    quasi_random = list(itertools.islice(sampler_of("qmc", space, 0).candidates(0, []), 36))
    trials = trials_of(searched)
    points = [json.loads(trials[number]["swath.search.point"]) for number in range(36)]
    assert points[:24] == quasi_random[:24]
    assert not any(point in quasi_random for point in points[24:])
    first, *_, last = (
        sorted(trials[number]["rungs"][0][1] for number in numbers) for numbers in (range(12), range(24, 36))
    )
    assert last[6] > first[6], "the median of the third round is better"


@needs_optuna
def test_killed_search_goes_on_with_the_same_proposals_and_weights(searched: Path, tmp_path: Path) -> None:
    for resume, round_number in (("no", 0), ("yes", 2)):
        patch = KILL.format(round_number=round_number)
        killed = swath(tmp_path, *SEARCH, f"resume={resume}", patch=patch)
        assert killed.returncode == -9, killed.stderr
    done = swath(tmp_path, *SEARCH, "resume=yes")
    assert done.returncode == 0, done.stderr
    assert decided(tmp_path) == decided(searched)
    assert query_store(tmp_path, REPEATED) == [(0,)]


def test_without_optuna_one_line_says_what_to_install(tmp_path: Path) -> None:
    done = swath(tmp_path, *SEARCH, patch="import sys; sys.modules['optuna'] = None")
    assert done.returncode == 2
    assert error_lines(done.stderr) == [
        "swath: search.sampler=tpe needs Optuna; install it: pip install 'swath[search]', "
        "or choose search.sampler=qmc or random"
    ]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("field", ["search.sampler", "hydra.sweeper.sampler"])
@pytest.mark.parametrize("sampler", ["cmaes", "nsgaii", "nsgaiii", "gp"])
def test_sampler_that_could_not_be_resumed_is_refused(field: str, sampler: str, tmp_path: Path) -> None:
    done = swath(tmp_path, *SPACE, f"{field}={sampler}")
    assert done.returncode == 2
    assert error_lines(done.stderr) == [
        f"swath: {field}={sampler}: its state is not in the store, so a search could not be resumed exactly; "
        "expected one of qmc, random, tpe, grid"
    ]
    assert list(tmp_path.iterdir()) == []


def test_another_name_of_the_grid_is_refused(tmp_path: Path) -> None:
    done = swath(tmp_path, *SPACE, "search.sampler=bruteforce")
    assert error_lines(done.stderr) == [
        "swath: search.sampler=bruteforce: a grid proposes every point; "
        "expected one of qmc, random, tpe, grid"
    ]
