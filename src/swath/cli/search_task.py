"""Runs a search as the task of a command, and prints how it went."""

import time
from collections import Counter

from swath.cli.output import Output
from swath.cli.tables import TableData, counted
from swath.execution import Note
from swath.searching import Search, SearchOutcome, SearchPlan
from swath.sweeps import Session
from swath.system import process_age_s
from swath.tracking import schema


class SearchTask:
    """A function that searches, and keeps the outcome."""

    def __init__(self, session: Session, plan: SearchPlan) -> None:
        self._session, self._held_back = session, plan.held_back
        began = time.perf_counter() - process_age_s()
        self._search = Search(session, plan, lambda line: session.tell(Note(line)), began=began)
        self.outcome: SearchOutcome | None = None

    def __call__(self) -> None:
        """Search until nothing is left to begin."""
        self.outcome = self._search.outcome
        if self._held_back:
            self._session.tell(Note(f"held back to rank trials: {self._held_back:,} training images"))
        self._search.run()


def print_search(outcome: SearchOutcome, plan: SearchPlan, output: Output) -> None:
    """Print the rungs, and the confirmed finalists."""
    output.table(_rungs(outcome, plan))
    for place, confirmed in enumerate(outcome.confirmed, start=1):
        point = outcome.trials[confirmed.trial].proposal.point
        named = " ".join(f"{name}={text}" for name, text in point.items())
        values = ", ".join(f"{value:.4f}" for value in confirmed.values)
        seeds = counted(len(confirmed.values), schema.SEED)
        output.say(f"Confirmed {place}: {named}: {confirmed.mean:.4f} on average over {seeds} ({values})")


def _rungs(outcome: SearchOutcome, plan: SearchPlan) -> TableData:
    came = Counter(rung for state in outcome.trials for rung in range(len(state.values)))
    failed = Counter(
        len(state.values) - 1
        for state in outcome.trials
        if state.values and state.result is not None and state.result.status == "FAILED"
    )
    rows = [
        [f"{steps:,}", str(came[rung]), str(came[rung + 1]), str(failed[rung])]
        for rung, steps in enumerate(plan.rungs.steps)
    ]
    return TableData(["rung (steps)", "trials", "went on", "failed"], rows)
