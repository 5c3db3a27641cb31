"""Compares what followed the last rung of a stored search: the finalists, their seeds, and the best run."""

from collections.abc import Iterator, Sequence

from swath.analysis import answer_of, rank_sweep
from swath.config import TrainConfig
from swath.searching.confirming import finalists, with_other_seeds
from swath.searching.outcome import TrialState
from swath.searching.plan import SearchPlan
from swath.searching.replayed_ends import config_faults
from swath.sweeps import StoredSearch
from swath.tracking import schema


class Finish:
    """The end of a search.

    Args:
      plan: the search.
      stored: what the store has.
      trials: its trials, with the values that they have come to.
      has_ended: whether every round that has begun has ended.

    Attributes:
      confirming: runs that confirm finalists, and follow.
      missing: what the search has not come to, a line each.
    """

    def __init__(
        self, plan: SearchPlan, stored: StoredSearch, trials: Sequence[TrialState], has_ended: bool
    ) -> None:
        self._plan = plan
        self._stored = stored
        self._trials = trials
        self._has_ended = has_ended
        self.confirming = 0
        self.missing: list[str] = []

    def faults(self) -> Iterator[str]:
        """What does not follow, one line each."""
        yield from self._confirming_faults()
        yield from self._count_faults()
        yield from self._winner_faults()

    def _confirming_faults(self) -> Iterator[str]:
        """Finalists and seeds that are not those of the runs that confirm them."""
        best = finalists(self._plan, self._trials) if self._has_ended else []
        expected = {
            (state.proposal.number, config.seed): config
            for state in best
            for config in with_other_seeds(self._plan, state)
        }
        there: set[tuple[int, int]] = set()
        for run in self._stored.confirming:
            trial, seed = _number(run.tags.get(schema.SEARCH_TRIAL)), _number(run.params.get(schema.SEED))
            name = f"the run that confirms trial {trial} with seed {seed}"
            config = expected.get((trial, seed))
            if config is None and self._has_ended and not self._stored.is_resumed:
                yield f"{name} is there, but the finalists are {_shown(best)}"
            config = config or self._of_earlier_command(trial, seed)
            if config is None:
                yield f"{name} is there, but that trial is no finalist"
                continue
            if (trial, seed) in there:
                yield f"{name} is there twice"
            there.add((trial, seed))
            yield from config_faults(run, name, config)
            self.confirming += 1
            if run.status not in ("FINISHED", "FAILED"):
                self.missing.append(f"the end of {name}")
        for trial, seed in sorted(expected.keys() - there):
            name = f"the run that confirms trial {trial} with seed {seed}"
            if self._stored.has_ended and not self._stored.is_resumed:
                yield f"{name} is missing"
            self.missing.append(name)

    def _of_earlier_command(self, trial: int, seed: int) -> TrainConfig | None:
        """What confirms a finalist of the search before it was extended; None if that cannot be."""
        if not 0 <= trial < len(self._trials):
            return None
        state = self._trials[trial]
        came = len(state.values) == len(self._plan.rungs.steps)
        configs = {config.seed: config for config in with_other_seeds(self._plan, state)}
        return configs.get(seed) if came else None

    def _count_faults(self) -> Iterator[str]:
        """Numbers of runs that are not those that the summary counted at the end."""
        if not self._stored.has_ended or self._stored.is_resumed:
            return
        for status, tag in (("FINISHED", schema.FINISHED_COUNT), ("FAILED", schema.FAILED_COUNT)):
            count, found = self._stored.count(tag), sum(run.status == status for run in self._stored.runs)
            if count is not None and count != found:
                yield f"{found} runs are {status}, but at the end there were {count}"

    def _winner_faults(self) -> Iterator[str]:
        """The run that the summary names as the best, if it is another one."""
        named = self._stored.summary_run.tags.get(schema.BEST_RUN_ID)
        finished = [run for run in self._stored.runs if run.status == "FINISHED"]
        if not (self._stored.has_ended and finished) or named is None:
            return
        ranked, groups = rank_sweep(finished, self._plan.objective, {})
        best = answer_of(ranked, groups, self._stored.runs, (), self._plan.objective).best.run
        if best.run_id != named:
            yield f"run {named} is named as the best, but it is {best.run_id}"


def _number(text: str | None) -> int:
    """A number of a tag; -1 if it is none."""
    return int(text) if text is not None and text.isdecimal() else -1


def _shown(best: list[TrialState]) -> str:
    return ", ".join(f"trial {state.proposal.number}" for state in best) or "none"
