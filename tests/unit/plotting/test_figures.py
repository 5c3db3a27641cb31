"""Figures, checked on Matplotlib's objects."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.patches import Rectangle

from swath.plotting.figures import draw_confusion, draw_curves, mean_curve, smoothed
from swath.plotting.grid_figures import draw_accuracy, draw_heat_map
from swath.plotting.layout import Layout, layout_of
from swath.tracking import Curve, Predictions, StoredRun

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


def curve(steps: list[int], values: list[float]) -> Curve:
    return Curve("a", "train/accuracy", np.array(steps, np.int64), np.array(values, np.float64))


def error_bars(axes: Axes) -> list[ErrorbarContainer]:
    return [found for found in axes.containers if isinstance(found, ErrorbarContainer)]


def test_mean_of_curves_uses_the_steps_that_all_have() -> None:
    found = mean_curve([curve([0, 1, 2], [0.0, 0.2, 0.4]), curve([0, 2], [1.0, 0.6])])
    assert found.steps.tolist() == [0, 2]
    assert found.values.tolist() == [0.5, 0.5]


def test_smoothed_curve_is_the_mean_of_the_values_up_to_a_step() -> None:
    values = [float(step % 2) for step in range(100)]  # a window of five
    steps, means = smoothed(curve(list(range(100)), values))
    assert steps.tolist() == list(range(4, 100))
    assert means[0] == pytest.approx(0.4)
    assert means[1] == pytest.approx(0.6)


def test_smoothed_curve_ignores_nan() -> None:
    steps, means = smoothed(curve([0, 1, 2], [0.5, float("nan"), 0.25]))
    assert steps.tolist() == [0, 2]
    assert means.tolist() == [0.5, 0.25]


def test_legend_names_the_best_curves_and_counts_the_others() -> None:
    curves = [curve([0, 1], [0.5, 0.5])] * 7
    (axes,) = draw_curves(curves, [f"run{index}" for index in range(7)], 7, repeated=False).axes
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        *(f"{index + 1}. run{index}" for index in range(5)),
        "the other 2",
    ]


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


def test_confusion_has_true_classes_in_rows_and_predicted_ones_in_columns() -> None:
    predictions = Predictions(np.array([1, 1, 0], np.uint8), np.array([0, 0, 0], np.uint8))
    axes = draw_confusion(predictions, ("a", "b"), "title").axes[0]
    counts = {text.get_position(): text.get_text() for text in axes.texts}
    assert counts == {(0, 0): "1", (1, 0): "2", (0, 1): "0", (1, 1): "0"}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("predicted class", "true class")


@pytest.mark.parametrize(("classes", "numbers", "labels"), [(10, 100, 10), (11, 0, 11), (100, 0, 25)])
def test_confusion_of_many_classes_has_no_numbers_and_fewer_labels(
    classes: int, numbers: int, labels: int
) -> None:
    every = np.arange(classes, dtype=np.uint8)
    names = tuple(f"class {index}" for index in range(classes))
    axes = draw_confusion(Predictions(every, every), names, "title").axes[0]
    assert len(axes.texts) == numbers
    assert [text.get_text() for text in axes.get_yticklabels()] == list(names[:: classes // labels])


def test_heat_map_of_nan_only_has_no_frame() -> None:
    runs = [run("1e-6", "10", test_loss=float("nan")), run("1e-5", "20", test_loss=float("nan"))]
    assert len(draw_heat_map(runs, LAYOUT, "test/loss").axes[0].patches) == 0


def test_metric_that_is_not_an_evaluation_has_no_error_bars() -> None:
    runs = [run(rate, "10", train_accuracy=0.5) for rate in ("1e-8", "1e-6", "1e-4")]
    assert draw_accuracy(runs, LAYOUT, "train/accuracy").axes[0].get_ylabel() == "train accuracy"


def test_random_search_has_one_line_of_means_instead_of_a_line_for_each_run() -> None:
    runs = [run(f"{1e-8 * place}", str(place), validation_accuracy=0.5) for place in range(1, 31)]
    layout = layout_of(("learning_rate", "batch_size"), runs)
    assert layout == Layout("learning_rate", None, None)


def test_run_without_a_swept_field_is_drawn() -> None:
    whole, lacking = run("1e-6", "10", validation_accuracy=0.5), run("1e-5", "20", validation_accuracy=0.4)
    del lacking.params["batch_size"]
    layout = layout_of(("learning_rate", "batch_size"), [whole, lacking])
    assert layout is not None
    assert len(draw_accuracy([whole, lacking], layout, "validation/accuracy").axes) == 1


def test_repeated_step_of_a_curve_counts_once_in_the_mean() -> None:
    found = mean_curve([curve([0, 1, 1], [0.0, 0.2, 0.2]), curve([0, 1], [1.0, 0.6])])
    assert (found.steps.tolist(), found.values.tolist()) == ([0, 1], [0.5, pytest.approx(0.4)])


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
