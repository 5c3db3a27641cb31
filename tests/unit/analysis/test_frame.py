"""Data frames of runs, and their text formats."""

import json
import math
from dataclasses import replace

import pandas as pd

from swath.analysis import frame_of, one_line
from swath.cli.formats import as_csv, as_json, as_markdown
from swath.cli.tables import TableData
from swath.tracking import StoredRun

PARAMS = {"batch_size": "100", "learning_rate": "1e-06", "max_steps": "10", "data.name": "digits"}


def run(number: int, rate: str, accuracy: float | None, name: str = "a run") -> StoredRun:
    metrics = {"test/accuracy": 0.5} | ({} if accuracy is None else {"validation/accuracy": accuracy})
    params = PARAMS | {"learning_rate": rate}
    tags = {"swath.kind": "run", "swath.sweep": 'it\'s "one"', "swath.sweep_id": "abc"}
    return StoredRun(f"{number:032x}", "1", name, "FINISHED", 1_000 * number, None, "", params, metrics, tags)


WITH_LOSS = replace(run(2, "0.001", None), metrics={"test/accuracy": 0.5, "test/loss": 2.0})
FRAME = frame_of([run(1, "1e-06", 0.25), WITH_LOSS, run(3, "1e-05", math.inf)])


def test_columns_of_a_frame_have_the_types_of_the_fields() -> None:
    assert FRAME["batch_size"].dtype == "int64"
    assert FRAME["learning_rate"].tolist() == [1e-06, 0.001, 1e-05]
    assert FRAME["data.name"].tolist() == ["digits"] * 3
    assert math.isnan(FRAME["validation/accuracy"][1])
    assert str(FRAME["started"].dtype).startswith("datetime64")


def test_integer_column_with_missing_values_stays_integer() -> None:
    with_seed, without = run(1, "1e-06", 0.5), run(2, "1e-06", 0.5)
    frame = frame_of([replace(with_seed, params={**PARAMS, "seed": "9007199254740993"}), without])
    assert frame["seed"].dtype == "Int64"
    assert as_csv(frame).splitlines()[1].split(",")[10] == "9007199254740993"
    assert json.loads(as_json(frame))[1]["seed"] is None
    empty = frame_of([])[["run_id", "started"]]
    assert [str(kind) for kind in empty.dtypes] == ["object", "datetime64[ms, UTC]"]


def test_metric_with_the_name_of_a_column_gets_a_prefix() -> None:
    odd = replace(run(1, "1e-06", 0.5), metrics={"rank": 7.0, "batch_size": 3.0})
    frame = frame_of([odd])
    assert (frame["metrics.rank"][0], frame["metrics.batch_size"][0], frame["batch_size"][0]) == (7, 3, 100)


def test_json_has_null_for_missing_and_non_finite_values() -> None:
    first, second, third = json.loads(as_json(FRAME))
    assert first["validation/accuracy"] == 0.25
    assert second["validation/accuracy"] is None
    assert third["validation/accuracy"] is None
    assert first["run_id"] == f"{1:032x}"
    assert first["started"] == "1970-01-01T00:00:01+00:00"


def test_csv_round_trips() -> None:
    import io

    back = pd.read_csv(io.StringIO(as_csv(FRAME)))
    assert back["learning_rate"].tolist() == FRAME["learning_rate"].tolist()
    assert back["sweep"].tolist() == FRAME["sweep"].tolist()


def test_markdown_escapes_bars_and_line_breaks() -> None:
    text = as_markdown(TableData(["run", "a"], [["x|y", "1\n2"]]), "A\ncaption")
    assert text.splitlines() == ["A caption", "", "| run | a |", "|---|---:|", "| x\\|y | 1 2 |"]


def test_one_line_removes_line_breaks_and_control_characters() -> None:
    assert one_line("a\nb\x1b[31m") == "a b [31m"
