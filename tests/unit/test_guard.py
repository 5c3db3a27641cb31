"""The guard against commands that become more expensive."""

from pathlib import Path

import pytest

from benchmarks import guard

BEFORE = {"a run": {"training: TensorFlow": 2.0, "tracking: pictures": 1.0, "tracking: steps": 1.0}}


@pytest.mark.parametrize("factor", [0.5, 1.0, guard.ROOM - 0.01])
def test_noise_is_allowed(factor: float) -> None:
    now = {"a run": {part: factor * value for part, value in BEFORE["a run"].items()}}
    assert guard.grown(now, BEFORE) == []


def test_parts_that_have_grown_are_named_the_most_first() -> None:
    now = {"a run": {"training: TensorFlow": 2.1, "tracking: pictures": 2.0, "tracking: mail": 3.0}}
    (line,) = guard.grown(now, BEFORE)
    assert line.startswith("a run costs 7.10 times the reference; at most 6.00 was expected (4.00 before).")
    assert line.endswith("What has grown: tracking: mail 0.00 -> 3.00, tracking: pictures 1.00 -> 2.00")


def test_command_without_values_is_reported() -> None:
    assert len(guard.grown({"another": {"a": 1.0}}, BEFORE)) == 1


def test_repository_has_values_of_every_command(monkeypatch: pytest.MonkeyPatch) -> None:
    import json

    values = json.loads(Path(guard.VALUES).read_text(encoding="utf-8"))
    assert values.keys() == guard.WORKLOADS.keys()
    assert guard.grown(values, values) == []
    for workload in ("a single run", "a grid of 24"):
        assert {part.partition(":")[0] for part in values[workload]} == {"training", "tracking"}
        assert values[workload]["tracking: ending runs"] > 0
        assert values[workload]["training: importing TensorFlow"] > 0
