"""A metric over the grid, checked on Matplotlib's objects."""

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from swath.plotting import value_colours
from swath.plotting.grid_figures import BEST, GUESSING, draw_accuracy, draw_heat_map
from swath.plotting.layout import Layout, layout_of
from swath.tracking import StoredRun

LAYOUT = Layout("learning_rate", "batch_size", None)


def run(rate: str, batch: str, **metrics: float) -> StoredRun:
    params = {
        "learning_rate": rate,
        "batch_size": batch,
        "data.name": "digits",
        "data.validation_size": "300",
    }
    named = {name.replace("_", "/"): value for name, value in metrics.items()}
    return StoredRun(f"{rate}-{batch}", "1", "", "FINISHED", 0, None, "", params, named)


def grid_runs() -> list[StoredRun]:
    """A grid in which the best on the validation images is the worst on the test images."""
    return [
        run(rate, batch, validation_accuracy=accuracy, test_accuracy=1 - accuracy)
        for rate, batch, accuracy in (
            *(("1e-8", "10", 0.2), ("1e-6", "10", 0.6), ("1e-4", "10", 0.4)),
            *(("1e-8", "20", 0.3), ("1e-6", "20", 0.5), ("1e-4", "20", 0.1)),
        )
    ]


def rings(axes: Axes) -> list[tuple[float, float]]:
    """The points that are marked as the best."""
    marked = [
        found for found in axes.collections if isinstance(found, PathCollection) and found.get_label() == BEST
    ]
    return [(float(x), float(y)) for found in marked for x, y in np.asarray(found.get_offsets())]


def guessing(axes: Axes) -> list[float]:
    """The height of the line of guessing."""
    lines = [line for line in axes.lines if line.get_label() == GUESSING]
    return [float(height) for line in lines for height in set(np.asarray(line.get_ydata()))]


