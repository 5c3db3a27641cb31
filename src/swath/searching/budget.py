"""Whether another round of a search is within its limits: steps, seconds, patience."""

from dataclasses import replace

from swath.searching.course import Course
from swath.searching.limits import Clock, rounds_without_gain
from swath.searching.plan import SearchPlan
from swath.searching.rungs import is_value


class Budget:
    """The limits of a search.

    Args:
      plan: the search.
      course: its rounds so far.
      clock: the time that it has.
    """

    def __init__(self, plan: SearchPlan, course: Course, clock: Clock) -> None:
        self._plan = plan
        self._course = course
        self._clock = clock

    def end(self, number: int, trained: int) -> str:
        """Why a search ends before a round; empty if it does not.

        Args:
          number: of the round, from 0.
          trained: steps that this command has trained.
        """
        return self._steps_end(number) or self._time_ends(number, trained) or self._patience_ends(number)

    def allows(self, number: int, trained: int) -> bool | None:
        """Whether a round, what has begun and the confirming runs will end in time; None without a speed."""
        rungs, sizes = self._plan.rungs, self._plan.rounds
        finalists = sum(rungs.most_sizes(size)[-1] for size in sizes[: number + 1])
        left = sum(self._left(each) for each in range(number) if not self._course.has_ended(each))
        left += self._plan.confirming_steps(finalists)
        return self._clock.allows(trained, left, rungs.most_steps(sizes[number]))

    def _left(self, number: int) -> int:
        """Most steps that are left of a round that has begun."""
        steps = self._plan.rungs.steps
        states = self._course.rounds[number]
        done = sum(steps[len(state.values) - 1] for state in states if state.values)
        return self._plan.rungs.most_steps(len(states)) - done

    def _steps_end(self, number: int) -> str:
        """A resumed search has the rounds of earlier commands, which its plan did not count."""
        most, rounds = self._plan.within_steps, self._plan.rounds[: number + 1]
        if most is None or replace(self._plan, rounds=rounds).most_steps <= most:
            return ""
        return f"too few of the {most:,} steps of search.within_steps are left for another round"

    def _time_ends(self, number: int, trained: int) -> str:
        if self.allows(number, trained) is not False or not all(map(self._course.has_ended, range(number))):
            return ""
        return f"no time is left for another round in {self._plan.within_s:g} seconds"

    def _patience_ends(self, number: int) -> str:
        """Look for a gain in the rounds before the latest, which may not have ended."""
        if self._plan.patience is None:
            return ""
        last = len(self._plan.rungs.steps)
        ended = [
            [
                (float(state.last or 0.0), state.result)
                for state in states
                if len(state.values) == last and is_value(state.last)
            ]
            for states in self._course.rounds[: number - 1]
        ]
        without = rounds_without_gain(ended, self._plan.objective, self._plan.maximize)
        if without < self._plan.patience:
            return ""
        return f"{without} rounds without a gain that is more than chance"
