"""Decides a stored search again, without training: every proposal, every rung, the finalists.

The proposals of a round follow from the stored results of earlier rounds, the decisions of a rung from the
stored values of its trials. The first one that does not follow is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from swath.execution import why_at_full_length
from swath.searching.course import Course, RungDecided
from swath.searching.outcome import SearchOutcome, TrialState
from swath.searching.plan import SearchPlan
from swath.searching.replayed_ends import End, end_faults
from swath.searching.replayed_finish import Finish
from swath.searching.rungs import is_value
from swath.sweeps import StoredSearch, StoredTrial, drawn_by_others, rounds_of
from swath.tracking import schema

NOT_FOLLOWING = "the first decision that does not follow"


class _DoesNotFollowError(Exception):
    """The first decision that does not follow from the stored values, in one line."""


@dataclass
class Replayed:
    """What came of deciding a search again.

    Attributes:
      trials: trials whose proposals follow.
      rungs: rungs of rounds whose decisions follow.
      confirming: runs that confirm finalists, and follow.
      missing: what the search has not come to, a line each.
      fault: the first decision that does not follow, in one line; empty if all do.
    """

    trials: int = 0
    rungs: int = 0
    confirming: int = 0
    missing: list[str] = field(default_factory=list)
    fault: str = ""

    @property
    def text(self) -> str:
        """The verdict, in one line."""
        if self.fault:
            return f"differs: {self.fault} ({NOT_FOLLOWING})"
        parts = [
            _counted(self.trials, "trial"),
            f"{_counted(self.rungs, 'rung')} of rounds",
            _counted(self.confirming, "confirming run"),
        ]
        missing = f"; not there: {', '.join(self.missing)}" if self.missing else ""
        return f"every decision follows from the stored values: {', '.join(parts)}{missing}"


def replay(plan: SearchPlan, stored: StoredSearch) -> Replayed:
    """Decide a search again.

    Args:
      plan: that of its record; see `plan_of_record`.
      stored: the search.
    """
    return _Replay(plan, stored).run()


class _Replay:
    def __init__(self, plan: SearchPlan, stored: StoredSearch) -> None:
        self._plan = plan
        self._stored = stored
        self._outcome = SearchOutcome()
        self._course = Course(plan, self._outcome)
        self._found = Replayed()

    def run(self) -> Replayed:
        try:
            if self._stored.fault:
                raise _DoesNotFollowError(self._stored.fault)
            self._check_rounds()
            self._search()
            self._check_undecided()
            self._check_leftover()
            self._check_finish()
        except _DoesNotFollowError as error:
            self._found.fault = str(error)
        return self._found

    def _check_rounds(self) -> None:
        """Compare the sizes of the rounds with the number of trials; an extended search has those of both."""
        record = self._stored.record
        expected = rounds_of(record.trials, record.round_size)
        if not self._stored.is_resumed and list(self._plan.rounds) != expected:
            found, sizes = (" ".join(map(str, each)) for each in (self._plan.rounds, expected))
            raise _DoesNotFollowError(
                f"the rounds have {found} trials, but {record.trials} trials make rounds of {sizes}"
            )

    def _search(self) -> None:
        """Begin rounds and decide rungs, as far as the store has values."""
        last_round = max((each.round_number for each in self._stored.trials.values()), default=-1)
        advanced = True
        while advanced:
            advanced = False
            while self._course.may_begin_round and len(self._course.rounds) <= last_round:
                states = self._course.begin_round()
                for state in states:
                    self._check_proposal(state)
                self._take_values(states, 0)
                advanced = True
            for decided in self._course.decided():
                self._check_decided(decided)
                self._take_values(decided.going, decided.rung + 1)
                self._found.rungs += 1
                advanced = True

    def _trial(self, state: TrialState) -> StoredTrial | None:
        return self._stored.trials.get(state.proposal.number)

    def _check_proposal(self, state: TrialState) -> None:
        found, proposal = self._trial(state), state.proposal
        name = f"trial {proposal.number}"
        if found is None:
            if self._stored.has_ended:
                raise _DoesNotFollowError(f"{name} is missing, but the search has ended")
            self._found.missing.append(name)
            return
        if found.round_number != proposal.round_number:
            raise _DoesNotFollowError(
                f"{name} is one of round {found.round_number}, but it is proposed in round "
                f"{proposal.round_number}"
            )
        if found.point != dict(proposal.point):
            stored, proposed = (_shown(each) for each in (found.point, proposal.point))
            drawn = drawn_by_others(self._stored.record, self._plan.record)
            raise _DoesNotFollowError(f"{name} is {stored}, but {proposed} is proposed{drawn}")
        self._found.trials += 1

    def _take_values(self, states: "list[TrialState] | tuple[TrialState, ...]", rung: int) -> None:
        for state in states:
            found = self._trial(state)
            if found is not None and (known := self._value_at(found, rung)) is not None:
                state.values.append(known[0])

    def _value_at(self, found: StoredTrial, rung: int) -> tuple[float | None] | None:
        """The value of a trial at a rung, None if it failed; None if it has not come there."""
        steps = self._plan.rungs.steps[rung]
        has_failed = found.run.status == "FAILED"
        if steps not in found.at_rungs or (has_failed and rung == len(self._plan.rungs.steps) - 1):
            return (None,) if has_failed else None
        accuracy, loss = found.at_rungs[steps]
        value = loss if self._plan.objective == schema.VALIDATION_LOSS else accuracy
        return (value if is_value(value) else None,)

    def _check_decided(self, decided: RungDecided) -> None:
        """Compare the decisions of a rung with what became of its trials: first who went on, then why."""
        steps = self._plan.rungs.steps[decided.rung]
        if decided.is_last:
            for state in self._course.rounds[decided.round_number]:
                if len(state.values) == decided.rung + 1:
                    self._check_end(state, steps, why_at_full_length(steps), is_last=True)
            return
        _, _, decisions = self._outcome.decisions[-1]
        places = {each.trial: each for each in decisions}
        beyond = self._plan.rungs.steps[decided.rung + 1 :]
        for state in decided.going:
            found = self._trial(state)
            is_there = found is not None and any(step in found.at_rungs for step in beyond)
            if found is not None and found.has_ended and not is_there and found.run.status != "FAILED":
                place = places[state.proposal.number]
                raise _DoesNotFollowError(
                    f"trial {place.trial} was stopped at {steps:,} steps, but its value {place.value:.4f} is "
                    f"place {place.place} of {place.of}: it goes on"
                )
        for state, _ in decided.stopped:
            found, place = self._trial(state), places[state.proposal.number]
            if found is not None and any(step in found.at_rungs for step in beyond):
                value = "a failed one" if place.value is None else f"its value {place.value:.4f}"
                raise _DoesNotFollowError(
                    f"trial {place.trial} went on after {steps:,} steps, but {value} is place {place.place} "
                    f"of {place.of}, and {len(decided.going)} go on: it is stopped"
                )
        for state, why in decided.stopped:
            self._check_end(state, steps, why, is_last=False)

    def _check_end(self, state: TrialState, steps: int, why: str, *, is_last: bool) -> None:
        """Compare how a trial ended with what was decided of it."""
        found = self._trial(state)
        assert found is not None
        if not found.has_ended and not self._stored.has_ended:
            self._found.missing.append(f"the end of trial {found.number} at {steps:,} steps")
            return
        ended = End(state, steps, why, tests=is_last or self._plan.tests_all)
        fault = next(end_faults(found, ended, self._plan.rungs.steps), None)
        if fault is not None:
            raise _DoesNotFollowError(fault)

    def _check_undecided(self) -> None:
        """A rung that cannot be decided has stopped no trial, and none has gone on."""
        for number in range(len(self._course.rounds)):
            rung, states = self._course.at_rung(number)
            steps = self._plan.rungs.steps[rung]
            waiting = [state.proposal.number for state in states if len(state.values) <= rung]
            if not waiting:
                continue
            is_last = rung == len(self._plan.rungs.steps) - 1
            for state in states:
                found = self._trial(state)
                if found is None or len(state.values) <= rung or is_last:
                    continue
                if found.run.status == "FINISHED" or max(found.at_rungs, default=0) > steps:
                    raise _DoesNotFollowError(
                        f"trial {waiting[0]} has no value at {steps:,} steps, but what was decided of trial "
                        f"{found.number} there needs one"
                    )
            if self._stored.has_ended:
                raise _DoesNotFollowError(
                    f"trial {waiting[0]} has not come to {steps:,} steps, but the search has ended"
                )
            self._found.missing += [
                f"trial {each} at {steps:,} steps" for each in waiting if each in self._stored.trials
            ]

    def _check_leftover(self) -> None:
        """Trials that nobody proposes."""
        known = {state.proposal.number for state in self._outcome.trials}
        for number, found in sorted(self._stored.trials.items()):
            if number in known:
                continue
            began = found.round_number
            if began < len(self._course.rounds) or began >= len(self._plan.rounds):
                raise _DoesNotFollowError(f"trial {number} of round {began} is none that is proposed")
            raise _DoesNotFollowError(
                f"trial {number} of round {began} has begun before round {began - 2} ended"
            )
        left = sum(self._plan.rounds[len(self._course.rounds) :])
        if left and not self._course.is_exhausted:
            self._found.missing.append(f"the last {_counted(left, 'trial')}")

    def _check_finish(self) -> None:
        """Compare finalists, counts and the best run with what the store has."""
        rounds = range(len(self._course.rounds))
        has_ended = bool(rounds) and all(map(self._course.has_ended, rounds))
        finish = Finish(self._plan, self._stored, self._outcome.trials, has_ended)
        if (fault := next(finish.faults(), None)) is not None:
            raise _DoesNotFollowError(fault)
        self._found.confirming = finish.confirming
        self._found.missing += finish.missing


def _shown(point: Mapping[str, str] | None) -> str:
    return "unknown" if point is None else " ".join(f"{name}={text}" for name, text in point.items())


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
