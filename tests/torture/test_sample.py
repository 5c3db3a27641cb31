"""A seeded sample of the kill campaigns; `make torture` runs all of them."""

from pathlib import Path

import pytest
from support.stores import whole_store

from torture.kills import MAX_KILLS, SUBJECTS, fork_command, run_campaign, run_reference


@pytest.mark.parametrize(("what", "count"), [("grid", 10), ("search", 10), ("file", 3), ("both", 3)])
def test_killed_and_resumed_sweep_stores_the_same_as_an_undisturbed_one(
    what: str, count: int, tmp_path: Path
) -> None:
    subject, cache = SUBJECTS[what], tmp_path / "cache"
    duration_s = run_reference(subject, tmp_path, cache, fork_command)
    reference = whole_store(tmp_path / "reference")
    kills = 0
    for seed in range(10 * count):  # a sweep may end before it is killed
        place = tmp_path / f"campaign-{seed}"
        place.mkdir()
        max_kills = min(MAX_KILLS, count - kills)
        result = run_campaign(subject, seed, place, cache, duration_s, reference, max_kills, fork_command)
        assert result.faults == (), f"seed {seed}, {result.kills} kills"
        kills += result.kills
        if kills == count:
            break
    assert kills == count
