"""`swath-reproduce` detects every mutation of a store, and reports an unchanged store as identical."""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.command import swath
from support.mutations import MUTATIONS, copy_store, flip_bit_of_array, repair_digests

from swath.analysis import Verdict, not_reproducible, run_with, verdict_on
from swath.execution import Event, RunResult, SweepInfo
from swath.sweeps import CannotReproduceError, Repeater, original_of
from swath.tracking import InMemoryTracker, open_reader

SEEDS = 250
RUN = (
    "data=digits",
    "data.validation_size=100",
    "batch_size=20",
    "learning_rate=1e-6",
    "max_steps=30",
    "seed=3",
)


def _ignore(event: Event) -> None:
    pass


class Reproducer:
    """Reproduce runs in one process; the training is cached."""

    def __init__(self) -> None:
        self._repeater = Repeater(SweepInfo("reproduction", "id", ()), InMemoryTracker(), _ignore)
        self._trained: dict[object, tuple[RunResult, object]] = {}

    def verdict(self, folder: Path, run_id: str) -> Verdict:
        reader = open_reader(f"sqlite:///{folder}/mlflow.db")
        try:
            original = original_of(reader, run_with(reader, run_id), None)
            self._repeater.check_data(original)
        except CannotReproduceError as error:
            return not_reproducible(str(error))
        if original.config not in self._trained:
            (self._trained[original.config],) = self._repeater.repeat([original])
        result, numbers = self._trained[original.config]
        return verdict_on(
            original.numbers, numbers, original.run.tags.get("swath.bits", ""), result.digest, None
        )  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A store with one small run."""
    folder = tmp_path_factory.mktemp("mutations") / "original"
    folder.mkdir()
    done = swath(folder, *RUN)
    assert done.returncode == 0, done.stderr
    (place,) = (folder / "mlruns").glob("*/*/artifacts")
    return folder, place.parent.name


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "changed"
    shutil.rmtree(tmp_path / "changed", ignore_errors=True)


def test_unchanged_copy_is_identical(store: tuple[Path, str], scratch: Path) -> None:
    copy_store(store[0], scratch)
    assert Reproducer().verdict(scratch, store[1]).kind == "identical"


def test_every_mutation_is_detected(store: tuple[Path, str], scratch: Path) -> None:
    folder, run_id = store
    reproducer = Reproducer()
    found: Counter[str] = Counter()
    for seed in range(SEEDS):
        chosen = random.Random(seed)
        mutation = MUTATIONS[seed % len(MUTATIONS)]
        copy_store(folder, scratch)
        what = mutation(chosen, scratch, run_id)
        if mutation is flip_bit_of_array:
            repair_digests(scratch, run_id)  # so that the numbers themselves must reveal the change
        verdict = reproducer.verdict(scratch, run_id)
        assert verdict.kind in ("differs", "not_reproducible"), f"seed {seed}: {what}: {verdict.text}"
        found[f"{mutation.__name__}: {verdict.kind}"] += 1
        shutil.rmtree(scratch)
    assert found["flip_bit_of_array: differs"] > 25
    assert found["change_value: differs"] > 25
    assert found["delete_file: not_reproducible"] > 25
