"""How far a search has come, for the display of its progress."""

from swath.execution import SearchStanding
from swath.searching.outcome import SearchOutcome
from swath.searching.plan import SearchPlan
from swath.searching.rungs import is_value, rank


def standing_of(
    plan: SearchPlan, outcome: SearchOutcome, running: int, confirming: int, left_s: float | None
) -> SearchStanding:
    """How far a search has come.

    Args:
      plan: the search.
      outcome: its trials and decisions so far.
      running: trials in training.
      confirming: runs that are left to confirm the finalists; 0 before.
      left_s: seconds that are left; None without a limit.
    """
    states, rungs = outcome.trials, plan.rungs.steps
    known = {state.proposal.number: state.last for state in states if is_value(state.last)}
    best = None
    if known:
        first = rank(known, plan.maximize)[0]
        point = states[first].proposal.point
        named = " ".join(f"{name}={text}" for name, text in point.items())
        best = (plan.objective, float(known[first] or 0.0), named)
    came = [sum(len(state.values) > rung for state in states) for rung in range(len(rungs))]
    stopped = sum(not decision.goes_on for _, _, decisions in outcome.decisions for decision in decisions)
    before = (0, *rungs)
    spent = sum(before[len(state.values)] for state in states)
    # A search with a clock plans no further than the rounds that have begun.
    most = plan.most_steps if left_s is None else plan.rungs.most_steps(len(states))
    left = confirming * rungs[-1] if confirming else max(most - spent, 0)
    return SearchStanding(
        len(states),
        plan.trials,
        running,
        stopped,
        tuple(zip(rungs, came, strict=True)),
        best,
        left,
        left_s,
        bool(confirming),
    )
