"""Conditions on a table of runs."""

import math
import sqlite3
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from swath.analysis import frame_of, matching
from swath.analysis.filter import _matching_rows
from swath.errors import SwathError
from swath.tracking import StoredRun

PARAMS = {"batch_size": "100", "learning_rate": "1e-06", "max_steps": "10", "data.name": "digits"}


def run(number: int, rate: str, accuracy: float | None, name: str = "a run") -> StoredRun:
    metrics = {"test/accuracy": 0.5} | ({} if accuracy is None else {"validation/accuracy": accuracy})
    params = PARAMS | {"learning_rate": rate}
    tags = {"swath.kind": "run", "swath.sweep": 'it\'s "one"', "swath.sweep_id": "abc"}
    return StoredRun(f"{number:032x}", "1", name, "FINISHED", 1_000 * number, None, "", params, metrics, tags)


WITH_LOSS = replace(run(2, "0.001", None), metrics={"test/accuracy": 0.5, "test/loss": 2.0})
FRAME = frame_of([run(1, "1e-06", 0.25), WITH_LOSS, run(3, "1e-05", math.inf)])


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("learning_rate < 1e-4", [0, 2]),
        ("validation/accuracy > 0.2 and batch_size == 100", [0, 2]),
        ("`validation/accuracy` < 1", [0]),
        ("data.name == 'digits' and not learning_rate > 1e-5", [0, 2]),
        ("data.name == 'data.name'", []),
        ("""sweep == "it's \\"one\\"" """, [0, 1, 2]),
        ("name == 'it\\'s' or data.name == 'digits'", [0, 1, 2]),
        ("1e-5 <= learning_rate", [1, 2]),
        ("1e-6 <= learning_rate < 1e-4", [0, 2]),
        ("learning_rate in [1e-6, 1e-5] and not (batch_size != 100)", [0, 2]),
        ("validation/accuracy/2 > 0.1 or learning_rate * 10 == 0.01", [0, 1, 2]),
        ("validation/accuracy < test/accuracy", [0]),
        ("started > '1970-01-01T00:00:01'", [1, 2]),
        ("-learning_rate < -1e-4", [1]),
        ("learning_rate - 1e-6 > 0", [1, 2]),
        ("2*test/loss > 3 or -test/loss < -5", [1]),
        ("validation/accuracy / test/accuracy < 1", [0]),
        ("validation/accuracy != 0.25", [2]),
        ("not validation/accuracy == 0.25", [2]),
        ("learning_rate not in [1e-6]", [1, 2]),
        ("started in ['1970-01-01T00:00:01']", [0]),
        ("'digits' == data.name and 100 == batch_size", [0, 1, 2]),
        ("learning_rate < 1e-4 and batch_size == 7 or learning_rate == 0.001", [1]),
        ("`test/loss` > 1", [1]),
        ("learning_rate in (1e-6, 1e-5)", [0, 2]),
        ("batch_size / 200 == 0.5", [0, 1, 2]),
        ("learning_rate < 1 / 0", []),
        ("learning_rate < 1e36 and learning_rate != 1e300", [0, 1, 2]),
        ("name == 'a\\x00run'", []),
        ("started == '1970-01-01T01:00:01+01:00'", [0]),
    ],
)
def test_condition_selects_rows(condition: str, kept: list[int]) -> None:
    assert matching(FRAME, condition).index.tolist() == kept


@pytest.mark.parametrize(
    "condition",
    [
        "learning_rat < 1",
        "learning_rate <",
        "learning_rate < 1 or",
        "@pd.x > 1",
        "__import__('os')",
        "name.to_csv('x') == 1",
        "learning_rate.__class__ == 1",
        "''",
        "learning_rate",
        "batch_size == '100'",
        "name == 1",
        "started > 'never'",
        "started > 2026",
        "1 < 2",
        "learning_rate and batch_size",
        "learning_rate == [1e-6, 1e-5, 1e-3]",
        "learning_rate in 1e-6",
        "batch_size * 99999999999999999999999999 > 1",
        "-" * 100_000 + "1 < learning_rate",
        "(" * 500 + "learning_rate" + ")" * 500,
        " or ".join(["learning_rate < 1"] * 5) + " == 1",
        "(learning_rate < 1) == (learning_rate < 2)",
        "load_extension('x') == 1",
        "learning_rate < 1; drop table runs",
        "learning_rate < (select 1)",
        "learning_rate in runs",
        "with x as (select 1) select 1",
    ],
)
def test_invalid_condition_is_refused(condition: str) -> None:
    with pytest.raises(SwathError, match="--where"):
        matching(FRAME, condition)


def test_no_comparison_with_a_missing_integer_holds() -> None:
    seeded = [replace(run(seed, "1e-06", 0.5), params={**PARAMS, "seed": str(seed)}) for seed in (0, 3)]
    frame = frame_of([*seeded, run(9, "1e-06", 0.5)])
    for condition in ("seed != 3", "not seed == 3", "seed not in [3]", "seed < 3", "seed == 0"):
        assert matching(frame, condition).index.tolist() == [0], condition
    assert matching(frame, "seed == 3 or learning_rate == 1e-6").index.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    "sql",
    [
        "load_extension('x')",
        "learning_rate < abs(1)",
        "learning_rate < (SELECT count(*) FROM sqlite_master)",
        "1 = (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT max(i) FROM n)",
        "1 = (SELECT 1 FROM pragma_database_list)",
        "1; ATTACH 'x' AS y",
    ],
)
def test_sqlite_may_only_read_the_table_of_runs(sql: str) -> None:
    with pytest.raises((sqlite3.Error, sqlite3.Warning)):
        _matching_rows(pd.DataFrame({"learning_rate": [1e-6]}), sql)


def test_condition_that_takes_too_long_is_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swath.analysis.filter.TIMEOUT_S", -1.0)
    with pytest.raises(SwathError, match="interrupted"):
        matching(frame_of([run(1, "1e-06", 0.5)] * 5_000), "learning_rate < 1")


def test_condition_on_an_empty_table_holds_for_no_run() -> None:
    assert len(matching(frame_of([]), "name == 'a'")) == 0


def test_condition_cannot_call_a_method(tmp_path: Path) -> None:
    target = tmp_path / "written"
    with pytest.raises(SwathError):
        matching(FRAME, f"name.to_csv('{target}') == 1")
    assert not target.exists()
