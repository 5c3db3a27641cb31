"""Colours of runs on MLflow's page."""

from pathlib import Path

import pytest
from support.sweeps import made_grid, made_run, made_sweep

from swath.analysis import Sweep, effects_of
from swath.plotting import value_colours
from swath.sweeps.postprocess import colour_runs

COLOUR = "mlflow.runColor"


class Tagged(list[tuple[str, str, str]]):
    """A client that keeps the tags that are set: run, name and value of each."""

    def set_tag(self, run_id: str, name: str, value: str) -> None:
        self.append((run_id, name, value))


@pytest.fixture
def tagged() -> Tagged:
    return Tagged()


def colours_by(sweep: Sweep, field: str, tagged: Tagged) -> dict[str, set[str]]:
    """The colours of the runs with each value of a field."""
    assert {name for _, name, _ in tagged} == {COLOUR}
    of_run = {run_id: colour for run_id, _, colour in tagged}
    found: dict[str, set[str]] = {}
    for run in sweep.finished:
        found.setdefault(run.params[field], set()).add(of_run[run.run_id])
    return found


def test_runs_are_coloured_by_the_field_that_explains_most(tmp_path: Path, tagged: Tagged) -> None:
    sweep = made_grid(tmp_path)
    effects = effects_of(sweep.runs, sweep.swept, "validation/accuracy")
    assert effects is not None and effects.fields[0].name == "learning_rate"
    colour_runs(tagged, sweep)
    colours = value_colours([1e-7, 1e-6, 1e-5])
    assert colours_by(sweep, "learning_rate", tagged) == {
        text: {colours[float(text)]} for text in ("1e-07", "1e-06", "1e-05")
    }
    assert len(set(colours.values())) == 3


def test_other_field_that_explains_most_is_chosen(tmp_path: Path, tagged: Tagged) -> None:
    runs = [
        made_run(
            tmp_path,
            2 * place + batch,
            0.1 + 0.5 * batch + place / 100,
            batch_size=10 + batch,
            seed=0,
            learning_rate=10.0**-place,
        )
        for place in (6, 7)
        for batch in (0, 1)
    ]
    sweep = made_sweep(runs)
    colour_runs(tagged, sweep)
    by_batch = colours_by(sweep, "batch_size", tagged)
    assert [len(colours) for colours in by_batch.values()] == [1, 1]
    assert [len(colours) for colours in colours_by(sweep, "learning_rate", tagged).values()] == [2, 2]


def test_seeds_of_a_configuration_have_one_colour(tmp_path: Path, tagged: Tagged) -> None:
    sweep = made_grid(tmp_path, batch_sizes=(50,), seeds=(0, 1))
    colour_runs(tagged, sweep)
    assert [len(colours) for colours in colours_by(sweep, "learning_rate", tagged).values()] == [1, 1, 1]


def test_colour_that_a_run_has_is_not_set_again(tmp_path: Path, tagged: Tagged) -> None:
    sweep = made_grid(tmp_path)
    colour_runs(tagged, sweep)
    for run_id, name, colour in tagged:
        next(run for run in sweep.runs if run.run_id == run_id).tags[name] = colour
    sweep.runs[0].tags[COLOUR] = "#123456"
    tagged.clear()
    colour_runs(tagged, sweep)
    assert [run_id for run_id, _, _ in tagged] == [sweep.runs[0].run_id]


def test_runs_that_are_no_grid_keep_their_colours(tmp_path: Path, tagged: Tagged) -> None:
    grid = made_grid(tmp_path)
    colour_runs(tagged, made_sweep(grid.runs[:-1]))
    colour_runs(tagged, made_sweep(grid.runs[:1]))
    assert tagged == []
