"""The texts of a ranking that tables, reports and notebooks share."""

import math

import pytest

from swath.analysis import (
    Configuration,
    RankedConfiguration,
    RankedRun,
    configuration_cells,
    number_text,
    ranking_page,
    run_cells,
)
from swath.tracking import StoredRun

METRIC = "validation/accuracy"


def ranked(place: int, p: float | None = None, seed: int = 0, **metrics: float) -> RankedRun:
    values = {name.replace("_", "/", 1): value for name, value in metrics.items()}
    params = {"learning_rate": "1e-06", "seed": str(seed)}
    run = StoredRun(f"{place:08x}" + 24 * "f", "1", "", "FINISHED", 0, None, "", params, values)
    value = values.get(METRIC, math.nan)
    return RankedRun(place=place, p_vs_best=p, run=run, value=value, interval=(0.12345, 0.5))


def test_metrics_are_rounded_and_missing_ones_are_empty() -> None:
    cells = run_cells(ranked(1, validation_accuracy=0.25, test_loss=math.nan, runtime_train_s=1.5), METRIC)
    assert (cells[METRIC], cells["test/loss"], cells["learning_rate"]) == ("0.2500", "", "1e-06")
    assert (cells["rank"], cells["seconds"], cells["95% interval"]) == ("1", "1.50", "0.123-0.500")
    assert run_cells(ranked(1), METRIC)[METRIC] == ""
    assert run_cells(ranked(1, validation_accuracy=0.25), METRIC, 1)["95% interval"] == "0.1-0.5"


@pytest.mark.parametrize(
    ("place", "p", "mark", "text"),
    [
        *((1, 1.0, "", ""), (2, None, "", ""), (2, 0.0009, "", "<0.001")),
        *((2, 0.001, "", "0.001"), (2, 0.05, "", "0.050"), (2, 0.051, "=", "0.051"), (3, 1.0, "=", "1.000")),
    ],
)
def test_only_a_tested_entry_has_a_p_value_and_only_a_tie_a_mark(
    place: int, p: float | None, mark: str, text: str
) -> None:
    cells = run_cells(ranked(place, p, validation_accuracy=0.5), METRIC)
    assert (cells["tie"], cells["p"]) == (mark, text)


def configuration(*values: float) -> RankedConfiguration:
    runs = [ranked(1, seed=seed, test_loss=value).run for seed, value in enumerate(values)]
    found = Configuration(tuple(runs), {run.params["seed"]: run for run in runs})
    return RankedConfiguration(place=1, p_vs_best=None, configuration=found)


def test_every_metric_of_a_configuration_has_its_mean_and_deviation() -> None:
    cells = configuration_cells(configuration(0.25, 0.75), "test/loss", 2)
    assert (cells["test/loss"], cells["seeds"]) == ("0.5000 ± 0.3536", "2")
    single = configuration_cells(configuration(0.25), "test/loss", 2)
    assert (single["test/loss"], single["seeds"]) == ("0.2500", "1 of 2")


def test_page_has_configurations_where_there_are_several_seeds() -> None:
    columns, rows = ranking_page([], [configuration(0.25, 0.75)], ["learning_rate", "seed"], "test/loss", 9)
    assert columns == ["rank", "test/loss", "learning_rate", METRIC, "test/accuracy", "seeds", "p", "tie"]
    assert rows == [["1", "0.5000 ± 0.3536", "1e-06", "", "", "2", "", ""]]
    runs = [ranked(place, validation_accuracy=0.5) for place in (1, 2, 3)]
    columns, rows = ranking_page(runs, [], ["learning_rate"], METRIC, 2)
    assert columns == ["rank", METRIC, "learning_rate", "95% interval", "test/accuracy", "p", "tie", "run"]
    assert [row[-1] for row in rows] == ["00000001", "00000002"]


def test_missing_number_is_empty() -> None:
    assert (number_text(None), number_text(math.nan), number_text(1.0, 2)) == ("", "", "1.00")
