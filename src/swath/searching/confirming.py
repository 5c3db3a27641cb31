"""The finalists of a search, and the seeds with which they are trained again."""

from collections.abc import Sequence
from dataclasses import replace

from swath.config import TrainConfig
from swath.searching.outcome import Confirmed, TrialState
from swath.searching.plan import SearchPlan
from swath.searching.rungs import is_value, rank


def finalists(plan: SearchPlan, trials: Sequence[TrialState]) -> list[TrialState]:
    """The trials that are confirmed, best first: of those that came to the last rung and have a value."""
    last = len(plan.rungs.steps)
    values = {state.proposal.number: state.last for state in trials if len(state.values) == last}
    best = [number for number in rank(values, plan.maximize) if is_value(values[number])]
    return [trials[number] for number in best[: plan.confirm]]


def with_other_seeds(plan: SearchPlan, finalist: TrialState) -> list[TrainConfig]:
    """The configurations that confirm a finalist."""
    config = finalist.proposal.config
    return [replace(config, seed=config.seed + offset) for offset in range(1, plan.confirm_seeds + 1)]


def by_mean(plan: SearchPlan, confirmed: Sequence[Confirmed]) -> list[Confirmed]:
    """Confirmed finalists, best mean first."""
    sign = -1.0 if plan.maximize else 1.0
    return sorted(confirmed, key=lambda each: (sign * each.mean, each.trial))