def legend_of(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def error_bars(axes: Axes) -> list[ErrorbarContainer]:
    return [found for found in axes.containers if isinstance(found, ErrorbarContainer)]


@pytest.mark.parametrize(("metric", "best"), [("validation/accuracy", (1, 0)), ("test/loss", (0, 1))])
def test_frame_on_the_heat_map_is_around_the_best_cell(metric: str, best: tuple[int, int]) -> None:
    runs = [
        run("1e-6", "10", validation_accuracy=0.1, test_loss=2.0),
        run("1e-5", "10", validation_accuracy=0.4, test_loss=3.0),
        run("1e-6", "20", validation_accuracy=0.3, test_loss=1.0),
    ]
    axes = draw_heat_map(runs, LAYOUT, metric).axes[0]
    (frame,) = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    column, row = frame.get_center()
    assert (column, row) == (pytest.approx(best[0]), pytest.approx(best[1]))
    assert [text.get_text() for text in axes.get_xticklabels()] == ["1e-06", "1e-05"]


@pytest.mark.parametrize("best", ["10", "20"])
def test_frame_is_around_the_first_ranked_of_equal_cells(best: str) -> None:
    losses = {batch: 1.0 if batch == best else 2.0 for batch in ("10", "20")}
    runs = [
        run("1e-6", batch, validation_accuracy=0.9, validation_loss=loss) for batch, loss in losses.items()
    ]
    axes = draw_heat_map(runs, LAYOUT, "validation/accuracy").axes[0]
    (frame,) = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    assert frame.get_center()[1] == pytest.approx(list(losses).index(best))


def test_axis_of_a_diverging_loss_is_logarithmic() -> None:
    runs = [
        run(rate, "10", test_loss=loss) for rate, loss in (("1e-8", 2.0), ("1e-5", 30.0), ("1e-2", 900.0))
    ]
    axes = draw_accuracy(runs, LAYOUT, "test/loss").axes[0]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert axes.get_ylabel() == "test loss (nats)"


def test_error_bars_of_an_accuracy_are_its_interval() -> None:
    runs = [run(rate, "10", validation_accuracy=0.5) for rate in ("1e-8", "1e-6", "1e-4")]
    axes = draw_accuracy(runs, LAYOUT, "validation/accuracy").axes[0]
    assert axes.get_ylabel() == "validation accuracy, 95% interval"
    (bars,) = error_bars(axes)
    low, high = bars.lines[2][0].get_segments()[0][:, 1]
    assert (low, high) == (pytest.approx(0.4437, abs=1e-4), pytest.approx(0.5563, abs=1e-4))


def test_heat_map_of_nan_only_has_no_frame() -> None:
    runs = [run("1e-6", "10", test_loss=float("nan")), run("1e-5", "20", test_loss=float("nan"))]
    assert len(draw_heat_map(runs, LAYOUT, "test/loss").axes[0].patches) == 0


def test_metric_that_is_not_an_evaluation_has_no_error_bars() -> None:
    runs = [run(rate, "10", train_accuracy=0.5) for rate in ("1e-8", "1e-6", "1e-4")]
    assert draw_accuracy(runs, LAYOUT, "train/accuracy").axes[0].get_ylabel() == "train accuracy"


def test_run_without_a_swept_field_is_drawn() -> None:
    whole, lacking = run("1e-6", "10", validation_accuracy=0.5), run("1e-5", "20", validation_accuracy=0.4)
    del lacking.params["batch_size"]
    layout = layout_of(("learning_rate", "batch_size"), [whole, lacking])
    assert layout is not None
    assert len(draw_accuracy([whole, lacking], layout, "validation/accuracy").axes) == 1


def test_bars_over_seeds_are_one_standard_deviation() -> None:
    runs = [
        replace(run(rate, "10", validation_accuracy=value), params={**run(rate, "10").params, "seed": seed})
        for rate in ("1e-8", "1e-6", "1e-4")
        for seed, value in (("0", 0.4), ("1", 0.5), ("2", 0.6))
    ]
    axes = draw_accuracy(runs, LAYOUT, "validation/accuracy").axes[0]
    assert axes.get_ylabel() == "validation accuracy,\nmean and s.d. over seed"
    (bars,) = error_bars(axes)
    low, high = bars.lines[2][0].get_segments()[0][:, 1]
    assert (low, high) == (pytest.approx(0.4), pytest.approx(0.6))


def test_lines_are_shifted_by_at_most_a_hundredth_of_the_axis() -> None:
    runs = [
        run(rate, batch, validation_accuracy=0.5)
        for rate in ("1e-8", "1e-6", "1e-4")
        for batch in ("10", "20")
    ]
    axes = draw_accuracy(runs, LAYOUT, "validation/accuracy").axes[0]
    for bars in error_bars(axes):
        drawn = np.log10(np.asarray(bars.lines[0].get_xdata(), float))
        assert np.abs(drawn - [-8, -6, -4]).max() <= 0.0101 * 4


def test_numbers_on_a_heat_map_contrast_with_their_cells() -> None:
    runs = [run(rate, "10", validation_accuracy=value) for rate, value in (("1e-6", 0.1), ("1e-5", 0.4))]
    colours = {
        text.get_text(): text.get_color()
        for text in draw_heat_map(runs, LAYOUT, "validation/accuracy").axes[0].texts
    }
    assert colours == {".100": "white", ".400": "black"}  # low values are dark


def test_ring_marks_the_best_point_in_each_row() -> None:
    figure = draw_accuracy(grid_runs(), LAYOUT, "validation/accuracy")
    upper, lower = figure.axes
    for axes, height in ((upper, 0.6), (lower, 0.4)):
        ((x, y),) = rings(axes)
        bars = next(found for found in error_bars(axes) if found.get_label() == "10")
        place = int(np.argmin(np.abs(np.log10(np.asarray(bars.lines[0].get_xdata(), float)) + 6)))
        assert (x, y) == (
            pytest.approx(float(np.asarray(bars.lines[0].get_xdata())[place])),
            pytest.approx(height),
        )
        assert math.log10(x) == pytest.approx(-6, abs=0.05)


def test_ring_is_around_the_smallest_loss() -> None:
    runs = [run(rate, "10", test_loss=loss) for rate, loss in (("1e-8", 2.0), ("1e-6", 1.5), ("1e-4", 3.0))]
    ((x, y),) = rings(draw_accuracy(runs, LAYOUT, "test/loss").axes[0])
    assert (x, y) == (pytest.approx(1e-6), 1.5)


def test_ring_of_several_seeds_is_at_the_best_mean() -> None:
    runs = [
        replace(entry, run_id=f"{rate}-{seed}", params={**entry.params, "seed": str(seed)})
        for rate, values in (("1e-8", (0.9, 0.1)), ("1e-6", (0.6, 0.7)), ("1e-4", (0.2, 0.3)))
        for seed, value in enumerate(values)
        for entry in [run(rate, "10", validation_accuracy=value)]
    ]
    ((x, y),) = rings(draw_accuracy(runs, LAYOUT, "validation/accuracy").axes[0])
    assert (x, y) == (pytest.approx(1e-6), pytest.approx(0.65))


def test_only_the_panel_of_the_best_run_has_a_ring() -> None:
    layout = Layout("learning_rate", "batch_size", "max_steps")
    runs = [
        replace(entry, params={**entry.params, "max_steps": steps})
        for steps, change in (("100", 0.0), ("200", 0.1))
        for entry in [
            replace(found, metrics={name: value + change for name, value in found.metrics.items()})
            for found in grid_runs()
        ]
    ]
    figure = draw_accuracy(runs, layout, "validation/accuracy")
    assert [len(rings(axes)) for axes in figure.axes] == [0, 1, 0, 1]
    assert [axes.get_title() for axes in figure.axes] == ["max_steps = 100", "max_steps = 200", "", ""]
    assert [axes.get_xlabel() for axes in figure.axes] == ["", "", "learning_rate", "learning_rate"]


def test_test_accuracy_is_below_the_metric_that_ranks() -> None:
    figure = draw_accuracy(grid_runs(), LAYOUT, "validation/accuracy")
    upper, lower = figure.axes
    assert upper.get_subplotspec().rowspan.start < lower.get_subplotspec().rowspan.start  # type: ignore[union-attr]
    assert upper.get_ylabel() == "validation accuracy, 95% interval"
    assert lower.get_ylabel() == "test accuracy, 95% interval"
    for axes, sign in ((upper, 1), (lower, -1)):
        drawn = {
            str(found.get_label()): np.asarray(found.lines[0].get_ydata()).tolist()
            for found in error_bars(axes)
        }
        expected = {"10": [0.2, 0.6, 0.4], "20": [0.3, 0.5, 0.1]}
        for batch, values in expected.items():
            shown = values if sign > 0 else [1 - value for value in values]
            assert drawn[batch] == [pytest.approx(value) for value in shown]


def test_metric_without_a_test_accuracy_beside_it_has_one_row() -> None:
    assert len(draw_accuracy(grid_runs(), LAYOUT, "test/accuracy").axes) == 1
    without = [replace(entry, metrics={"validation/accuracy": 0.5}) for entry in grid_runs()]
    assert len(draw_accuracy(without, LAYOUT, "validation/accuracy").axes) == 1


def test_guessing_is_one_of_the_classes() -> None:
    figure = draw_accuracy(grid_runs(), LAYOUT, "validation/accuracy")
    assert [guessing(axes) for axes in figure.axes] == [[0.1], [0.1]]  # digits has ten classes
    near_one = [
        replace(entry, metrics={name: 0.9 + value / 100 for name, value in entry.metrics.items()})
        for entry in grid_runs()
    ]
    axes = draw_accuracy(near_one, LAYOUT, "validation/accuracy").axes[0]
    assert guessing(axes) == [], "it would flatten the lines"
    assert axes.get_ylim()[0] > 0.85
    assert "guessing: 0.1" in axes.get_legend_handles_labels()[1]
    losses = [run(rate, "10", test_loss=1.0) for rate in ("1e-8", "1e-6", "1e-4")]
    assert guessing(draw_accuracy(losses, LAYOUT, "test/loss").axes[0]) == []
    unknown = [
        replace(entry, params={**entry.params, "data.name": "of another version"}) for entry in grid_runs()
    ]
    assert guessing(draw_accuracy(unknown, LAYOUT, "validation/accuracy").axes[0]) == []


def test_legend_names_the_values_and_then_the_marks() -> None:
    figure = draw_accuracy(grid_runs(), LAYOUT, "validation/accuracy")
    assert legend_of(figure) == ["10", "20", BEST, GUESSING]
    assert figure.legends[0].get_title().get_text() == "batch_size"
    alone = [entry for entry in grid_runs() if entry.params["batch_size"] == "10"]
    assert legend_of(draw_accuracy(alone, Layout("learning_rate", None, None), "test/accuracy")) == [
        BEST,
        GUESSING,
    ]


def test_lines_of_numbers_have_ordered_colours() -> None:
    runs = [
        run(rate, batch, validation_accuracy=0.5)
        for batch in ("100", "9", "30")
        for rate in ("1e-8", "1e-6", "1e-4")
    ]
    bars = error_bars(draw_accuracy(runs, LAYOUT, "validation/accuracy").axes[0])
    assert [found.get_label() for found in bars] == ["9", "30", "100"]
    colours = [to_hex(found.lines[0].get_color()) for found in bars]
    assert colours == list(value_colours([9, 30, 100]).values())
    assert len({found.lines[0].get_marker() for found in bars}) == 3, "told apart without colours too"


@pytest.mark.filterwarnings("error")
def test_line_without_a_point_in_a_panel_is_in_the_legend_and_makes_no_warning() -> None:
    runs = [
        replace(each, params={**each.params, "max_steps": steps})
        for each, steps in zip(grid_runs(), ("10", "10", "10", "20", "20", "20"), strict=True)
    ]
    only_validated = [replace(each, metrics={"validation/accuracy": 0.3}) for each in runs[:3]]
    figure = draw_accuracy(
        [*only_validated, *runs[3:]],
        Layout("learning_rate", "batch_size", "max_steps"),
        "validation/accuracy",
    )
    figure.draw_without_rendering()
    assert legend_of(figure)[:2] == ["10", "20"]
