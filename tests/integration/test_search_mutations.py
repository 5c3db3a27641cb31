"""Every change to the store of a search is noticed: by its decisions, or by the numbers of its runs."""

import random
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.command import swath
from support.search_mutations import CHANGES, SEARCH, SearchStore, confirming_value, identity, rung_value

from swath.analysis import Verdict, not_reproducible, verdict_on
from swath.cli.reproduce_search import verdict_on_decisions
from swath.execution import Event, SweepInfo
from swath.sweeps import CannotReproduceError, Repeater, original_of
from swath.tracking import InMemoryTracker, open_reader

SEEDS = 11 * len(CHANGES)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SearchStore:
    """The store of a search."""
    folder = tmp_path_factory.mktemp("search")
    done = swath(folder, *SEARCH)
    assert done.returncode == 0, done.stderr
    return SearchStore(folder)


def _ignore(event: Event) -> None:
    pass


class Reproducer:
    """Reproduces the runs of a search in this process; what has been trained is kept."""

    def __init__(self, folder: Path) -> None:
        self._uri = f"sqlite:///{folder}/mlflow.db"
        self._repeater = Repeater(SweepInfo("reproduction", "id", ()), InMemoryTracker(), _ignore)
        self._trained: dict[object, tuple[Any, Any]] = {}

    def decisions(self, sweep_id: str) -> Verdict:
        found = verdict_on_decisions(open_reader(self._uri), sweep_id)
        assert found is not None
        return found

    def numbers(self, run_ids: list[str]) -> list[Verdict]:
        reader = open_reader(self._uri)
        return [self._numbers(reader, run_id) for run_id in run_ids]

    def _numbers(self, reader: Any, run_id: str) -> Verdict:
        run = reader.run(run_id)
        if run is None:
            return not_reproducible("it is deleted")
        try:
            original = original_of(reader, run, None)
            self._repeater.check_data(original)
        except CannotReproduceError as error:
            return not_reproducible(str(error))
        curve = original.numbers.curves.get("rung/accuracy")
        key = (
            original.config,
            None if curve is None else curve.steps.tobytes(),
            "test/accuracy" in run.metrics,
        )
        if key not in self._trained:
            (self._trained[key],) = self._repeater.repeat([original])
        result, numbers = self._trained[key]
        return verdict_on(original.numbers, numbers, run.tags.get("swath.bits", ""), result.digest, None)


@pytest.fixture(scope="module")
def reproducer(store: SearchStore) -> Reproducer:
    return Reproducer(store.folder)


def test_unchanged_search_follows_and_is_identical(store: SearchStore, reproducer: Reproducer) -> None:
    decided = reproducer.decisions(store.sweep_id)
    assert (decided.kind, decided.text) == (
        "identical",
        "every decision follows from the stored values: 24 trials, 9 rungs of rounds, 4 confirming runs",
    )
    run_ids = [*store.trials, *store.confirming]
    assert {verdict.kind for verdict in reproducer.numbers(run_ids)} == {"identical"}


def test_every_change_is_noticed(store: SearchStore, reproducer: Reproducer) -> None:
    by_decisions: Counter[str] = Counter()
    by_numbers: Counter[str] = Counter()
    for seed in range(SEEDS):
        change = CHANGES[seed % len(CHANGES)]
        try:
            what = change(random.Random(seed), store)
            decided = reproducer.decisions(store.sweep_id)
            if decided.kind != "identical":
                assert decided.kind == "not_reproducible" or "does not follow" in decided.text, decided.text
                by_decisions[change.__name__] += 1
                continue
            changed = [run_id for run_id in (*store.trials, *store.confirming) if run_id in what]
            kinds = {verdict.kind for verdict in reproducer.numbers(changed)}
            assert kinds != {"identical"}, f"seed {seed}: {what}: not noticed"
            by_numbers[change.__name__] += 1
        finally:
            store.undo()
    assert sum(by_decisions.values()) + sum(by_numbers.values()) == SEEDS
    assert sum(by_decisions.values()) > 0.8 * SEEDS
    # Only values that no decision depends on, and the digest of the numbers, are left to the numbers.
    assert set(by_numbers) <= {each.__name__ for each in (rung_value, confirming_value, identity)}
    assert reproducer.decisions(store.sweep_id).kind == "identical"
