"""Lane groups contain every configuration once; segments cover every step once."""

from hypothesis import given
from hypothesis import strategies as st
from support.small import run_config

from swath.config import TrainConfig
from swath.planning import WidthLimit, plan_groups, plan_segments, segment_steps_of
from swath.planning.lane_groups import SEGMENT_STEPS

run_configs = st.builds(
    run_config,
    batch_size=st.sampled_from([10, 20]),
    learning_rate=st.floats(1e-9, 1e-3),
    max_steps=st.integers(1, 40),
    seed=st.integers(0, 2),
    evaluate_every_steps=st.sampled_from([0, 7]),
)
groups = st.lists(st.tuples(st.floats(1e-9, 1e-3), st.integers(1, 300)), min_size=1, max_size=5)


def shared(config: TrainConfig) -> tuple[object, ...]:
    return (config.batch_size, config.seed, config.data, config.preprocessing, config.evaluate_every_steps)


def at_most(max_lanes: int) -> WidthLimit:
    return lambda config, wanted: min(wanted, max_lanes)


many_configs = st.lists(run_configs, max_size=20)
limits = st.integers(1, 6)
workers = st.integers(1, 4)


@given(configs=many_configs, max_lanes=limits, workers=workers)
def test_every_configuration_is_in_one_group(
    configs: list[TrainConfig], max_lanes: int, workers: int
) -> None:
    runs = [run for group in plan_groups(configs, at_most(max_lanes), workers) for run in group.runs]
    assert sorted(run.number for run in runs) == list(range(len(configs)))
    assert all(run.config == configs[run.number] for run in runs)


@given(configs=many_configs, max_lanes=limits, workers=workers)
def test_no_group_is_wider_than_allowed_or_mixes_programs(
    configs: list[TrainConfig], max_lanes: int, workers: int
) -> None:
    for group in plan_groups(configs, at_most(max_lanes), workers):
        assert 1 <= len(group.lanes) <= max_lanes
        assert len({shared(run.config) for run in group.runs}) == 1


@given(configs=many_configs, forbidden=st.sets(st.integers(2, 20)))
def test_only_usable_widths_are_planned(configs: list[TrainConfig], forbidden: set[int]) -> None:
    def usable(config: TrainConfig, wanted: int) -> int:
        return next(width for width in range(wanted, 0, -1) if width not in forbidden)

    assert not forbidden & {len(group.lanes) for group in plan_groups(configs, usable)}


@given(configs=many_configs, max_lanes=limits)
def test_groups_and_lanes_keep_the_order_of_the_configurations(
    configs: list[TrainConfig], max_lanes: int
) -> None:
    planned = plan_groups(configs, at_most(max_lanes))
    firsts = [group.lanes[0].runs[0].number for group in planned]
    assert firsts == sorted(firsts)
    for group in planned:
        numbers = [lane.runs[0].number for lane in group.lanes]
        assert numbers == sorted(numbers)


def test_configurations_that_differ_in_steps_or_not_at_all_are_one_lane() -> None:
    configs = [run_config(max_steps=10), run_config(max_steps=30), run_config(max_steps=10)]
    (group,) = plan_groups(configs, at_most(8))
    (lane,) = group.lanes
    assert [run.number for run in lane.runs] == [0, 1, 2]
    assert group.max_steps == 30


def test_run_that_is_to_be_ended_only_trains_with_no_other() -> None:
    configs = [
        run_config(max_steps=10),
        run_config(max_steps=30),
        run_config(learning_rate=1e-5, max_steps=30),
    ]
    groups = plan_groups(configs, at_most(8), first_steps=[10, 10, 10])
    assert [[run.number for run in group.runs] for group in groups] == [[0], [1, 2]]


def test_wide_group_is_split_if_a_core_would_be_idle() -> None:
    configs = [run_config(learning_rate=rate * 1e-7) for rate in range(1, 13)]
    assert [len(group.lanes) for group in plan_groups(configs, at_most(24), workers=2)] == [6, 6]
    assert [len(group.lanes) for group in plan_groups(configs[:4], at_most(24), workers=2)] == [4]
    assert [len(group.lanes) for group in plan_groups(configs, at_most(5), workers=1)] == [4, 4, 4]


@given(lanes=groups, segment_steps=st.integers(1, 100), every=st.integers(0, 50))
def test_segments_cover_every_step_once_and_end_at_required_steps(
    lanes: list[tuple[float, int]], segment_steps: int, every: int
) -> None:
    configs = [
        run_config(learning_rate=rate, max_steps=steps, evaluate_every_steps=every) for rate, steps in lanes
    ]
    (group,) = plan_groups(configs, at_most(9))
    segments = list(plan_segments(group, segment_steps))
    ends = [segment.end for segment in segments]
    assert [segment.first for segment in segments] == [0, *ends[:-1]]
    assert ends[-1] == group.max_steps
    assert all(0 < segment.end - segment.first <= segment_steps for segment in segments)
    assert {config.max_steps for config in configs} <= set(ends)
    assert not every or set(range(every, group.max_steps, every)) <= set(ends)


def test_wide_groups_of_large_batches_have_short_segments() -> None:
    (narrow,) = plan_groups([run_config(batch_size=100)])
    (wide,) = plan_groups(
        [run_config(batch_size=1000, learning_rate=n * 1e-7) for n in range(1, 21)], at_most(24)
    )
    assert segment_steps_of(narrow) == SEGMENT_STEPS
    assert segment_steps_of(wide) == 20
