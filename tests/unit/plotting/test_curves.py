"""Curves over steps, checked on the data of Matplotlib's lines against plain loops."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from swath.plotting.curves import (
    MARGIN,
    MOST_POINTS,
    NAMED,
    Line,
    draw_curves,
    smoothed_curve,
    smoothed_line,
    window_of,
)
from swath.tracking import Curve

Drawn = tuple[NDArray[np.float64], NDArray[np.float64]]


def curve(steps: Sequence[int], values: Sequence[float], metric: str = "train/accuracy") -> Curve:
    return Curve("a", metric, np.array(steps, np.int64), np.array(values, np.float64))


def noisy(steps: int, seed: int = 0, every: int = 1) -> Curve:
    """A rising accuracy with the noise of single batches, stored at every `every`-th step and the last."""
    values = np.linspace(0.1, 0.4, steps) + np.random.default_rng(seed).normal(0, 0.1, steps)
    stored = sorted({*range(0, steps, every), steps - 1})
    return curve(stored, values[stored])


def prefix(whole: Curve, steps: int) -> Curve:
    """The same training, stopped after fewer steps."""
    return curve(whole.steps[:steps].tolist(), whole.values[:steps].tolist())


def moving_mean(steps: Sequence[int], values: Sequence[float], step: int, window: int) -> float:
    """The mean of the finite values of the last `window` steps up to a step, value by value."""
    held = [
        value
        for at, value in zip(steps, values, strict=True)
        if step - window < at <= step and math.isfinite(value)
    ]
    return sum(held) / len(held) if held else math.nan


def axes_of(figure: Figure) -> Axes:
    (axes,) = figure.axes
    return axes


def drawn(figure: Figure, name: str) -> Drawn:
    """Steps and values of the line with a name."""
    (line,) = [line for line in axes_of(figure).lines if line.get_label() == name]
    return np.asarray(line.get_xdata(), np.float64), np.asarray(line.get_ydata(), np.float64)


def legend_of(figure: Figure) -> list[str]:
    legend = axes_of(figure).get_legend()
    assert legend is not None
    return [text.get_text() for text in legend.get_texts()]


@pytest.mark.parametrize("window", [1, 5, 20])
@pytest.mark.parametrize("every", [1, 3])
def test_smoothed_curve_is_the_mean_of_the_last_steps(window: int, every: int) -> None:
    found = noisy(100, every=every)
    steps, means = smoothed_curve(found, window)
    expected = [moving_mean(found.steps.tolist(), found.values.tolist(), step, window) for step in steps]
    assert steps[-1] == 99
    assert set(steps) <= set(found.steps)
    np.testing.assert_allclose(means, expected, rtol=1e-12)


def test_first_points_are_means_of_the_steps_so_far() -> None:
    steps, means = smoothed_curve(curve(range(6), [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]), 4)
    assert steps.tolist() == list(range(6))
    assert means.tolist() == [1.0, 0.5, pytest.approx(2 / 3), 0.5, 0.5, 0.5]


def test_values_that_are_not_finite_are_left_out() -> None:
    values = [0.5, math.nan, 0.25, math.inf, -math.inf, 0.75]
    steps, means = smoothed_curve(curve(range(6), values), 2)
    assert steps.tolist() == list(range(6))
    assert means.tolist()[:3] == [0.5, 0.5, 0.25]
    assert math.isnan(means[4]), "the mean of no value"
    assert (means[3], means[5]) == (0.25, 0.75)


def test_last_value_of_a_repeated_step_counts() -> None:
    steps, means = smoothed_curve(curve([0, 1, 1, 2, 2], [0.0, 9.0, 0.2, 9.0, 0.4]), 1)
    assert (steps.tolist(), means.tolist()) == ([0, 1, 2], [0.0, pytest.approx(0.2), pytest.approx(0.4)])


def test_long_curve_has_evenly_spaced_points_and_the_last_step() -> None:
    steps, _ = smoothed_curve(noisy(20_001), 1_000)
    assert len(steps) <= MOST_POINTS + 1
    assert set(np.diff(steps)) == {50}
    assert steps[-1] == 20_000
    shorter, _ = smoothed_curve(noisy(10_033), 1_000)
    assert shorter[-1] == 10_032
    assert set(shorter[:-1]) <= set(steps), "the same places, whatever the length"


@pytest.mark.parametrize(
    "every",
    [
        1,
        25,
        100,
        *(every for every in (33, 499)),
    ],
)
def test_no_stored_step_is_left_out_of_a_short_line(every: int) -> None:
    found = noisy(10_000, every=every)
    steps, _ = smoothed_curve(found, window_of([Line("a", [found])]))
    assert len(steps) >= min(len(found.steps), MOST_POINTS // 2)


def test_window_is_a_twentieth_of_the_longest_curve() -> None:
    assert window_of([Line("a", [noisy(250)]), Line("b", [noisy(100), noisy(500)])]) == 25
    assert window_of([Line("a", [noisy(500, every=7)])]) == 25
    assert window_of([Line("a", [noisy(3)])]) == 1


@pytest.mark.parametrize("best", ["whole", "half"])
def test_runs_that_are_equal_for_some_steps_have_the_same_line_there(best: str) -> None:
    whole = noisy(500)
    lines = [Line("whole", [whole]), Line("half", [prefix(whole, 250)])]
    figure = draw_curves(lines if best == "whole" else lines[::-1], 2)
    places = {"whole": 1, "half": 2} if best == "whole" else {"half": 1, "whole": 2}
    (long, long_means), (short, short_means) = (
        drawn(figure, f"{places[name]}. {name}") for name in ("whole", "half")
    )
    assert (long[-1], short[-1]) == (499, 249)
    common = np.isin(long, short)
    assert common.sum() == len(short) == 250
    np.testing.assert_array_equal(long_means[common], short_means)
    assert axes_of(figure).get_ylabel() == "train accuracy, mean of 25 steps"


def test_equal_runs_that_are_thinned_have_the_same_line() -> None:
    whole = noisy(20_000)
    figure = draw_curves([Line("whole", [whole]), Line("part", [prefix(whole, 7_777)])], 2)
    (long, long_means), (short, short_means) = drawn(figure, "1. whole"), drawn(figure, "2. part")
    (same,) = np.nonzero(np.isin(short, long))
    assert len(same) >= len(short) - 1, "only its last step is between two points of the other"
    np.testing.assert_array_equal(short_means[same], long_means[np.isin(long, short)])


def test_line_of_several_seeds_is_their_mean_with_a_band_of_one_standard_deviation() -> None:
    seeds = [noisy(60, seed) for seed in range(4)]
    figure = draw_curves([Line("rate=1", seeds)], 1)
    window = 3
    assert axes_of(figure).get_ylabel() == (
        f"train accuracy, mean of {window} steps,\nmean ± s.d. over 4 seeds"
    )
    means = np.array(
        [[moving_mean(range(60), each.values.tolist(), step, window) for step in range(60)] for each in seeds]
    )
    steps, values = drawn(figure, "1. rate=1")
    assert steps.tolist() == list(range(60))
    np.testing.assert_allclose(values, np.mean(means, axis=0), rtol=1e-12)
    (band,) = [found for found in axes_of(figure).collections if isinstance(found, PolyCollection)]
    corners = band.get_paths()[0].vertices
    expected = np.std(means, axis=0, ddof=1)
    for step in range(60):
        heights = corners[corners[:, 0] == step, 1]
        assert heights.min() == pytest.approx(values[step] - expected[step])
        assert heights.max() == pytest.approx(values[step] + expected[step])


def test_single_seed_has_no_band() -> None:
    figure = draw_curves([Line("rate=1", [noisy(60)])], 1)
    assert len(axes_of(figure).collections) == 0
    _, _, deviations = smoothed_line(Line("a", [noisy(60)]), 3)
    assert deviations.tolist() == [0.0] * 60


def test_seeds_are_averaged_at_the_steps_that_all_have() -> None:
    line = Line("a", [curve([0, 1, 2], [0.0, 0.2, 0.4]), curve([0, 2], [1.0, 0.6])])
    steps, means, deviations = smoothed_line(line, 1)
    assert steps.tolist() == [0, 2]
    assert means.tolist() == [pytest.approx(0.5)] * 2
    assert deviations.tolist() == [pytest.approx(math.sqrt(0.5)), pytest.approx(math.sqrt(0.02))]
    repeated = Line("a", [curve([0, 1, 1], [0.0, 0.9, 0.2]), curve([0, 1], [1.0, 0.6])])
    steps, means, _ = smoothed_line(repeated, 1)
    assert (steps.tolist(), means.tolist()) == ([0, 1], [0.5, pytest.approx(0.4)])


def test_vertical_axis_shows_the_means_and_not_the_noise() -> None:
    values = [0.5 + (0.4 if step % 2 else -0.4) + step / 4000 for step in range(400)]
    figure = draw_curves([Line("a", [curve(range(400), values)])], 1)
    _, means = drawn(figure, "1. a")
    low, high = axes_of(figure).get_ylim()
    pad = MARGIN * (means.max() - means.min())
    assert (low, high) == (pytest.approx(means.min() - pad), pytest.approx(means.max() + pad))
    flat = [Line(f"{place}", [curve(range(400), [0.3 + place / 100] * 400)]) for place in range(2)]
    band = Line("wide", [curve(range(400), [0.3] * 400), curve(range(400), [0.32] * 400)])
    low, high = axes_of(draw_curves([*flat, band], 3)).get_ylim()
    assert (low, high) == (pytest.approx(0.3 - MARGIN / 100), pytest.approx(0.31 + MARGIN / 100))


def test_axis_of_a_loss_that_spans_orders_of_magnitude_is_logarithmic() -> None:
    falling = curve(range(40), [10.0 ** (3 - step / 10) for step in range(40)], "train/loss")
    axes = axes_of(draw_curves([Line("a", [falling])], 1))
    low, high = axes.get_ylim()
    assert axes.get_yscale() == "log"
    assert axes.get_ylabel() == "train loss (nats), mean of 2 steps"
    assert 0 < low < falling.values[-1] < 1_000 < high < 2_000
    linear = curve(range(40), [2.0 - step / 40 for step in range(40)], "train/loss")
    assert axes_of(draw_curves([Line("a", [linear])], 1)).get_yscale() == "linear"


@pytest.mark.filterwarnings("error")
def test_curves_that_are_not_finite_are_drawn_as_gaps() -> None:
    values = [0.1 * step for step in range(5)] + [math.nan] * 5
    lines = [Line("a", [curve(range(10), values)]), Line("b", [curve(range(10), [math.nan] * 10)])]
    figure = draw_curves(lines, 2)
    _, means = drawn(figure, "1. a")
    assert np.isfinite(means).tolist() == [True] * 5 + [False] * 5
    assert np.isnan(drawn(figure, "2. b")[1]).all()
    low, high = axes_of(figure).get_ylim()
    assert (low, high) == (pytest.approx(-0.4 * MARGIN), pytest.approx(0.4 * (1 + MARGIN)))
    assert len(legend_of(draw_curves(lines[1:], 1))) == 1, "nothing is finite"


def test_legend_names_the_best_curves_and_counts_the_others() -> None:
    lines = [Line(f"run{index}", [curve([0, 1], [0.5, 0.5])]) for index in range(7)]
    best = [f"{index + 1}. run{index}" for index in range(NAMED)]
    assert legend_of(draw_curves(lines, 7)) == [*best, "the other 2"]
    assert legend_of(draw_curves(lines, 9)) == [*best, "the others of the best 7 of 9"]
    assert legend_of(draw_curves(lines[:NAMED], NAMED)) == best


def test_named_curves_differ_in_colour_and_dashes_and_lie_above_the_others() -> None:
    lines = [Line(f"run{index}", [curve([0, 1], [0.5, index / 10])]) for index in range(7)]
    drawn_lines = [line for line in axes_of(draw_curves(lines, 7)).lines if len(np.asarray(line.get_xdata()))]
    named = [line for line in drawn_lines if str(line.get_label())[:1].isdecimal()]
    others = [line for line in drawn_lines if line not in named]
    assert (len(named), len(others)) == (NAMED, 2)
    assert len({str(line.get_color()) for line in named}) == NAMED
    assert len({str(line.get_linestyle()) for line in named}) >= 4
    assert {line.get_color() for line in others} == {"0.8"}
    assert max(line.get_zorder() for line in others) < min(line.get_zorder() for line in named)


def test_steps_of_the_axis_are_whole_numbers() -> None:
    axes = axes_of(draw_curves([Line("a", [curve([0, 1, 2], [0.1, 0.2, 0.3])])], 1))
    ticks = axes.xaxis.get_major_locator().tick_values(0, 2)
    assert [float(tick).is_integer() for tick in ticks] == [True] * len(ticks)
    assert axes.get_xlabel() == "step"
