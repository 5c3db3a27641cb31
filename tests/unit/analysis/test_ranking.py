"""The ranking of runs."""

import math

from swath.analysis import configuration_of, objective, rank


def test_validation_accuracy_decides_if_there_is_one() -> None:
    runs = [
        {"validation/accuracy": 0.3, "test/accuracy": 0.9},
        {"validation/accuracy": 0.4, "test/accuracy": 0.1},
    ]
    assert rank(runs).metric == "validation/accuracy"
    assert rank(runs).order == (1, 0)


def test_test_accuracy_decides_without_validation_accuracy() -> None:
    assert rank([{"test/accuracy": 0.1}, {"test/accuracy": 0.2}]).metric == "test/accuracy"
    assert rank([{"test/accuracy": 0.1}, {"test/accuracy": 0.2}]).order == (1, 0)


def test_equal_accuracies_are_ordered_by_the_loss_on_the_same_images() -> None:
    runs = [
        {"validation/accuracy": 0.3, "validation/loss": 2.0, "test/loss": 1.0},
        {"validation/accuracy": 0.3, "validation/loss": 1.0, "test/loss": 2.0},
    ]
    assert rank(runs).order == (1, 0)


def test_equal_runs_keep_their_order() -> None:
    assert rank([{"test/accuracy": 0.3, "test/loss": 1.0}] * 3).order == (0, 1, 2)


def test_runs_without_the_metric_or_with_nan_come_last() -> None:
    runs = [{}, {"validation/accuracy": math.nan}, {"validation/accuracy": 0.1}]
    assert rank(runs).order == (2, 0, 1)


def test_mean_over_the_runs_of_a_configuration_ranks_before_the_single_run() -> None:
    runs = [{"test/accuracy": value} for value in (0.9, 0.6, 0.1, 0.7)]
    assert rank(runs).order == (0, 3, 1, 2)
    assert rank(runs, configurations=["a", "b", "a", "b"]).order == (3, 1, 0, 2)


def test_mean_of_a_configuration_ignores_nan() -> None:
    runs = [{"test/accuracy": 0.5}, {"test/accuracy": math.nan}, {}, {"test/accuracy": 0.4}]
    assert rank(runs, configurations=["a", "a", "a", "b"]).order == (0, 1, 2, 3)


def test_infinite_loss_ranks_after_finite_ones_and_before_missing_ones() -> None:
    runs = [{"test/loss": math.inf}, {}, {"test/loss": 9.0}, {"test/loss": 0.5}]
    assert rank(runs, "test/loss").order == (3, 2, 0, 1)
    repeated = [{"test/loss": value} for value in (0.5, math.inf, 0.6, 0.6)]
    assert rank(repeated, "test/loss", ["a", "a", "b", "b"]).order == (2, 3, 0, 1)


def test_losses_and_times_rank_ascending_and_other_metrics_descending() -> None:
    runs = [{"test/loss": 2.0, "runtime/train_s": 1.0}, {"test/loss": 1.0, "runtime/train_s": 2.0}]
    assert rank(runs, "test/loss").order == (1, 0)
    assert rank(runs, "runtime/train_s").order == (0, 1)
    assert rank(runs, "other").order == (0, 1)


def test_configuration_is_every_field_except_the_seed() -> None:
    assert configuration_of({"a": 1, "seed": 0}) == configuration_of({"seed": 7, "a": "1"})
    assert configuration_of({"a": 1, "seed": 0}) != configuration_of({"a": 2, "seed": 0})


def test_objective_is_the_ranking_metric() -> None:
    assert objective({"validation/accuracy": 0.3, "test/accuracy": 0.4}) == 0.3
    assert objective({"test/accuracy": 0.4}) == 0.4
    assert math.isnan(objective({}))
