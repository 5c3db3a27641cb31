"""Lane groups are divided into lots that workers can share fairly."""

from dataclasses import replace

from support.small import run_config

from swath.datasets import spec_of
from swath.planning import LaneGroup, divide, solo_group, training_s

CONFIG = run_config()
IMAGES = {CONFIG.data.key: spec_of(CONFIG.data.key, None)}


def groups(*steps: int) -> list[LaneGroup]:
    return [solo_group(replace(CONFIG, max_steps=each), number) for number, each in enumerate(steps)]


def seconds(lot: list[LaneGroup]) -> float:
    return sum(training_s(group, IMAGES) for group in lot)


def test_short_sweep_has_a_balanced_lot_for_each_worker() -> None:
    lots = divide(groups(400, 300, 200, 100, 1000), 2, 1, IMAGES)
    assert sorted(run.config.max_steps for lot in lots for group in lot for run in group.runs) == [
        100,
        200,
        300,
        400,
        1000,
    ]
    assert [sum(group.max_steps for group in lot) for lot in lots] == [1000, 1000]


def test_no_lot_is_empty() -> None:
    assert [len(lot) for lot in divide(groups(100, 100), 8, 1, IMAGES)] == [1, 1]


def test_long_sweep_has_lots_of_some_minutes_the_longest_first() -> None:
    lots = divide(groups(*range(900_000, 1_100_000, 2_000)), 4, 1, IMAGES)
    assert len(lots) % 4 == 0
    assert len(lots) > 4
    taken = [seconds(lot) for lot in lots]
    assert taken == sorted(taken, reverse=True)
    assert 150 < taken[-1] <= taken[0] < 600


def test_workers_with_more_processors_get_more() -> None:
    one = divide(groups(*[1_000_000] * 64), 2, 1, IMAGES)
    four = divide(groups(*[1_000_000] * 64), 2, 4, IMAGES)
    assert len(four) < len(one)
