"""The course of a search: what its rounds propose, and what follows from the values at their rungs.

It is the same for a search at work and for one that is read from a store. Round k begins when round k - 2 has
ended; its proposals know the rounds before k - 1.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from swath.config import shared_key
from swath.searching.outcome import SearchOutcome, TrialState
from swath.searching.plan import SearchPlan
from swath.searching.proposing import Proposer
from swath.searching.rungs import decide, stopped_because
from swath.searching.samplers import sampler_of
from swath.searching.sampling import Told


@dataclass(frozen=True)
class RungDecided:
    """What was decided at a rung of a round.

    Attributes:
      round_number: of the round, from 0.
      rung: index of the rung.
      is_last: whether it is the last one, at which all trials have their full length.
      stopped: the trials that end here, and why; best first, empty at the last rung.
      going: the trials that go on; empty at the last rung.
    """

    round_number: int
    rung: int
    is_last: bool
    stopped: tuple[tuple[TrialState, str], ...] = ()
    going: tuple[TrialState, ...] = ()


class Course:
    """Rounds, rungs and decisions of a search.

    Args:
      plan: the search.
      outcome: receives its trials and decisions.

    Attributes:
      rounds: the trials of each round that has begun.
    """

    def __init__(self, plan: SearchPlan, outcome: SearchOutcome) -> None:
        self._plan = plan
        self._outcome = outcome
        self._proposer = Proposer(plan, sampler_of(plan.sampler, plan.space, plan.seed))
        self._rungs: list[int] = []
        self._at_rung: list[list[TrialState]] = []
        self.rounds: list[list[TrialState]] = []

    @property
    def is_exhausted(self) -> bool:
        """Whether the space has no further point."""
        return self._proposer.is_exhausted

    @property
    def may_begin_round(self) -> bool:
        """Whether the next round can be proposed."""
        number = len(self.rounds)
        is_planned = number < len(self._plan.rounds) and not self.is_exhausted
        return is_planned and (number < 2 or self.has_ended(number - 2))

    def begin_round(self) -> list[TrialState]:
        """Propose the trials of the next round."""
        number = len(self.rounds)
        states = [TrialState(each) for each in self._proposer.propose(number, self._told(number - 1))]
        self.rounds.append(states)
        self._rungs.append(0)
        self._at_rung.append(states)
        self._outcome.trials += states
        return states

    def has_ended(self, number: int) -> bool:
        """Whether every trial of a round has ended."""
        return not self._at_rung[number]

    def at_rung(self, number: int) -> tuple[int, list[TrialState]]:
        """Where a round stands: index of the rung, and the trials that are trained to it."""
        return self._rungs[number], self._at_rung[number]

    def decided(self) -> Iterator[RungDecided]:
        """Decide, round by round, the rung to which all of its trials have come."""
        for number, states in enumerate(self._at_rung):
            rung = self._rungs[number]
            if states and all(len(state.values) > rung for state in states):
                yield self._decide(number, rung, states)

    def _decide(self, number: int, rung: int, states: list[TrialState]) -> RungDecided:
        if rung == len(self._plan.rungs.steps) - 1:
            self._at_rung[number] = []
            return RungDecided(number, rung, True)
        values = {state.proposal.number: state.values[rung] for state in states}
        groups = {state.proposal.number: shared_key(state.proposal.config, "group") for state in states}
        rungs = self._plan.rungs
        by_value = rungs.sizes(len(self.rounds[number]))[rung + 1]
        decisions = decide(values, by_value, self._plan.maximize, groups, rungs.columns)
        self._outcome.decisions.append((number, rung, decisions))
        by_number = {state.proposal.number: state for state in states}
        going = {each.trial for each in decisions if each.goes_on}
        steps = rungs.steps[rung]
        stopped = tuple(
            (by_number[each.trial], stopped_because(each, steps)) for each in decisions if not each.goes_on
        )
        self._at_rung[number] = [state for state in states if state.proposal.number in going]
        self._rungs[number] = rung + 1
        return RungDecided(number, rung, False, stopped, tuple(self._at_rung[number]))

    def _told(self, rounds: int) -> list[Told]:
        """Results of the first rounds, with larger values for better ones."""
        sign = 1.0 if self._plan.maximize else -1.0
        return [
            Told(state.proposal.point, rung, None if value is None else sign * value)
            for states in self.rounds[: max(0, rounds)]
            for state in states
            for rung, value in enumerate(state.values)
        ]
