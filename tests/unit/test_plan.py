"""Lane groups hold every configuration once; spans cover every step once."""

from hypothesis import given
from hypothesis import strategies as st
from support.small import run_config

from swath.config.schema import RunConfig
from swath.plan import Lane, LaneGroup, plan_groups, plan_spans

run_configs = st.builds(
    run_config,
    batch_size=st.sampled_from([10, 20]),
    learning_rate=st.floats(1e-9, 1e-3),
    max_steps=st.integers(1, 40),
    seed=st.integers(0, 2),
    evaluate_every_steps=st.sampled_from([0, 7]),
)
groups = st.lists(st.tuples(st.floats(1e-9, 1e-3), st.integers(1, 300)), min_size=1, max_size=5)


def shared(config: RunConfig) -> tuple[object, ...]:
    return (config.batch_size, config.seed, config.data, config.preprocessing, config.evaluate_every_steps)


@given(configs=st.lists(run_configs, max_size=20), max_lanes=st.integers(1, 6))
def test_every_configuration_is_in_one_group(configs: list[RunConfig], max_lanes: int) -> None:
    lanes = [lane for group in plan_groups(configs, max_lanes) for lane in group.lanes]
    assert sorted(lane.job for lane in lanes) == list(range(len(configs)))
    assert all(lane.config == configs[lane.job] for lane in lanes)


@given(configs=st.lists(run_configs, max_size=20), max_lanes=st.integers(1, 6))
def test_no_group_is_wider_than_allowed_or_mixes_programs(configs: list[RunConfig], max_lanes: int) -> None:
    for group in plan_groups(configs, max_lanes):
        assert 1 <= len(group.lanes) <= max_lanes
        assert len({shared(lane.config) for lane in group.lanes}) == 1


@given(configs=st.lists(run_configs, max_size=20), max_lanes=st.integers(1, 6))
def test_groups_and_lanes_stand_in_the_order_asked_for(configs: list[RunConfig], max_lanes: int) -> None:
    planned = plan_groups(configs, max_lanes)
    firsts = [group.lanes[0].job for group in planned]
    assert firsts == sorted(firsts)
    for group in planned:
        assert [lane.job for lane in group.lanes] == sorted(lane.job for lane in group.lanes)


@given(lanes=groups, segment_steps=st.integers(1, 100), every=st.integers(0, 50))
def test_spans_cover_every_step_once_and_stop_where_they_must(
    lanes: list[tuple[float, int]], segment_steps: int, every: int
) -> None:
    configs = [
        run_config(learning_rate=rate, max_steps=steps, evaluate_every_steps=every) for rate, steps in lanes
    ]
    group = LaneGroup(tuple(Lane(job, config) for job, config in enumerate(configs)))
    spans = list(plan_spans(group, segment_steps))
    ends = [span.end for span in spans]
    assert [span.first for span in spans] == [0, *ends[:-1]]
    assert ends[-1] == group.max_steps
    assert all(0 < span.end - span.first <= segment_steps for span in spans)
    assert {config.max_steps for config in configs} <= set(ends)
    assert not every or set(range(every, group.max_steps, every)) <= set(ends)
