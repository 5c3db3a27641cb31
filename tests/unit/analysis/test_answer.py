"""The answer of a sweep: the best configuration, how sure that is, and which values to try next."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from swath.analysis import answer_lines, answer_of, rank_sweep
from swath.analysis.answer import LINE_LENGTH, Answer, edges_of
from swath.analysis.significance import CorrectMask, wilson_interval
from swath.tracking import StoredRun

METRIC = "validation/accuracy"
IMAGES = 1_000
AT_EDGE = "At the edge of the grid, so better values may lie beyond:"


def run(number: int, metrics: dict[str, float], **params: object) -> StoredRun:
    """A finished run, whose id begins with its number; `data__name` stands for `data.name`."""
    values = {"data.name": "digits", "data.validation_size": str(IMAGES)}
    values |= {name.replace("__", "."): str(value) for name, value in params.items()}
    run_id = f"{number:08x}" + 24 * "0"
    return StoredRun(run_id, "1", "a name", "FINISHED", number, None, "", values, metrics)


def accurate(number: int, accuracy: float, **params: object) -> StoredRun:
    """A run with validation images; its test accuracy is lower by 0.1."""
    return run(number, {METRIC: accuracy, "test/accuracy": accuracy - 0.1}, **params)


def masks_of(runs: Sequence[StoredRun]) -> dict[str, CorrectMask]:
    """Predictions in which a more accurate run is correct wherever a less accurate one is."""
    images = np.arange(IMAGES)
    return {
        entry.run_id: CorrectMask("the images", images < round(IMAGES * entry.metrics[METRIC]))
        for entry in runs
    }


def answer(
    runs: Sequence[StoredRun],
    swept: Sequence[str] = ("learning_rate",),
    metric: str = METRIC,
    masks: dict[str, CorrectMask] | None = None,
) -> Answer:
    ranked, groups = rank_sweep(runs, metric, masks_of(runs) if masks is None else masks)
    return answer_of(ranked, groups, runs, swept, metric)


def test_best_line_has_the_swept_fields_the_accuracies_with_an_interval_and_the_run() -> None:
    runs = [
        accurate(1, 0.3, learning_rate="1e-07"),
        accurate(2, 0.4, learning_rate="1e-06"),
    ]
    low, high = wilson_interval(0.4, IMAGES)
    assert answer_lines(answer(runs))[0] == (
        f"Best: learning_rate=1e-06: validation 0.400 ({low:.3f} to {high:.3f}), test 0.300, run 00000002"
    )


def test_best_line_of_runs_without_validation_images_has_only_the_test_accuracy() -> None:
    runs = [run(1, {"test/accuracy": 0.3}, learning_rate="1e-07")]
    low, high = wilson_interval(0.3, 300)  # digits has 300 test images
    assert answer_lines(answer(runs, metric="test/accuracy", masks={})) == [
        f"Best: learning_rate=1e-07: test 0.300 ({low:.3f} to {high:.3f}), run 00000001"
    ]


def test_best_line_by_a_loss_has_no_interval_and_both_accuracies() -> None:
    runs = [
        run(1, {METRIC: 0.5, "test/accuracy": 0.25, "test/loss": loss}, learning_rate=rate)
        for loss, rate in ((2.5, "1e-07"),)
    ]
    assert answer_lines(answer(runs, metric="test/loss", masks={})) == [
        "Best: learning_rate=1e-07: test/loss 2.500, validation 0.500, test 0.250, run 00000001"
    ]


def test_large_value_is_shortened() -> None:
    lines = answer_lines(answer([run(1, {"test/loss": 123456789.0})], metric="test/loss", masks={}))
    assert lines == ["Best: a name: test/loss 1.23e+08, run 00000001"]


@pytest.mark.parametrize(
    ("metrics", "text"), [({}, "validation none"), ({METRIC: math.nan}, "validation nan")]
)
def test_best_without_the_metric_is_named_without_a_value(metrics: dict[str, float], text: str) -> None:
    assert answer_lines(answer([run(1, metrics, learning_rate="1e-07")], masks={})) == [
        f"Best: learning_rate=1e-07: {text}, run 00000001"
    ]


def test_run_with_a_metric_is_better_than_runs_without_it() -> None:
    runs = [
        run(1, {}, learning_rate="1e-08"),
        run(2, {METRIC: math.nan}, learning_rate="1e-07"),
        run(3, {METRIC: 0.1}, learning_rate="1e-06"),
    ]
    assert answer_lines(answer(runs, masks={}))[0].startswith("Best: learning_rate=1e-06: validation 0.100 (")


def test_configuration_without_swept_fields_is_named_like_its_run() -> None:
    assert answer_lines(answer([accurate(1, 0.5)], swept=()))[0].startswith(
        "Best: a name: validation 0.500 ("
    )


def test_long_best_line_is_broken_in_two() -> None:
    fields = {"batch_size": 100, "learning_rate": "1e-06", "max_steps": 1500, "preprocessing": "mean_image"}
    name, values, *_ = answer_lines(answer([accurate(1, 0.4, **fields)], swept=tuple(fields)))
    assert name == "Best: batch_size=100 learning_rate=1e-06 max_steps=1500 preprocessing=mean_image"
    assert values.startswith("      validation 0.400 (")
    assert values.endswith("), test 0.300, run 00000001")
    assert len(f"{name}: {values.strip()}") > LINE_LENGTH


def test_name_of_the_best_that_is_too_long_for_a_line_is_broken_between_its_fields() -> None:
    fields = dict.fromkeys(("batch_size", "learning_rate", "max_steps", "evaluate_every_steps"), 1)
    fields |= {"preprocessing": "standardize", "data__validation_size": IMAGES}
    swept = tuple(name.replace("__", ".") for name in fields)
    first, second, values = answer_lines(answer([accurate(1, 0.4, **fields)], swept=swept))
    assert f"{first} {second.strip()}" == (
        "Best: batch_size=1 learning_rate=1 max_steps=1 evaluate_every_steps=1 preprocessing=standardize "
        f"data.validation_size={IMAGES}"
    )
    assert max(map(len, (first, second, values))) <= LINE_LENGTH
    assert second.startswith("      data.validation_size=")
    assert values.startswith("      validation 0.400 (")


def test_best_line_of_several_seeds_has_mean_and_standard_deviation() -> None:
    runs = [
        accurate(number, accuracy, learning_rate=rate, seed=seed)
        for number, (rate, seed, accuracy) in enumerate(
            [("1e-06", 0, 0.4), ("1e-06", 1, 0.5), ("1e-06", 2, 0.6), ("1e-07", 0, 0.1), ("1e-07", 1, 0.2)]
        )
    ]
    found = answer(runs, swept=("learning_rate", "seed"))
    assert found.fields == ("learning_rate",)
    assert (found.others, found.tested) == (1, 1)
    assert answer_lines(found) == [
        "Best: learning_rate=1e-06",
        "      validation 0.500 ± 0.100 (3 seeds), test 0.400 ± 0.100 (3 seeds), run 00000002",
        "It is significantly better than the other configuration (paired test, p < 0.05).",
        f"{AT_EDGE} learning_rate=1e-06 (largest of 2).",
    ]


def test_best_configuration_with_one_seed_has_an_interval() -> None:
    runs = [
        accurate(1, 0.6, learning_rate="1e-06", seed=0),
        accurate(2, 0.1, learning_rate="1e-07", seed=0),
        accurate(3, 0.2, learning_rate="1e-07", seed=1),
    ]
    low, high = wilson_interval(0.6, IMAGES)
    assert answer_lines(answer(runs, swept=("learning_rate", "seed")))[0] == (
        f"Best: learning_rate=1e-06: validation 0.600 ({low:.3f} to {high:.3f}), test 0.500, run 00000001"
    )


def test_ties_with_the_best_are_counted() -> None:
    runs = [
        accurate(number, accuracy, learning_rate=f"1e-0{number}")
        for number, accuracy in enumerate([0.5, 0.499, 0.498, 0.2], start=6)
    ]
    found = answer(runs)
    assert (found.others, found.tested, found.tied) == (3, 3, 2)
    assert answer_lines(found)[1] == (
        "Not significantly different from it (=; paired test, p > 0.05): 2 of 3 other runs."
    )
    only_two = answer(runs[:2])
    assert answer_lines(only_two)[1] == (
        "Not significantly different from it (=; paired test, p > 0.05): the other run."
    )


def test_best_that_is_significantly_better_than_all_others_says_so() -> None:
    runs = [accurate(number, number / 10, learning_rate=f"1e-0{number}") for number in (3, 5, 7)]
    found = answer(runs)
    assert (found.others, found.tested, found.tied) == (2, 2, 0)
    assert answer_lines(found)[1] == (
        "It is significantly better than the 2 other runs (paired test, p < 0.05)."
    )


def test_runs_without_predictions_are_counted_as_not_tested() -> None:
    runs = [accurate(number, number / 10, learning_rate=f"1e-0{number}") for number in (3, 5, 7)]
    without_one = {run_id: mask for run_id, mask in masks_of(runs).items() if run_id != runs[0].run_id}
    found = answer(runs, masks=without_one)
    assert (found.others, found.tested, found.tied) == (2, 1, 0)
    assert answer_lines(found)[1:3] == [
        "It is significantly better than the other run (paired test, p < 0.05).",
        "Not tested (predictions missing, or of other images): 1 run.",
    ]


def test_runs_with_other_images_are_not_tested() -> None:
    runs = [accurate(number, number / 10, learning_rate=f"1e-0{number}") for number in (3, 5, 7)]
    masks = masks_of(runs)
    masks[runs[0].run_id] = CorrectMask("other images", masks[runs[0].run_id].correct)
    assert answer(runs, masks=masks).tested == 1


def test_without_any_predictions_nobody_takes_the_others_for_not_different() -> None:
    runs = [accurate(number, number / 10, learning_rate=f"1e-0{number}") for number in (5, 7)]
    best, untested, edge = answer_lines(answer(runs, masks={}))
    assert untested == "Not tested for significance: predictions are missing, or are of other images."
    assert best.startswith("Best: ") and edge.startswith(AT_EDGE)
    assert len(answer_lines(answer(runs[:1]))) == 1, "there is no other run"


@pytest.mark.parametrize(
    ("values", "best", "edge"),
    [
        (
            ("1e-08", "1e-07", "1e-06"),
            "1e-06",
            "learning_rate=1e-06 (largest of 3)",
        ),
        (
            ("1e-08", "1e-07", "2e-07", "1e-06"),
            "1e-08",
            "learning_rate=1e-08 (smallest of 4)",
        ),
        (("1e-08", "1e-07", "1e-06"), "1e-07", None),
        (("1e-07", "1e-06"), "1e-06", "learning_rate=1e-06 (largest of 2)"),
        (("1e-07", "1e-06", "1e-07"), "1e-07", "learning_rate=1e-07 (smallest of 2)"),
        (("1e-07", "1e-07"), "1e-07", None),
    ],
)
def test_best_value_at_an_edge_of_the_grid_is_reported(
    values: tuple[str, ...], best: str, edge: str | None
) -> None:
    runs = [
        accurate(number, 0.5 if value == best else 0.2, learning_rate=value)
        for number, value in enumerate(values)
    ]
    found = [text for text in answer_lines(answer(runs)) if not text.startswith(("Best", "It is", "Not"))]
    assert found == ([] if edge is None else [f"{AT_EDGE} {edge}."])


def test_edges_that_are_too_long_for_a_line_have_a_line_each() -> None:
    fields = ("batch_size", "learning_rate", "max_steps")
    runs = [
        accurate(number, 0.1 * number, batch_size=10 * number, learning_rate=f"{number}e-7", max_steps=number)
        for number in (1, 2)
    ]
    lines = answer_lines(answer(runs, swept=fields))
    assert lines[lines.index(AT_EDGE) + 1 :] == [
        "      batch_size=20 (largest of 2)",
        "      learning_rate=2e-7 (largest of 2)",
        "      max_steps=2 (largest of 2)",
    ]
    assert len(" ".join([AT_EDGE, *lines[-3:]])) > LINE_LENGTH


def test_each_swept_number_has_its_own_edge() -> None:
    runs = [
        accurate(number, 0.1 + number / 100, learning_rate=rate, max_steps=steps)
        for number, (rate, steps) in enumerate(
            (rate, steps) for rate in ("1e-06", "1e-07", "1e-08") for steps in (9, 10, 100)
        )
    ]
    edges = edges_of(runs, runs[-1], ("learning_rate", "max_steps", "batch_size"))
    assert [(edge.field, edge.value, edge.is_largest, edge.count) for edge in edges] == [
        ("learning_rate", "1e-08", False, 3),
        ("max_steps", "100", True, 3),
    ]


def test_words_and_seeds_have_no_edge() -> None:
    runs = [
        accurate(number, 0.1 + number / 10, preprocessing=word, seed=number, learning_rate=number)
        for number, word in enumerate(("mean_image", "none", "standardize"))
    ]
    found = answer(runs, swept=("preprocessing", "seed"))
    assert found.fields == ("preprocessing",)
    assert found.edges == ()


def test_value_is_not_at_the_edge_if_a_run_beyond_it_failed() -> None:
    runs = [accurate(number, number / 10, learning_rate=rate) for number, rate in enumerate((1e-7, 1e-6))]
    beyond = replace(accurate(9, 0.1, learning_rate=1e-5), status="FAILED")
    ranked, groups = rank_sweep(runs, METRIC, masks_of(runs))
    assert answer_of(ranked, groups, runs, ("learning_rate",), METRIC).edges
    assert not answer_of(ranked, groups, [*runs, beyond], ("learning_rate",), METRIC).edges


def test_value_that_is_not_a_number_means_no_edge() -> None:
    runs = [accurate(number, 0.1, learning_rate=text) for number, text in enumerate(("1e-6", "1e-7", "odd"))]
    assert edges_of(runs, runs[0], ("learning_rate",)) == []


def test_no_line_of_an_answer_is_longer_than_a_hundred_characters() -> None:
    generator = np.random.default_rng(0)
    runs = [
        accurate(
            number,
            round(float(generator.random()), 4),
            batch_size=size,
            learning_rate=f"{rate}e-06",
            max_steps=steps,
            preprocessing="mean_image",
            seed=seed,
        )
        for number, (size, rate, steps, seed) in enumerate(
            (size, rate, steps, seed)
            for size in (100, 1000, 10000)
            for rate in (1.2345, 2.3456, 9.8765)
            for steps in (100000, 1000000, 10000000)
            for seed in range(3)
        )
    ]
    swept = ("batch_size", "learning_rate", "max_steps", "preprocessing", "seed")
    for masks in (masks_of(runs), dict(list(masks_of(runs).items())[::2]), {}):
        lines = answer_lines(answer(runs, swept, masks=masks))
        assert len(lines) >= 2
        assert [line for line in lines if len(line) > LINE_LENGTH] == []


TUNED = ("batch_size", "learning_rate", "max_steps")
NOT_TUNED = ("evaluate_every_steps", "data.validation_size", "seed", "a_field_of_later")


def test_only_tuned_fields_are_at_the_edge_of_a_grid() -> None:
    fields = (*TUNED, *NOT_TUNED)
    runs = [
        accurate(number, number / 10, **{name.replace(".", "__"): number for name in fields})
        for number in (1, 2, 3)
    ]
    assert {edge.field for edge in edges_of(runs, runs[-1], fields)} == {*TUNED}


SIX = {
    "batch_size": 100,
    "learning_rate": 1.234567e-7,
    "max_steps": 100000,
    "evaluate_every_steps": 1000,
    "preprocessing": "standardize",
    "data__name": "cifar10",
}


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("metric", [METRIC, "train/loss", "runtime/train_s"])
@pytest.mark.parametrize("fields", range(7))
def test_no_line_of_an_answer_is_long(fields: int, metric: str, seeds: int) -> None:
    chosen = dict(list(SIX.items())[:fields])
    values = {METRIC: 0.4, "test/accuracy": 0.3, "train/loss": 123456.789, "runtime/train_s": 1e-9}
    runs = [
        run(seed, values, **{**SIX, "data__name": "digits", **chosen}, seed=seed) for seed in range(seeds)
    ]
    swept = [name.replace("__", ".") for name in chosen]
    lines = answer_lines(answer(runs, swept, metric))
    assert lines[0].startswith("Best: ")
    assert [line for line in lines if len(line) > LINE_LENGTH] == []
    words = " ".join(" ".join(lines).split())
    assert all(f"{name.replace('__', '.')}={value}" in words for name, value in chosen.items())
    assert "run 00000000" in words


def test_metric_without_tests_has_no_line_about_them() -> None:
    runs = [run(number, {"test/loss": number}, learning_rate=number) for number in (1, 2)]
    assert not any("significan" in line for line in answer_lines(answer(runs, metric="test/loss", masks={})))
