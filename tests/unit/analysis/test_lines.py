"""Lines for people: about unknown names, and configurations without the names of fields."""

import pytest

from swath.analysis import fitting_names, metric_of, unknown_name, values_alone
from swath.errors import UsageError
from swath.tracking import StoredRun

NAMES = [f"name_{number}" for number in range(50)]


@pytest.mark.parametrize("room", range(10, 120))
def test_names_that_do_not_fit_are_left_out(room: int) -> None:
    line = fitting_names("one of ", NAMES, room)
    assert len(line) <= room
    if line:
        assert line.startswith("one of name_0") and line.endswith(", ...")


def test_names_that_fit_are_all_listed() -> None:
    assert fitting_names("one of ", ["a", "b"], 11) == "one of a, b"
    assert fitting_names("one of ", [], 11) == "one of "


def test_line_names_the_nearest_or_those_that_fit() -> None:
    assert unknown_name("--x lr: no", "lr", ["seed", "learning_rate"]) == (
        "--x lr: no; did you mean learning_rate?"
    )
    line = unknown_name("--x zz: no", "zz", NAMES)
    assert line.startswith("--x zz: no; expected one of name_0, name_1, ")
    assert len(f"swath-compare: {line}") <= 100


@pytest.mark.parametrize("metric", ["qq", "lr", "x" * 50])
def test_line_about_an_unknown_metric_is_short_however_many_there_are(metric: str) -> None:
    run = StoredRun("a", "1", "", "FINISHED", 0, None, "", {}, {f"system/{name}": 1.0 for name in NAMES})
    with pytest.raises(UsageError) as found:
        metric_of([run], metric)
    assert str(found.value).startswith(f"--metric {metric}: no run has it")
    assert len(f"swath-compare: {found.value}") <= 100


def test_values_stand_alone_without_the_names_of_their_fields() -> None:
    assert values_alone("batch_size=100 data.name=digits learning_rate=1e-06") == "100 digits 1e-06"
    assert values_alone("seed=1 (mean over 3 seeds)") == "1 (mean over 3 seeds)"
    assert values_alone("a run a=b") == "a run b"
    assert values_alone("") == ""
