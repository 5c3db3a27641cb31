"""The search that a command describes: its space from the overrides, the rest from `search.*`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace

from swath.config import (
    FIELDS,
    SEARCH_DEFAULTS,
    JobComposer,
    JobConfig,
    Override,
    SearchConfig,
    TrainConfig,
    complete_overrides,
    parse_overrides,
)
from swath.datasets import spec_of
from swath.errors import ConfigError
from swath.models import MODELS
from swath.searching.plan import (
    DEFAULT_ROUND,
    DEFAULT_TRIALS,
    LARGEST_ROUND,
    MOST_TRIALS,
    SearchPlan,
    most_rounds,
)
from swath.searching.proposing import Proposer
from swath.searching.rungs import Rungs, rungs_of
from swath.searching.samplers import sampler_of
from swath.searching.space import Point, Space
from swath.searching.space_of_overrides import Options, space_of
from swath.sweeps import SearchRecord, rounds_of
from swath.tracking import schema


def plan_of(
    overrides: Sequence[Override],
    settings: SearchConfig,
    composer: JobComposer,
    options: Options,
    columns: int | None = None,
) -> SearchPlan:
    """The plan of a search.

    Args:
      overrides: parsed by Hydra, one for each field.
      settings: `search.*`.
      composer: composes the configuration of a proposal.
      options: the names of the configs in each config group.
      columns: see `Rungs`; None to find them out.

    Raises:
      ConfigError: an interval is not one of its field, or the settings do not fit together.
    """
    fixed = [str(each.input_line) for each in overrides if not each.is_sweep_override()]
    swept = [each for each in overrides if each.is_sweep_override()]
    space, longest = space_of(swept, settings, options)
    if longest is not None:
        fixed.append(f"{schema.MAX_STEPS}={longest}")

    def lines(point: Point) -> tuple[str, ...]:
        return (*fixed, *(f"{name}={text}" for name, text in point.items()))

    def compose(point: Point) -> TrainConfig:
        return composer.job(lines(point)).train

    middle = space.at([0.5] * len(space.dimensions))
    base = compose(middle)
    if columns is None:
        columns = _shared_columns(space, composer.job(lines(middle)))
    rungs = _rungs(base.max_steps, settings, columns)
    sampler = settings.sampler or ("qmc" if any(each.is_number for each in space.dimensions) else "grid")
    has_limit = settings.within_s is not None or settings.within_steps is not None
    learns = sampler == "tpe" or has_limit or settings.patience
    # Neighbours on a grid are alike, so a part of it says little of the others: it is halved as a whole.
    size = settings.round or (0 if sampler == "grid" else DEFAULT_ROUND if learns else LARGEST_ROUND)
    trials = _trials(space, sampler, settings, has_limit)
    plan = SearchPlan(
        space,
        compose,
        lines,
        sampler,
        settings.seed,
        trials,
        size,
        tuple(rounds_of(trials, size)),
        rungs,
        tuple(str(each.input_line) for each in swept if each.key_or_group != schema.MAX_STEPS),
        tuple(_fixed_values(space, middle, compose)),
        tuple(settings.when),
        settings.objective,
        settings.objective.endswith("accuracy"),
        settings.test == "all",
        settings.confirm,
        settings.confirm_seeds,
        settings.within_s,
        settings.within_steps,
        settings.patience,
    )
    sampler_of(sampler, space, settings.seed)
    if settings.within_steps is not None:
        plan = _within_steps(plan, settings.within_steps)
    return plan


def plan_of_record(record: SearchRecord, options: Options) -> SearchPlan:
    """The plan of a stored search; it needs neither the config that was named nor its folder.

    Args:
      record: what decides the search; Hydra is initialised.
      options: the names of the configs in each config group.

    Raises:
      ConfigError: the record is none of a search, or needs a model, a data set or a config that is not here.
    """
    steps = record.rungs
    _check(record)
    settings = replace(
        SEARCH_DEFAULTS,
        trials=record.trials,
        sampler=record.sampler,
        seed=record.seed,
        round=record.round_size or None,
        halving=len(steps) > 1,
        factor=record.factor,
        first_steps=steps[0] if len(steps) > 1 else None,
        objective=record.objective,
        confirm=record.confirm,
        confirm_seeds=record.confirm_seeds,
        when=tuple(record.when),
        test=record.test,
    )
    overrides = parse_overrides([*record.fixed, *record.space])
    plan = plan_of(overrides, settings, JobComposer("config", []), options, record.columns)
    if list(plan.rungs.steps) != steps:
        found, expected = (",".join(map(str, each)) for each in (steps, plan.rungs.steps))
        raise ConfigError([f"its rungs are {found}, but with these values they are {expected}"])
    return replace(plan, rounds=tuple(record.rounds), trials=record.trials, round_size=record.round_size)


CHECKED = tuple(
    each.name for each in fields(SearchConfig) if each.name in {own.name for own in fields(SearchRecord)}
)
"""Values of a record that are those of `search.*`."""


def _check(record: SearchRecord) -> None:
    """Check what nobody has typed.

    Raises:
      ConfigError: a value is none of a search.
    """
    values = {name: getattr(record, name) for name in CHECKED}
    mistakes = [
        f"search.{name}={value}: expected {FIELDS[f'search.{name}'].expected}"
        for name, value in values.items()
        if not (_has_type(name, value) and FIELDS[f"search.{name}"].allows(value))
    ]
    if not (type(record.columns) is int and record.columns >= 0):
        mistakes.append(f"columns: expected a whole number from 0 up, found {record.columns!r}")
    for name in ("rungs", "rounds"):
        value = getattr(record, name)
        if not (value and all(type(each) is int and each > 0 for each in value)):
            mistakes.append(f"{name}: expected whole numbers from 1 up, found {value}")
    if mistakes:
        raise ConfigError(mistakes)


def _has_type(name: str, value: object) -> bool:
    kind = FIELDS[f"search.{name}"].kind
    return type(value) is kind if kind in (int, str) else isinstance(value, list)


def first_round(plan: SearchPlan) -> list[TrainConfig]:
    """The configurations of the first round, at their full length.

    Raises:
      ConfigError: no validation images are held back.
    """
    proposer = Proposer(plan, sampler_of(plan.sampler, plan.space, plan.seed))
    proposals = proposer.propose(0, [])
    held_back = {proposal.config.data.validation_size for proposal in proposals}
    if 0 in held_back:
        why = "a search ranks trials on validation images; hold some back, such as data.validation_size=5000"
        raise ConfigError([f"data.validation_size=0: {why}"])
    return [proposal.config for proposal in proposals]


def _trials(space: Space, sampler: str, settings: SearchConfig, has_limit: bool) -> int:
    """Trials in all, at most."""
    count = space.count
    default = MOST_TRIALS if has_limit else count if sampler == "grid" and count else DEFAULT_TRIALS
    trials = settings.trials or default
    return trials if count is None else min(trials, count)


def _shared_columns(space: Space, middle: JobConfig) -> int:
    """Columns of a lane in products that lanes share; 0 where models or classes are searched."""
    if any(each.name.split(".")[0] in ("model", "data") for each in space.dimensions):
        return 0
    if not MODELS[middle.train.model.name].shares_products:
        return 0
    return spec_of(middle.train.data.key, middle.sweep.data.dir).num_classes


def _rungs(max_steps: int, settings: SearchConfig, columns: int) -> Rungs:
    first = settings.first_steps
    if first is not None and settings.halving and first > max_steps:
        raise ConfigError([f"search.first_steps={first}: expected at most max_steps={max_steps}"])
    return rungs_of(max_steps, first, settings.factor, settings.halving, columns)


def _within_steps(plan: SearchPlan, most: int) -> SearchPlan:
    """The plan with as many trials as a number of steps allows.

    Raises:
      ConfigError: not one trial and its confirming runs fit.
    """
    rounds = most_rounds(plan, most)
    if not rounds:
        least = replace(plan, rounds=(1,)).most_steps
        raise ConfigError([f"search.within_steps={most}: one trial with its confirming runs takes {least}"])
    return replace(plan, rounds=rounds, trials=sum(rounds))


def _fixed_values(space: Space, middle: Point, compose: Callable[[Point], TrainConfig]) -> Iterator[str]:
    """Overrides that set every field that no dimension sets, whatever the defaults are.

    A field that comes with a choice, as `optimizer.momentum` does with `optimizer=momentum`, is left out
    where the choices do not agree: the config group has its value.
    """
    base = complete_overrides(compose(middle))
    varying = {each.name for each in space.dimensions}
    for point in _choices(space):
        other = complete_overrides(compose(point))
        varying |= {line.partition("=")[0] for line in set(base) ^ set(other)}
    return (line for line in base if line.partition("=")[0] not in varying)


def _choices(space: Space) -> Iterator[Point]:
    """A point for each value of each dimension without an interval."""
    places = {each.name: 0.5 for each in space.dimensions if each.when is None}
    for dimension in space.dimensions:
        chosen = dict(places)
        if dimension.when is not None:
            other = next(each for each in space.dimensions if each.name == dimension.when[0])
            chosen[other.name] = (other.choices.index(dimension.when[1][0]) + 0.5) / len(other.choices)
        for index in range(len(dimension.choices)):
            place = (index + 0.5) / len(dimension.choices)
            yield space.at(
                [place if each is dimension else chosen.get(each.name, 0.5) for each in space.dimensions]
            )
