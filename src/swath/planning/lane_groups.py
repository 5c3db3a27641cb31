"""Plans lane groups, and divides their steps into segments."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from swath.config import TrainConfig, shared_key

SEGMENT_STEPS = 250
"""Maximum number of steps of a segment."""

SEGMENT_WORK = 400_000
"""Maximum of steps x images x lanes of a segment. A segment takes about a second: long enough to make the
cost of Python negligible, short enough for progress output and interruption."""

MIN_LANES_TO_SPLIT = 6
"""Minimum number of lanes of a group that is worth splitting to use an idle core."""

WidthLimit = Callable[[TrainConfig, int], int]
"""(configuration, wanted) -> maximum width, from 1 to wanted, of a group with this configuration."""


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A configuration in a plan.

    Attributes:
      number: index of the configuration in the requested order.
      config: the configuration.
      first_step: the first step to train; an earlier command has trained the steps before it.
    """

    number: int
    config: TrainConfig
    first_step: int = 0

    @property
    def is_trained(self) -> bool:
        """Whether it has steps left. A run without any, which is to be ended only, trains with no other."""
        return self.config.max_steps > self.first_step


@dataclass(frozen=True, slots=True)
class Lane:
    """Runs that share one training: they differ in max_steps only, so the shorter are prefixes.

    Attributes:
      runs: at least one, in the requested order.
    """

    runs: tuple[PlannedRun, ...]

    @property
    def config(self) -> TrainConfig:
        """The configuration of the first run; the other runs differ from it in max_steps only."""
        return self.runs[0].config

    @property
    def max_steps(self) -> int:
        """Steps of the longest run."""
        return max(run.config.max_steps for run in self.runs)


@dataclass(frozen=True, slots=True)
class LaneGroup:
    """Lanes that train in one program: they share the fields that are shared by a group, and the first step.

    Attributes:
      lanes: at least one; fields that are shared by a lane or a run may differ.
    """

    lanes: tuple[Lane, ...]

    @property
    def first_step(self) -> int:
        """The first step that is trained."""
        return self.lanes[0].runs[0].first_step

    @property
    def runs(self) -> tuple[PlannedRun, ...]:
        """All runs of all lanes."""
        return tuple(run for lane in self.lanes for run in lane.runs)

    @property
    def shared(self) -> TrainConfig:
        """A configuration with the fields that all lanes share; the others are of the first run."""
        return self.lanes[0].runs[0].config

    @property
    def max_steps(self) -> int:
        """Steps of the longest lane."""
        return max(lane.max_steps for lane in self.lanes)


@dataclass(frozen=True)
class Segment:
    """Steps that are trained without returning to Python: `first` up to, not including, `end`."""

    first: int
    end: int


def single_lane(config: TrainConfig, wanted: int) -> int:
    """The `WidthLimit` of groups with one lane each."""
    return 1


def solo_group(config: TrainConfig, number: int = 0) -> LaneGroup:
    """A lane group with a single run."""
    return LaneGroup((Lane((PlannedRun(number, config),)),))


def renumbered(group: LaneGroup, first: int) -> LaneGroup:
    """The group with `first` added to the numbers of its runs."""
    if not first:
        return group
    return LaneGroup(
        tuple(
            Lane(tuple(replace(run, number=run.number + first) for run in lane.runs)) for lane in group.lanes
        )
    )


def plan_groups(
    configs: Sequence[TrainConfig],
    limit_width: WidthLimit = single_lane,
    workers: int = 1,
    first_steps: Sequence[int] | None = None,
) -> list[LaneGroup]:
    """Plan lane groups that contain every configuration exactly once.

    Args:
      configs: configurations in the requested order.
      limit_width: limits the width of a group.
      workers: number of groups that are trained at a time; wide groups are split if workers would be idle.
      first_steps: the first step to train of each configuration; None for 0.

    Returns:
      Groups, and lanes within a group, in the order of their first configuration.
    """
    shared_lanes: dict[tuple[object, int, bool], list[Lane]] = {}
    for lane in _lanes(configs, first_steps or [0] * len(configs)):
        run = lane.runs[0]
        key = shared_key(run.config, "group"), run.first_step, run.is_trained
        shared_lanes.setdefault(key, []).append(lane)
    parts = -(-workers // max(len(shared_lanes), 1))
    groups = [group for lanes in shared_lanes.values() for group in _split(lanes, limit_width, parts)]
    return sorted(groups, key=lambda group: group.lanes[0].runs[0].number)


def segment_steps_of(group: LaneGroup) -> int:
    """Number of steps that a group trains in about a second."""
    work = group.shared.batch_size * len(group.lanes)
    return max(1, min(SEGMENT_STEPS, SEGMENT_WORK // work))


def plan_segments(group: LaneGroup, segment_steps: int) -> Iterator[Segment]:
    """Segments that cover the steps of a group in order, each step once.

    A segment ends after `segment_steps` steps, or earlier if a run ends or an evaluation is due.
    """
    every = group.shared.evaluate_every_steps
    run_ends = {run.config.max_steps for run in group.runs}
    first = group.first_step
    while first < group.max_steps:
        end = min([first + segment_steps, *(stop for stop in run_ends if stop > first)])
        if every:
            end = min(end, (first // every + 1) * every)
        yield Segment(first, end)
        first = end


def _lanes(configs: Sequence[TrainConfig], first_steps: Sequence[int]) -> list[Lane]:
    lanes: dict[tuple[object, int, bool], list[PlannedRun]] = {}
    for number, (config, first_step) in enumerate(zip(configs, first_steps, strict=True)):
        run = PlannedRun(number, config, first_step)
        lanes.setdefault((shared_key(config, "lane"), first_step, run.is_trained), []).append(run)
    return [Lane(tuple(runs)) for runs in lanes.values()]


def _split(lanes: Sequence[Lane], limit_width: WidthLimit, parts: int) -> Iterator[LaneGroup]:
    """Groups of nearly equal width, within the width limit."""
    splits = len(lanes) >= MIN_LANES_TO_SPLIT
    limit = -(-len(lanes) // parts) if splits else len(lanes)
    rest = list(lanes)
    while rest:
        most = limit_width(rest[0].runs[0].config, min(limit, len(rest)))
        pieces = -(-len(rest) // most)
        width = limit_width(rest[0].runs[0].config, -(-len(rest) // pieces))
        yield LaneGroup(tuple(rest[:width]))
        rest = rest[width:]
