"""What a campaign of faults would find."""

from collections import Counter
from dataclasses import replace

import pytest

from torture.findings import Findings, Run, compare

WHOLE = Run(
    ["FINISHED"],
    {"0a"},
    Counter({("train/loss", 0): 1, ("train/loss", 1): 1}),
    {("train/loss", 0): 2.0, ("train/loss", 1): 1.0},
)


def test_equal_stores_differ_in_nothing() -> None:
    assert not compare({"a": WHOLE}, {"a": WHOLE})


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (replace(WHOLE, rows=Counter({("train/loss", 0): 1})), Findings(lost=1)),
        (replace(WHOLE, rows=WHOLE.rows + Counter({("train/loss", 1): 2})), Findings(doubled=2)),
        (replace(WHOLE, bits={"0b"}), Findings(other_bits=1)),
        (replace(WHOLE, values={**WHOLE.values, ("train/loss", 1): 1.5}), Findings(other_bits=1)),
        (replace(WHOLE, statuses=["KILLED"]), Findings(others=("a is ['KILLED'], expected ['FINISHED']",))),
    ],
)
def test_what_differs_is_counted(found: Run, expected: Findings) -> None:
    findings = compare({"a": found}, {"a": WHOLE})
    assert findings
    assert findings == expected


def test_a_run_that_is_there_twice_or_not_at_all_is_found() -> None:
    twice = Run(["FINISHED"] * 2, WHOLE.bits, WHOLE.rows + WHOLE.rows, WHOLE.values)
    assert compare({"a": twice}, {"a": WHOLE}).doubled == 2
    assert compare({"a": twice}, {"a": WHOLE}).others
    missing = compare({}, {"a": WHOLE})
    assert (missing.lost, missing.other_bits) == (2, 0)
    assert missing.others == ("a is [], expected ['FINISHED']",)
