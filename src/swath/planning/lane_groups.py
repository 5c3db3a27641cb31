"""Lane groups, which configurations train in one program, and spans, where their steps are cut."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from swath.config import TrainConfig, shared_values

SEGMENT_STEPS = 250


SEGMENT_WORK = 400_000
"""Most steps, and most steps x images x lanes, between two flushes of metrics: long enough that Python costs
nothing, short enough to be seen and to be stopped, a second or so."""


FEWEST_LANES_TO_SPLIT = 6
"""A group of this many lanes is worth cutting in two for a core that would have nothing to do."""


WidthLimit = Callable[[TrainConfig, int], int]
"""(configuration, wanted) -> the most lanes, from 1 to wanted, that may train side by side with it."""


@dataclass(frozen=True)
class PlannedRun:
    """One configuration's place in a plan.

    Attributes:
      job: index of the configuration in the order in which it was asked for.
      config: the configuration.
      first_step: the first step that is trained; those before it have been trained by an earlier command.
    """

    job: int
    config: TrainConfig
    first_step: int = 0


@dataclass(frozen=True)
class Lane:
    """Runs that are one training: they differ in max_steps at most, so the shorter are prefixes.

    Attributes:
      runs: at least one, in the order asked for.
    """

    runs: tuple[PlannedRun, ...]

    @property
    def config(self) -> TrainConfig:
        """The configuration of its first run: all its runs share everything but max_steps."""
        return self.runs[0].config

    @property
    def max_steps(self) -> int:
        """Steps of its longest run."""
        return max(run.config.max_steps for run in self.runs)


@dataclass(frozen=True)
class LaneGroup:
    """Lanes that share a program: the same data, preprocessing, batches, seed and first step.

    Attributes:
      lanes: at least one; learning_rate and max_steps may differ.
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
        """A configuration whose batch_size, seed, data, preprocessing and evaluations hold for all lanes."""
        return self.lanes[0].runs[0].config

    @property
    def max_steps(self) -> int:
        """Steps of the longest lane."""
        return max(lane.max_steps for lane in self.lanes)


@dataclass(frozen=True)
class Segment:
    """Steps that are trained without coming back to Python: `first` up to, not including, `end`."""

    first: int
    end: int


def single_lane(config: TrainConfig, wanted: int) -> int:
    """The `WidthLimit` of groups with one lane each."""
    return 1


def alone(config: TrainConfig, job: int = 0) -> LaneGroup:
    """A configuration as a group of its own."""
    return LaneGroup((Lane((PlannedRun(job, config),)),))


def renumbered(group: LaneGroup, first: int) -> LaneGroup:
    """The group with its jobs counted from `first` instead of 0."""
    return LaneGroup(
        tuple(Lane(tuple(replace(run, job=run.job + first) for run in lane.runs)) for lane in group.lanes)
    )


def plan_groups(
    configs: Sequence[TrainConfig],
    usable: WidthLimit = single_lane,
    workers: int = 1,
    first_steps: Sequence[int] | None = None,
) -> list[LaneGroup]:
    """Lane groups that hold every configuration exactly once.

    Args:
      configs: in the order asked for.
      first_steps: of each the first step that is trained; None for 0.
      usable: limits the width of a group.
      workers: how many groups are trained at a time; a wide group is cut up where some would idle.

    Returns:
      Groups in the order of their first configuration, lanes likewise.
    """
    together: dict[tuple[object, int], list[Lane]] = {}
    for lane in _lanes(configs, first_steps or [0] * len(configs)):
        run = lane.runs[0]
        together.setdefault((shared_values(run.config, "group"), run.first_step), []).append(lane)
    parts = -(-workers // max(len(together), 1))
    groups = [group for lanes in together.values() for group in _cut(lanes, usable, parts)]
    return sorted(groups, key=lambda group: group.lanes[0].runs[0].job)


def segment_steps_of(group: LaneGroup) -> int:
    """Steps that the group trains in about a second."""
    work = group.shared.batch_size * len(group.lanes)
    return max(1, min(SEGMENT_STEPS, SEGMENT_WORK // work))


def plan_segments(group: LaneGroup, segment_steps: int) -> Iterator[Segment]:
    """Spans that cover every step of the group's longest lane from its first step on once, in order.

    A span ends after `segment_steps` steps, where a run ends, and where an evaluation is due.
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
    lanes: dict[tuple[object, int], list[PlannedRun]] = {}
    for job, (config, first_step) in enumerate(zip(configs, first_steps, strict=True)):
        lanes.setdefault((shared_values(config, "lane"), first_step), []).append(
            PlannedRun(job, config, first_step)
        )
    return [Lane(tuple(runs)) for runs in lanes.values()]


def _cut(lanes: Sequence[Lane], usable: WidthLimit, parts: int) -> Iterator[LaneGroup]:
    """Groups of nearly equal width, none wider than may be."""
    splits = len(lanes) >= FEWEST_LANES_TO_SPLIT
    limit = -(-len(lanes) // parts) if splits else len(lanes)
    rest = list(lanes)
    while rest:
        most = usable(rest[0].runs[0].config, min(limit, len(rest)))
        pieces = -(-len(rest) // most)
        width = usable(rest[0].runs[0].config, -(-len(rest) // pieces))
        yield LaneGroup(tuple(rest[:width]))
        rest = rest[width:]
