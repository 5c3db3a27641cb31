"""The search that a command describes: its space from the overrides, the rest from `search.*`."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from swath.config import JobComposer, Override, SearchConfig, TrainConfig, complete_overrides
from swath.errors import ConfigError
from swath.search.plan import DEFAULT_ROUND, DEFAULT_TRIALS, MOST_TRIALS, SearchPlan, most_rounds
from swath.search.proposing import Proposer
from swath.search.rungs import Rungs, rungs_of
from swath.search.sampling import sampler_of
from swath.search.space import Point, Space
from swath.search.space_of_overrides import Options, space_of
from swath.sweeps import rounds_of
from swath.tracking import schema


def plan_of(
    overrides: Sequence[Override], settings: SearchConfig, composer: JobComposer, options: Options
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
    space, longest = space_of(swept, settings, options)
    if longest is not None:
        fixed.append(f"{schema.MAX_STEPS}={longest}")

    def lines(point: Point) -> tuple[str, ...]:
        return (*fixed, *(f"{name}={text}" for name, text in point.items()))

    def compose(point: Point) -> TrainConfig:
        return composer.job(lines(point)).train

    middle = space.at([0.5] * len(space.dimensions))
    rungs = _rungs(compose(middle).max_steps, settings)
    sampler = settings.sampler or ("qmc" if any(each.is_number for each in space.dimensions) else "grid")
    has_limit = settings.within_s is not None or settings.within_steps is not None
    is_whole = sampler == "grid" or not (sampler == "tpe" or has_limit or settings.patience)
    size = settings.round or (0 if is_whole else DEFAULT_ROUND)
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


def _rungs(max_steps: int, settings: SearchConfig) -> Rungs:
    first = settings.first_steps
    if first is not None and settings.halving and first > max_steps:
        raise ConfigError([f"search.first_steps={first}: expected at most max_steps={max_steps}"])
    return rungs_of(max_steps, first, settings.factor, settings.halving)


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
    """Overrides that set every field that no dimension sets, whatever the defaults are."""
    base = complete_overrides(compose(middle))
    varying = {each.name for each in space.dimensions}
    for dimension in space.dimensions:
        for text in dimension.choices if dimension.when is None else ():
            other = complete_overrides(compose({**middle, dimension.name: text}))
            varying |= {line.partition("=")[0] for line in set(base) ^ set(other)}
    return (line for line in base if line.partition("=")[0] not in varying)
