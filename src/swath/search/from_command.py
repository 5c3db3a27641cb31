"""The search that a command describes: its space from the overrides, the rest from `search.*`."""

import math
from collections.abc import Iterator, Sequence

from hydra.core.override_parser.types import IntervalSweep, Override

from swath.config import FIELDS, JobComposer, SearchConfig, TrainConfig, typed_value
from swath.errors import ConfigError
from swath.search.plan import DEFAULT_ROUND, DEFAULT_TRIALS, SearchPlan
from swath.search.proposing import Proposer
from swath.search.rungs import rungs_of
from swath.search.sampling import sampler_of
from swath.search.space import Dimension, Point, Space
from swath.tracking import schema

LIMITS = {schema.MAX_STEPS: "its largest value is the length of a trial that is never stopped"}


def plan_of(
    overrides: Sequence[Override],
    settings: SearchConfig,
    composer: JobComposer,
    options: dict[str, list[str]],
) -> SearchPlan:
    """The plan of a search.

    Args:
      overrides: parsed by Hydra, one for each field.
      settings: `search.*`.
      composer: composes the configuration of a proposal.
      options: the names of the configs in each config group.

    Raises:
      ConfigError: an interval is not one of its field, or the settings do not fit together.
    """
    fixed = [str(each.input_line) for each in overrides if not each.is_sweep_override()]
    swept = [each for each in overrides if each.is_sweep_override()]
    if mistakes := [line for each in swept for line in _mistakes(each, options)]:
        raise ConfigError(mistakes)
    lengths = [each for each in swept if each.key_or_group == schema.MAX_STEPS]
    fixed += [f"{schema.MAX_STEPS}={_longest(each)}" for each in lengths]
    dimensions = tuple(_dimension(each, options) for each in swept if each not in lengths)
    space = Space(dimensions)
    if not dimensions:
        raise ConfigError(
            ["a search needs a field with several values or an interval, such as -m learning_rate=..."]
        )
    sampler = settings.sampler or ("qmc" if any(each.is_number for each in dimensions) else "grid")
    count = space.count
    most = settings.trials or (count if sampler == "grid" and count is not None else DEFAULT_TRIALS)
    trials = most if count is None else min(most, count)
    size = settings.round or (DEFAULT_ROUND if sampler == "tpe" else trials)

    def lines(point: Point) -> tuple[str, ...]:
        return (*fixed, *(f"{name}={text}" for name, text in point.items()))

    def compose(point: Point) -> TrainConfig:
        return composer.job(lines(point)).train

    max_steps = compose(space.at([0.5] * len(dimensions))).max_steps
    first = settings.first_steps
    if first is not None and settings.halving and first > max_steps:
        raise ConfigError([f"search.first_steps={first}: expected at most max_steps={max_steps}"])
    plan = SearchPlan(
        space,
        compose,
        lines,
        sampler,
        settings.seed,
        trials,
        min(size, trials),
        rungs_of(max_steps, first, settings.factor, settings.halving),
        settings.objective,
        settings.objective.endswith("accuracy"),
        settings.test == "all",
        settings.confirm,
        settings.confirm_seeds,
    )
    sampler_of(sampler, space, settings.seed)
    return plan


def first_round(plan: SearchPlan) -> list[TrainConfig]:
    """The configurations of the first round, at their full length."""
    proposer = Proposer(plan, sampler_of(plan.sampler, plan.space, plan.seed))
    proposals = proposer.propose(0, [])
    held_back = {proposal.config.data.validation_size for proposal in proposals}
    if 0 in held_back:
        why = "a search ranks trials on validation images; hold some back, such as data.validation_size=5000"
        raise ConfigError([f"data.validation_size=0: {why}"])
    return [proposal.config for proposal in proposals]


def _mistakes(override: Override, options: dict[str, list[str]]) -> Iterator[str]:
    """What is wrong with the values or the interval of a field; one line each."""
    key, line = str(override.key_or_group), override.input_line
    if override.is_discrete_sweep():
        if not any(True for _ in override.sweep_iterator()):
            yield f"{line}: no values"
        return
    sweep = override.value()
    assert isinstance(sweep, IntervalSweep)
    low, high = float(sweep.start or 0), float(sweep.end or 0)
    if key in options or FIELDS[key].kind not in (int, float):
        yield f"{line}: {key} has no interval; type its values, separated by commas"
    elif low > high:
        yield f"{line}: the ends are reversed; expected interval({high:g},{low:g})"
    elif "log" in sweep.tags and low <= 0:
        yield f"{line}: expected a lower end above 0, because of tag(log,...)"
    elif FIELDS[key].kind is int and math.ceil(low) > math.floor(high):
        yield f"{line}: no whole number lies between {low:g} and {high:g}"
    else:
        spec = FIELDS[key]
        ends = (math.ceil(low), math.floor(high)) if spec.kind is int else (low, high)
        if not all(spec.allows(typed_value(key, end)) for end in ends):
            yield f"{line}: expected {spec.expected}"


def _dimension(override: Override, options: dict[str, list[str]]) -> Dimension:
    key = str(override.key_or_group)
    splits = key in options or FIELDS[key].shared_by in ("program", "group")
    if override.is_discrete_sweep():
        return Dimension(key, choices=tuple(_texts(override)), splits=splits)
    sweep = override.value()
    assert isinstance(sweep, IntervalSweep)
    low, high, whole = float(sweep.start or 0), float(sweep.end or 0), FIELDS[key].kind is int
    if whole:
        low, high = float(math.ceil(low)), float(math.floor(high))
    return Dimension(key, low, high, "log" in sweep.tags, whole, splits=splits)


def _texts(override: Override) -> list[str]:
    """The values of an override in Hydra's grammar; sums of a range are rounded."""
    found = []
    for text in override.sweep_string_iterator():
        value = str(text)
        found.append(
            f"{float(value):.15g}" if "e" not in value and "." in value and _is_number(value) else value
        )
    return list(dict.fromkeys(found))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _longest(override: Override) -> int:
    if override.is_discrete_sweep():
        return max(int(text) for text in override.sweep_string_iterator())
    sweep = override.value()
    assert isinstance(sweep, IntervalSweep)
    return math.floor(float(sweep.end or 0))
