"""A seeded sample of the long campaigns; `make torture` runs all of them."""

from pathlib import Path

import pytest
from support.stores import whole_store

from torture.kills import MOST_KILLS, campaign, fork_command, undisturbed

KILLS = 10


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, float, dict[str, object]]:
    folder = tmp_path_factory.mktemp("kills")
    cache = folder / "cache"
    duration_s = undisturbed(folder, cache, fork_command)
    return folder, cache, duration_s, whole_store(folder / "reference")


def test_sweep_killed_at_any_moment_ends_as_if_nothing_had_happened(
    sweep: tuple[Path, Path, float, dict[str, object]],
) -> None:
    folder, cache, duration_s, reference = sweep
    kills = 0
    for seed in range(2 * KILLS):
        place = folder / f"campaign-{seed}"
        place.mkdir()
        most = min(MOST_KILLS, KILLS - kills)
        result = campaign(seed, place, cache, duration_s, reference, most, fork_command)
        assert result.faults == (), f"seed {seed}, {result.kills} kills"
        kills += result.kills
        if kills == KILLS:
            break
    assert kills == KILLS
