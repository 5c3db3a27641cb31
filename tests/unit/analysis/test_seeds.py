"""Configurations with several seeds."""

import math
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from swath.analysis import (
    group_by_configuration,
    have_several_seeds,
    latest,
    ordered_configurations,
    rank_configurations_with_tests,
    rank_with_tests,
    read_correct_masks,
)
from swath.analysis.significance import paired_p
from swath.tracking import StoredRun

METRIC = "validation/accuracy"
LABELS = np.arange(10, dtype=np.uint8)


def run(number: int, rate: str, seed: int, accuracy: float, folder: Path | None = None) -> StoredRun:
    """A run. With a folder it has predictions, of which the first `10 * accuracy` are correct."""
    params = {"learning_rate": rate, "seed": str(seed)}
    artifacts = ""
    if folder is not None:
        place = folder / str(number)
        place.mkdir()
        classes = np.where(np.arange(10) < round(10 * accuracy), LABELS, 99).astype(np.uint8)
        np.savez(place / "predictions.npz", validation=classes, validation_labels=LABELS)
        artifacts = str(place)
    metrics = {METRIC: accuracy}
    return StoredRun(f"{number:032x}", "1", "", "FINISHED", number, None, artifacts, params, metrics)


def test_runs_that_differ_in_their_seed_only_are_one_configuration() -> None:
    found = group_by_configuration([run(0, "a", 0, 0.1), run(1, "b", 0, 0.2), run(2, "a", 1, 0.3)])
    assert [[entry.run_id[-1] for entry in configuration.members] for configuration in found] == [
        ["0", "2"],
        ["1"],
    ]
    assert found[0].spreads[METRIC].mean == pytest.approx(0.2)


def test_repeated_seed_counts_once() -> None:
    (found,) = group_by_configuration([run(0, "a", 0, 0.1), run(1, "a", 1, 0.3), run(2, "a", 1, 0.3)])
    assert len(found.members) == 3
    assert sorted(found.by_seed) == ["0", "1"]
    assert found.spreads[METRIC].mean == pytest.approx(0.2)


def test_latest_run_of_a_repeated_seed_counts_regardless_of_its_rank() -> None:
    old, new = run(0, "a", 0, 0.9), run(1, "a", 0, 0.3)
    others = [run(2, "a", 1, 0.5), run(3, "b", 0, 0.6), run(4, "b", 1, 0.6)]
    assert [entry.run_id for entry in latest([new, old, *others])] == [
        entry.run_id for entry in (new, *others)
    ]
    found = {
        entry.members[0].params["learning_rate"]: entry
        for entry in group_by_configuration([new, old, *others])
    }
    assert found["a"].by_seed["0"] == new
    assert found["a"].spreads[METRIC].mean == pytest.approx(0.4)


def test_latest_prefers_a_finished_run_to_a_later_failed_one() -> None:
    done, later = run(0, "a", 0, 0.9), replace(run(1, "a", 0, 0.9), status="FAILED")
    assert latest([later, done]) == [done]


def test_mean_of_infinite_losses_is_infinite_without_a_warning() -> None:
    runs = [
        replace(run(seed, "a", seed, 0.5), metrics={"test/loss": value})
        for seed, value in ((0, 1.0), (1, math.inf))
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (found,) = group_by_configuration(runs)
    assert found.spreads["test/loss"].mean == math.inf


def test_single_seeds_are_not_aggregated() -> None:
    assert not have_several_seeds([run(0, "a", 0, 0.1), run(1, "b", 1, 0.2), run(2, "b", 1, 0.2)])
    assert have_several_seeds([run(0, "a", 0, 0.1), run(1, "a", 1, 0.2)])


def test_configuration_with_the_best_mean_ranks_before_the_one_with_the_best_run() -> None:
    runs = [run(0, "a", 0, 0.9), run(1, "a", 1, 0.1), run(2, "b", 0, 0.6), run(3, "b", 1, 0.6)]
    best, other = ordered_configurations(runs, METRIC)
    assert (best.members[0].params["learning_rate"], other.members[0].params["learning_rate"]) == ("b", "a")


def test_paired_test_uses_the_seeds_that_both_configurations_have(tmp_path: Path) -> None:
    runs = [
        run(0, "a", 0, 0.9, tmp_path),
        run(1, "a", 1, 0.8, tmp_path),
        run(2, "b", 1, 0.2, tmp_path),
        run(3, "b", 2, 0.1, tmp_path),
        run(4, "c", 5, 0.0, tmp_path),
    ]
    best, second, third = rank_configurations_with_tests(runs, METRIC, read_correct_masks(runs, METRIC))
    assert [best.place, second.place, third.place] == [1, 2, 3]
    right = np.arange(10)
    assert second.p_vs_best == pytest.approx(paired_p(right < 8, right < 2))
    assert second.tied_with_best == (second.p_vs_best > 0.05)
    assert (third.p_vs_best, third.tied_with_best) == (None, False)


def test_paired_test_needs_predictions_on_the_same_images_and_an_accuracy(tmp_path: Path) -> None:
    without = [run(0, "a", 0, 0.9), run(1, "a", 1, 0.8), run(2, "b", 0, 0.2), run(3, "b", 1, 0.1)]
    assert read_correct_masks(without, METRIC) == {}
    assert [entry.p_vs_best for entry in rank_configurations_with_tests(without, METRIC, {})] == [None, None]
    with_them = [run(4, "a", 0, 0.9, tmp_path), run(5, "b", 0, 0.8, tmp_path)]
    assert read_correct_masks(with_them, "runtime/train_s") == {}
    elsewhere = replace(run(6, "b", 0, 0.7, tmp_path), tags={"swath.data_digest": "another"})
    mixed = [with_them[0], elsewhere]
    assert [
        entry.p_vs_best for entry in rank_with_tests(mixed, METRIC, read_correct_masks(mixed, METRIC))
    ] == [1.0, None]


def test_different_labels_mean_different_images(tmp_path: Path) -> None:
    pair = [run(0, "a", 0, 0.9, tmp_path), run(1, "b", 0, 0.8, tmp_path)]
    np.savez(tmp_path / "1" / "predictions.npz", validation=LABELS, validation_labels=LABELS[::-1])
    assert [entry.p_vs_best for entry in rank_with_tests(pair, METRIC, read_correct_masks(pair, METRIC))] == [
        1.0,
        None,
    ]
