"""Lane groups, which configurations train in one program, and spans, where their steps are cut."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from swath.config.schema import RunConfig

SEGMENT_STEPS = 250
"""Steps between two flushes of metrics: long enough that Python costs nothing, short enough to be seen."""


@dataclass(frozen=True)
class Lane:
    """One configuration's place in a lane group.

    Attributes:
      job: index of the configuration in the order in which it was asked for.
      config: the configuration.
    """

    job: int
    config: RunConfig


@dataclass(frozen=True)
class LaneGroup:
    """Configurations that share a program: the same data, preprocessing, batches and seed.

    Attributes:
      lanes: at least one; learning_rate and max_steps may differ.
    """

    lanes: tuple[Lane, ...]

    @property
    def shared(self) -> RunConfig:
        """A configuration whose batch_size, seed, data, preprocessing and evaluations hold for all lanes."""
        return self.lanes[0].config

    @property
    def max_steps(self) -> int:
        """Steps of the longest lane."""
        return max(lane.config.max_steps for lane in self.lanes)


@dataclass(frozen=True)
class Span:
    """Steps that are trained without coming back to Python: `first` up to, not including, `end`."""

    first: int
    end: int


def plan_groups(configs: Sequence[RunConfig], max_lanes: int = 1) -> list[LaneGroup]:
    """Lane groups that hold every configuration exactly once, each at most `max_lanes` wide.

    Groups stand in the order of their first configuration, lanes in the order asked for.
    """
    together: dict[tuple[object, ...], list[Lane]] = {}
    for job, config in enumerate(configs):
        together.setdefault(_program_key(config), []).append(Lane(job, config))
    groups = [
        LaneGroup(tuple(lanes[first : first + max_lanes]))
        for lanes in together.values()
        for first in range(0, len(lanes), max_lanes)
    ]
    return sorted(groups, key=lambda group: group.lanes[0].job)


def plan_spans(group: LaneGroup, segment_steps: int = SEGMENT_STEPS) -> Iterator[Span]:
    """Spans that cover every step of the group's longest lane once, in order.

    A span ends after `segment_steps` steps, where a lane ends, and where an evaluation is due.
    """
    every = group.shared.evaluate_every_steps
    lane_ends = {lane.config.max_steps for lane in group.lanes}
    first = 0
    while first < group.max_steps:
        end = min([first + segment_steps, *(stop for stop in lane_ends if stop > first)])
        if every:
            end = min(end, (first // every + 1) * every)
        yield Span(first, end)
        first = end


def _program_key(config: RunConfig) -> tuple[object, ...]:
    return (
        config.data,
        config.preprocessing,
        config.batch_size,
        config.seed,
        config.evaluate_every_steps,
    )
