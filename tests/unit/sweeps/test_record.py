"""The content of a summary run at the end of a sweep."""

from dataclasses import replace
from typing import Any

import pytest
from support.small import run_config

from swath.execution import RunResult, SweepInfo
from swath.sweeps.manifest import Manifest
from swath.sweeps.record import sweep_description, sweep_summary
from swath.tracking import Status

SWEEP_INFO = SweepInfo("ad-hoc", "0123456789ab", ("learning_rate",), "swath -m learning_rate=1e-7,1e-6")


def result(rate: float, status: Status, seed: int = 0, **metrics: float) -> RunResult:
    named = {name.replace("_", "/", 1): value for name, value in metrics.items()}
    anything: Any = None
    config = run_config(learning_rate=rate, seed=seed)
    return RunResult(
        config, status, named, None, anything, run_id=f"run{rate}/{seed}", steps=10, trained_steps=4
    )


RESULTS = [
    result(1e-7, "FINISHED", validation_accuracy=0.2, test_loss=2.0),
    result(1e-6, "FINISHED", validation_accuracy=0.4, test_loss=1.0),
    result(1e-5, "KILLED"),
    result(1e-4, "FAILED"),
    result(1e-3, "FAILED"),
]


def test_tags_count_finished_failed_and_killed_runs() -> None:
    end = sweep_summary(SWEEP_INFO, RESULTS, 7, 2.0, interrupted=True)
    counts = {name: end.tags[f"swath.{name}"] for name in ("asked_for", "finished", "failed", "killed")}
    assert counts == {"asked_for": "7", "finished": "2", "failed": "2", "killed": "1"}
    assert end.status == "KILLED"
    assert end.tags["swath.wall_s"] == "2.0"
    assert end.tags["swath.steps_per_s"] == str(5 * 4 // 2), "what this command trained"


def test_summary_without_trained_runs_keeps_the_speed_of_those_that_trained_them() -> None:
    reused = replace(result(1e-6, "FINISHED", test_accuracy=0.5), reused=True)
    summary = sweep_summary(SWEEP_INFO, [reused], 1, 2.0, False)
    assert not {"swath.wall_s", "swath.steps_per_s"} & set(summary.tags)
    assert "1 of 1 finished." in summary.note


def test_interrupted_sweep_has_a_best_run() -> None:
    for interrupted in (True, False):
        end = sweep_summary(SWEEP_INFO, RESULTS, 5, 2.0, interrupted)
        assert end.metrics == {"best/validation/accuracy": 0.4, "best/test/loss": 1.0}
        assert end.tags["swath.best_run_id"] == "run1e-06/0"
    assert sweep_summary(SWEEP_INFO, RESULTS[2:], 3, 2.0, interrupted=False).metrics == {}


def test_description_contains_question_best_run_grid_and_command() -> None:
    note = sweep_summary(SWEEP_INFO, RESULTS, 5, 2.0, interrupted=False).note.split("\n\n")
    assert note[0] == "**Which learning_rate?**"
    assert note[1].startswith("2 of 5 finished in 2.0 s")
    best, *others = note[2].split("\n")
    assert best == "Best: learning_rate=1e-06: validation 0.400, run run1e-06"
    # 1e-06 is not at the edge: larger ones were tried and failed
    assert others == ["Not tested for significance: predictions are missing, or are of other images."]
    assert note[3] == "Grid: `learning_rate=1e-07,1e-06,1e-05,0.0001,0.001`"
    assert note[4] == "Command: `swath -m learning_rate=1e-7,1e-6`"
    assert note[5] == "Reproduce it: `swath-reproduce --sweep 0123456789ab`"


def test_start_of_the_summary_run_is_that_of_the_command() -> None:
    manifest = Manifest("ad-hoc", "0123456789ab", "swath -m", {}, 1, [], [])
    configs = [entry.config for entry in RESULTS]
    started = replace(SWEEP_INFO, start_ms=1_767_323_045_678, question="Which rate?")
    found = sweep_description(started, configs, manifest)
    assert found.start_ms == 1_767_323_045_678
    assert found.tags["swath.question"] == "Which rate?"
    assert found.note.startswith("**Which rate?**")
    unasked = sweep_description(SWEEP_INFO, configs, manifest)
    assert unasked.start_ms is None
    assert "swath.question" not in unasked.tags


@pytest.mark.parametrize(("most", "asked_for"), [(6, "6"), (None, None)])
def test_record_of_another_sweeper_says_what_it_chooses_from(most: int | None, asked_for: str | None) -> None:
    manifest = Manifest("ad-hoc", "0123456789ab", "swath -m", {}, 1, [], [])
    lines = ("learning_rate=tag(log,interval(1e-7,1e-3))",)
    chosen = replace(SWEEP_INFO, space_lines=lines, most=most, sweeper="OptunaSweeper")
    start = sweep_description(chosen, [RESULTS[0].config], manifest)
    assert start.tags["swath.space"] == '["learning_rate=tag(log,interval(1e-7,1e-3))"]'
    assert start.tags["swath.grid"] == ""
    assert start.tags.get("swath.asked_for") == asked_for
    end = sweep_summary(replace(chosen, swept=()), RESULTS, 5, 2.0, interrupted=False)
    assert end.tags["swath.swept"] == "learning_rate", "it may choose without saying what"
    for note in (start.note, end.note):
        assert "Space: `learning_rate=tag(log,interval(1e-7,1e-3))`" in note
        assert "Chosen during the sweep by Hydra's sweeper `OptunaSweeper`." in note
        assert "Grid:" not in note


def test_experiment_description_begins_with_the_latest_sweep() -> None:
    first, *others = sweep_summary(SWEEP_INFO, RESULTS, 5, 2.0, interrupted=False).experiment_note.split(
        "\n\n"
    )
    assert first.startswith("Sweeps made by swath. The latest, `ad-hoc`: 2 of 5 finished in 2.0 s")
    assert " steps/s. Best: learning_rate=1e-06: validation 0.400, run run1e-06 Not tested" in first
    assert "\n" not in first, "MLflow shows the first line only"
    assert others[0] == "**Which learning_rate?**"
    assert others[-1] == "Reproduce it: `swath-reproduce --sweep 0123456789ab`"


def test_best_run_with_several_seeds_belongs_to_the_best_mean() -> None:
    accuracies = {(1e-7, 0): 0.9, (1e-7, 1): 0.1, (1e-6, 0): 0.6, (1e-6, 1): 0.7}
    results = [
        result(rate, "FINISHED", seed, validation_accuracy=value)
        for (rate, seed), value in accuracies.items()
    ]
    sweep_info = replace(SWEEP_INFO, swept=("learning_rate", "seed"))
    end = sweep_summary(sweep_info, results, 4, 1.0, interrupted=False)
    assert "Best: learning_rate=1e-06: validation 0.650 ± 0.071 (2 seeds), run run1e-06" in end.note
    assert end.tags["swath.best_run_id"] == "run1e-06/1"
    assert [line.split(",")[1] for line in end.ranking_csv.splitlines()[1:]] == [
        "run1e-06/1",
        "run1e-06/0",
        "run1e-07/0",
        "run1e-07/1",
    ]


def test_search_has_its_best_value_and_its_steps_by_trial() -> None:
    search = replace(SWEEP_INFO, objective="validation/accuracy")
    first, second = RESULTS[:2]
    trials = [
        replace(second, trial=2, steps=40),
        replace(first, trial=0),
        replace(RESULTS[3], trial=1, steps=3),
        replace(second, trial=None, stage="confirm"),
    ]
    by_trial = sweep_summary(search, trials, 4, 1.0, interrupted=False).by_trial
    assert by_trial is not None
    assert {name: values.tolist() for name, values in by_trial.values.items()} == {
        "search/best": [0.2, 0.2, 0.4],
        "search/steps": [10.0, 13.0, 53.0],
    }
    assert (by_trial.first_step, by_trial.every) == (0, 1)
    assert sweep_summary(search, trials, 4, 1.0, interrupted=True).by_trial is None, "trials may go on"
    assert sweep_summary(SWEEP_INFO, RESULTS, 5, 1.0, interrupted=False).by_trial is None


def test_search_by_loss_is_ranked_by_loss() -> None:
    search = replace(SWEEP_INFO, objective="validation/loss")
    trials = [
        replace(result(1e-7, "FINISHED", validation_accuracy=0.9, validation_loss=2.0), trial=0),
        replace(result(1e-6, "FINISHED", validation_accuracy=0.8, validation_loss=1.0), trial=1),
    ]
    end = sweep_summary(search, trials, 2, 1.0, interrupted=False)
    assert end.tags["swath.best_run_id"] == "run1e-06/0"
    assert end.by_trial is not None
    assert end.by_trial.values["search/best"].tolist() == [2.0, 1.0]
