"""Carries out a search: begins rounds, decides rungs, ends and continues trials, confirms the finalists.

Which trials are proposed, stopped and promoted follows from values alone: see `Course`. The first rung of a
round is trained beside the later rungs of the one before, so that no core waits.
"""

import json
import time
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import replace

from swath.config import at_steps
from swath.errors import SwathError
from swath.execution import RunRequest, RunResult, Trial
from swath.planning import step_s
from swath.searching.budget import Budget
from swath.searching.confirming import by_mean, finalists, with_other_seeds
from swath.searching.course import Course
from swath.searching.limits import Clock
from swath.searching.outcome import Confirmed, SearchOutcome, TrialState
from swath.searching.plan import SearchPlan
from swath.searching.rungs import is_value
from swath.searching.samplers import library_of
from swath.searching.standing import standing_of
from swath.searching.trainer import Trainer
from swath.sweeps import PriorTrial
from swath.tracking import schema


class Search:
    """A search at work.

    Args:
      session: trains the trials and counts their results.
      plan: the search.
      note: shows a line to the user.
      clock: that of `Session.began`, in seconds.
      began: when the command began, on that clock, if that was before the session.
    """

    def __init__(
        self,
        session: Trainer,
        plan: SearchPlan,
        note: Callable[[str], None],
        clock: Callable[[], float] = time.perf_counter,
        began: float | None = None,
    ) -> None:
        if session.started.search is not None:  # with the rounds of earlier commands
            record = session.started.search
            rungs = replace(plan.rungs, columns=record.columns)
            plan = replace(plan, rounds=tuple(record.rounds), trials=sum(record.rounds), rungs=rungs)
        self._session = session
        self._plan = plan
        self._note = note
        self._clock = Clock(plan, clock, session.began if began is None else began)
        self.outcome = SearchOutcome()
        self._course = Course(plan, self.outcome)
        self._rounds = self._course.rounds
        self._budget = Budget(plan, self._course, self._clock)
        self._running: dict[Future[RunResult], TrialState] = {}
        self._stopped = self._is_time_over = False
        self._trained = 0
        self._ending: dict[Future[RunResult], TrialState] = {}
        self._resume = session.started.resume_plan
        self._stored = {} if self._resume is None else self._resume.trials()

    def run(self) -> SearchOutcome:
        """Search until nothing is left to begin."""
        try:
            self._run()
        finally:
            self._leave_open()
        return self.outcome

    def _leave_open(self) -> None:
        """Say of the trials that have not ended that they are interrupted; they can be resumed."""
        for future, state in (*self._running.items(), *self._ending.items()):
            self._session.expect(future, state.result)
        is_running = {id(state) for state in (*self._running.values(), *self._ending.values())}
        for state in self.outcome.trials:
            if state.result is not None and state.result.paused is not None and id(state) not in is_running:
                self._session.record(state.result)

    def _run(self) -> None:
        while True:
            self._begin_rounds()
            if self._decide_rungs():
                self._tell_standing()
                continue
            if not self._running:
                if self._may_begin_round() and not self._stopped:
                    continue
                break
            for future in self._wait(self._running):
                self._receive(self._running.pop(future), future)
        while open_ := [future for future in self._ending if not future.done()]:
            self._wait(open_)
        for future, state in self._ending.items():
            self._finish(state, future)
        self._ending = {}
        if not self._stopped:
            self._confirm()
        self._session.is_whole = not self._stopped
        self.outcome.is_cut_off = self._stopped and not self._is_time_over

    def _tell_standing(self, confirming: int = 0) -> None:
        """Tell the observer how far the search has come; `confirming` runs are left to confirm finalists."""
        running, left_s = len(self._running), self._clock.left_s
        self._session.tell(standing_of(self._plan, self.outcome, running, confirming, left_s))

    def _wait(self, running: Collection[Future[RunResult]]) -> Collection[Future[RunResult]]:
        """Wait until one has ended; if the time is over, stop those that have not."""
        ended, open_ = wait(running, self._clock.left_s, FIRST_COMPLETED)
        if open_ and self._clock.left_s == 0:
            self._end_by(f"the {self._plan.within_s:g} seconds of search.within_s are over")
            self._stopped = self._is_time_over = True
            self._session.stop(self.outcome.ended_by)
            ended = wait(running).done
        return ended

    def _end_by(self, why: str) -> None:
        if not self.outcome.ended_by:
            self.outcome.ended_by = why
            self._note(f"Search: {why}")

    def _may_begin_round(self) -> bool:
        number = len(self._rounds)
        if self._stopped or self.outcome.ended_by or not self._course.may_begin_round:
            return False
        if number == 0 or self._is_stored(number):  # limits say nothing of what has begun
            return True
        if why := self._budget.end(number, self._trained):
            self._end_by(why)
            return False
        in_time = self._budget.allows(number, self._trained)
        # Without any speed: a search that is resumed where all that has begun has ended.
        return not self._running if in_time is None else in_time

    def _is_stored(self, number: int) -> bool:
        """Whether an earlier command has begun a round."""
        first = sum(self._plan.rounds[:number])
        return any(trial in self._stored for trial in range(first, first + self._plan.rounds[number]))

    def _begin_rounds(self) -> None:
        while self._may_begin_round():
            states = self._course.begin_round()
            if self._course.is_exhausted:
                self._end_by(f"the space is exhausted after {len(self.outcome.trials)} trials")
            self._start(states, 0)
            self._tell_standing()

    def _start(self, states: Sequence[TrialState], rung: int) -> None:
        """Train trials to a rung, each from where it stands; the longest first, so cores end together."""
        steps = self._plan.rungs.steps
        is_last = rung == len(steps) - 1
        requests, started = [], []
        for state in sorted(states, key=lambda state: -step_s(state.proposal.config, 1)):
            if self._is_known(state, rung):
                continue
            requests.append(self._request(state, rung, is_last=is_last))
            started.append(state)
        if requests:
            self._clock.start()
            self._running |= dict(zip(self._session.start_trials(requests), started, strict=True))

    def _request(self, state: TrialState, rung: int, *, is_last: bool, why: str = "") -> RunRequest:
        proposal, before = state.proposal, state.result
        tests = self._plan.tests_all or rung == len(self._plan.rungs.steps) - 1
        point = json.dumps(proposal.point)
        trial = Trial(proposal.number, proposal.round_number, point, proposal.config, is_last, tests, why)
        request = RunRequest(
            at_steps(proposal.config, self._plan.rungs.steps[rung]),
            self._plan.overrides(proposal.point),
            self._session.kept,
            trial=trial,
        )
        if before is not None and before.paused is not None:
            return replace(request, start=before.paused.going_on, logger=before.logger)
        if proposal.number in self._stored and self._resume is not None:
            return self._resume.start_of_trial(proposal.number, request)
        return request

    def _is_known(self, state: TrialState, rung: int) -> bool:
        """Take the value of a trial at a rung from the store, if it is there.

        Raises:
          SwathError: the stored search is another one.
        """
        number, steps = state.proposal.number, self._plan.rungs.steps[rung]
        if number not in self._stored:
            return False
        stored, result = self._stored[number]
        if json.loads(stored.point) != dict(state.proposal.point):
            now = json.dumps(state.proposal.point)
            library = library_of(self._plan.sampler)
            changed = f"the search, or what draws its trials (here {library})," if library else "the search"
            raise SwathError(
                f"trial {number} of the stored search is {stored.point}, now {now}: {changed} has changed; "
                "start a new one without resume"
            )
        config = at_steps(state.proposal.config, steps)
        has_failed = self._has_failed(stored)
        if has_failed and steps not in stored.at_rungs:
            state.result = result(state.proposal.config)
            state.values.append(None)
            self._record(state)
            return True
        if steps not in stored.at_rungs:
            if stored.steps is not None:
                raise SwathError(_not_following(number, stored.steps, "goes on"))
            return False
        accuracy, loss = stored.at_rungs[steps]
        value = loss if self._plan.objective == schema.VALIDATION_LOSS else accuracy
        is_last = rung == len(self._plan.rungs.steps) - 1
        is_lost = is_last and stored.run.status == "FAILED"
        state.values.append(None if is_lost or not is_value(value) else value)
        if has_failed and (is_last or steps == max(stored.at_rungs)):
            state.result = result(config)
            if is_last:
                self._record(state)
            return True
        if stored.steps == steps:
            state.result = result(config)
            if rung == len(self._plan.rungs.steps) - 1:
                self._record(state)
        elif rung == len(self._plan.rungs.steps) - 1:  # evaluated, and not ended for good
            request = self._request(state, rung, is_last=True)
            self._ending |= dict(zip(self._session.start_trials([request]), [state], strict=True))
        return True

    def _has_failed(self, stored: PriorTrial) -> bool:
        """Whether a stored trial has failed for good, rather than being trained again."""
        is_kept = stored.steps is not None or (self._resume is not None and self._resume.mode == "open")
        return stored.run.status == "FAILED" and is_kept

    def _receive(self, state: TrialState, future: Future[RunResult]) -> None:
        """Note what came of a trial at a rung."""
        if future.cancelled():
            self._stopped = True
            return
        result = future.result()
        state.result = result
        state.trained += result.trained_steps
        self._trained += result.trained_steps
        if result.status == "KILLED":  # it has not come to the rung
            self._stopped = True
            self._record(state)
            return
        value = result.metrics.get(self._plan.objective)
        came = result.status in ("PAUSED", "FINISHED") and is_value(value)
        state.values.append(value if came else None)
        if result.is_transient:
            self._stopped = True  # a disk that is full says nothing of a trial, so its rung is not decided
        if result.paused is None:
            self._record(state)

    def _decide_rungs(self) -> bool:
        """Decide every rung to which all of its trials have come; returns whether there was one."""
        decided = False
        for each in self._course.decided() if not self._stopped else ():
            decided = True
            self._start(each.going, each.rung + 1)  # first, so that they train while the others are stored
            for state, why in each.stopped:
                self._end(state, why, each.rung)
        return decided

    def _record(self, state: TrialState) -> None:
        """Count a trial that has ended for good among the results of the sweep."""
        assert state.result is not None
        self._session.record(replace(state.result, trained_steps=state.trained))

    def _end(self, state: TrialState, why: str, rung: int) -> None:
        """End a trial for good at the rung where it stands."""
        steps = self._plan.rungs.steps[rung]
        result, stored = state.result, self._stored.get(state.proposal.number)
        if result is not None and result.paused is not None:
            request = replace(self._request(state, rung, is_last=True, why=why), start=None)
            future = self._session.end_trial(result, request, why)
            if future.done():
                self._finish(state, future)
            else:  # it is stored again
                self._ending[future] = state
        elif stored is None or (state.last is None and steps not in stored[0].at_rungs):
            return  # it has failed, and is recorded
        elif self._has_failed(stored[0]):
            self._record(state)  # its loss was not finite at the rung
        elif stored[0].steps is None:
            if max(stored[0].at_rungs) > steps:
                raise SwathError(_not_following(state.proposal.number, steps, "is stopped"))
            request = self._request(state, rung, is_last=True, why=why)
            self._ending |= dict(zip(self._session.start_trials([request]), [state], strict=True))
        elif stored[0].steps != steps:
            raise SwathError(_not_following(state.proposal.number, steps, "is stopped"))
        elif result is not None:
            self._record(state)

    def _finish(self, state: TrialState, future: Future[RunResult]) -> None:
        """Record a trial that an earlier command had trained and not ended."""
        if future.cancelled():
            self._stopped = True
            return
        state.result = future.result()
        self._stopped = self._stopped or state.result.status == "KILLED" or state.result.is_transient
        self._record(state)

    def _confirm(self) -> None:
        """Train the finalists with other seeds; the mean names the winner."""
        best = finalists(self._plan, self.outcome.trials)
        if not best:
            return
        requests, owners = [], []
        for state in best:
            number = state.proposal.number
            for config in with_other_seeds(self._plan, state):
                tags = {schema.SEARCH_STAGE: schema.CONFIRM, schema.SEARCH_TRIAL: str(number)}
                overrides = (*self._plan.overrides(state.proposal.point), f"seed={config.seed}")
                requests.append(RunRequest(config, overrides, self._session.kept, tags=tags))
                owners.append(number)
        found = {state.proposal.number: [float(state.last or 0.0)] for state in best}
        futures = self._session.start(requests)
        self._tell_standing(confirming=len(requests))
        while open_ := [future for future in futures if not future.done()]:
            self._wait(open_)
        for number, future in zip(owners, futures, strict=True):
            if future.cancelled():
                self._stopped = True
                continue
            result = future.result()
            self._stopped = self._stopped or (result.status == "KILLED" and not result.reused)
            value = result.metrics.get(self._plan.objective)
            if result.status == "FINISHED" and value is not None and is_value(value):
                found[number].append(value)
        confirmed = [Confirmed(number, tuple(values)) for number, values in found.items()]
        self.outcome.confirmed = by_mean(self._plan, confirmed)


def _not_following(number: int, steps: int, what: str) -> str:
    """The line about a stored search whose decisions are others."""
    return (
        f"trial {number} {what} at {steps} steps, but not in the stored search: it was made with other "
        "settings, or a value in the store has changed; start a new one without resume"
    )
