"""A seeded sample of the kill campaigns; `make torture` runs all of them."""

from pathlib import Path

import pytest
from support.stores import whole_store

from torture.kills import MAX_KILLS, SUBJECTS, fork_command, run_campaign, run_reference

KILLS = 10


@pytest.mark.parametrize("what", ["grid", "search"])
def test_killed_and_resumed_sweep_stores_the_same_as_an_undisturbed_one(what: str, tmp_path: Path) -> None:
    subject, cache = SUBJECTS[what], tmp_path / "cache"
    duration_s = run_reference(subject, tmp_path, cache, fork_command)
    reference = whole_store(tmp_path / "reference")
    kills = 0
    for seed in range(2 * KILLS):
        place = tmp_path / f"campaign-{seed}"
        place.mkdir()
        max_kills = min(MAX_KILLS, KILLS - kills)
        result = run_campaign(subject, seed, place, cache, duration_s, reference, max_kills, fork_command)
        assert result.faults == (), f"seed {seed}, {result.kills} kills"
        kills += result.kills
        if kills == KILLS:
            break
    assert kills == KILLS
