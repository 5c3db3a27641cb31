"""Which field of a sweep is along the axis, which makes lines, and which makes panels."""

from collections.abc import Sequence
from dataclasses import replace

from swath.plotting.layout import Layout, layout_along, layout_of
from swath.tracking import StoredRun


def run(rate: str, batch: str, **metrics: float) -> StoredRun:
    params = {
        "learning_rate": rate,
        "batch_size": batch,
        "data.name": "digits",
        "data.validation_size": "300",
    }
    named = {name.replace("_", "/"): value for name, value in metrics.items()}
    return StoredRun(f"{rate}-{batch}", "1", "", "FINISHED", 0, None, "", params, named)


def varied(**fields: Sequence[str]) -> list[StoredRun]:
    """A grid of runs over some fields."""
    runs = [run("1e-6", "10", validation_accuracy=0.5)]
    for name, values in fields.items():
        runs = [replace(entry, params={**entry.params, name: value}) for entry in runs for value in values]
    return runs


def test_numbers_compete_for_the_axis_and_names_become_lines() -> None:
    fields = {"max_steps": ("5", "9"), "learning_rate": ("1e-6", "1e-7"), "preprocessing": ("none", "x")}
    found = layout_of(tuple(fields), varied(**fields))
    assert found == Layout("learning_rate", "max_steps", "preprocessing")
    assert layout_of(("preprocessing",), varied(preprocessing=("none", "x"))) is None
    assert layout_of(("max_steps", "seed"), varied(max_steps=("5", "9"), seed=("0", "1"))) == Layout(
        "max_steps", None, None
    )


def test_layout_along_the_steps_needs_steps_that_vary() -> None:
    assert layout_along("max_steps", Layout("learning_rate", "max_steps", "batch_size")) == Layout(
        "max_steps", "learning_rate", "batch_size"
    )
    assert layout_along("max_steps", Layout("learning_rate", "batch_size", "max_steps")) == Layout(
        "max_steps", "learning_rate", "batch_size"
    )
    assert layout_along("max_steps", Layout("learning_rate", "batch_size", None)) is None
    assert layout_along("max_steps", Layout("max_steps", None, None)) is None, "it is along the axis already"


def test_random_search_has_one_line_of_means_instead_of_a_line_for_each_run() -> None:
    runs = [run(f"{1e-8 * place}", str(place), validation_accuracy=0.5) for place in range(1, 31)]
    layout = layout_of(("learning_rate", "batch_size"), runs)
    assert layout == Layout("learning_rate", None, None)
