"""A seeded sample of the kill campaigns; `make torture` runs all of them."""

from pathlib import Path

import pytest
from support.stores import whole_store

from torture.kills import MAX_KILLS, fork_command, run_campaign, run_reference

KILLS = 10


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, float, dict[str, object]]:
    folder = tmp_path_factory.mktemp("kills")
    cache = folder / "cache"
    duration_s = run_reference(folder, cache, fork_command)
    return folder, cache, duration_s, whole_store(folder / "reference")


def test_killed_and_resumed_sweep_stores_the_same_as_an_undisturbed_one(
    sweep: tuple[Path, Path, float, dict[str, object]],
) -> None:
    folder, cache, duration_s, reference = sweep
    kills = 0
    for seed in range(2 * KILLS):
        place = folder / f"campaign-{seed}"
        place.mkdir()
        max_kills = min(MAX_KILLS, KILLS - kills)
        result = run_campaign(seed, place, cache, duration_s, reference, max_kills, fork_command)
        assert result.faults == (), f"seed {seed}, {result.kills} kills"
        kills += result.kills
        if kills == KILLS:
            break
    assert kills == KILLS
