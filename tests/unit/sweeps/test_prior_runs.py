"""Which stored runs a resume reuses."""

from pathlib import Path
from typing import Any

import pytest

from swath.config import KeptSteps
from swath.models import ARITHMETIC
from swath.sweeps.manifest import ResumeRequest, RunKey
from swath.sweeps.prior_runs import PriorRuns
from swath.tracking import StoredRun, schema

HERE = {
    schema.TENSORFLOW: "2.21.0",
    schema.ARITHMETIC: ARITHMETIC,
    schema.KERNELS: "x86-64 with FMA",
    schema.ONEDNN: "1",
}


class StoredRuns:
    """A reader of some runs."""

    def __init__(self, *runs: StoredRun) -> None:
        self._runs = list(runs)

    def runs(self, *_: object) -> list[StoredRun]:
        return self._runs


OWN = "0123456789ab"


def run(run_id: str, sweep_id: str, start_ms: int, kind: str = "run", **more: Any) -> StoredRun:
    tags = {
        **HERE,
        schema.KIND: kind,
        schema.SWEEP: "grid" if sweep_id == OWN else "ad-hoc",
        schema.SWEEP_ID: sweep_id,
        schema.FINGERPRINT: "f",
        schema.DATA_DIGEST: "d",
        **more.get("tags", {}),
    }
    params = more.get("params", {"batch_size": "10"})
    return StoredRun(run_id, "1", run_id, "FINISHED", start_ms, start_ms + 1, "", params, {}, tags, {})


def prior_runs(tmp_path: Path, *runs: StoredRun, force: bool = False) -> PriorRuns:
    request = ResumeRequest("grid", True, (KEY,), HERE, str(tmp_path), force)
    reader: Any = StoredRuns(*runs)
    return PriorRuns(reader, "1", request)


KEY = RunKey("f", "d", "lane", 10, KeptSteps(), 0)


def summary() -> StoredRun:
    return run("summary", OWN, 0, kind="sweep")


def test_finished_run_of_another_sweep_is_reused(tmp_path: Path) -> None:
    (found,) = prior_runs(tmp_path, run("other", "else", 1)).before([KEY])
    assert (found.run_id, found.finished) == ("other", True)


@pytest.mark.parametrize("tag", sorted(HERE))
def test_finished_run_of_another_environment_is_not_reused(tmp_path: Path, tag: str) -> None:
    other = run("other", "else", 1, tags={tag: "changed"})
    (found,) = prior_runs(tmp_path, other).before([KEY])
    assert found.run_id is None
    (found,) = prior_runs(tmp_path, other, force=True).before([KEY])
    assert found.run_id == "other"


def test_run_of_the_sweep_itself_is_preferred_to_a_later_one(tmp_path: Path) -> None:
    found = prior_runs(tmp_path, summary(), run("mine", OWN, 1), run("later", "else", 2))
    assert [each.run_id for each in found.before([KEY])] == ["mine"]
    assert found.others() == []


def test_run_is_used_for_one_configuration_only(tmp_path: Path) -> None:
    found = prior_runs(tmp_path, run("first", "else", 1), run("second", "else", 2))
    used = [found.before([KEY])[0].run_id for _ in range(3)]
    assert used == ["second", "first", None]


def test_run_that_was_killed_before_it_was_described_is_left_out(tmp_path: Path) -> None:
    undescribed = run("undescribed", OWN, 3, params={}, tags={schema.FINGERPRINT: "g"})
    found = prior_runs(tmp_path, summary(), run("mine", OWN, 1), undescribed)
    found.before([KEY])
    assert found.others() == []


@pytest.mark.parametrize(("tested", "reused"), [(True, "trial"), (False, None)])
def test_trial_of_a_search_is_reused_only_if_it_has_a_test_accuracy(
    tested: bool, reused: str | None, tmp_path: Path
) -> None:
    trial = run("trial", "fedcba987654", 1, tags={schema.SEARCH_STAGE: schema.TRIAL})
    if tested:
        trial.metrics[schema.TEST_ACCURACY] = 0.4
    (found,) = prior_runs(tmp_path, summary(), trial).before([KEY])
    assert found.run_id == reused


def test_a_finished_run_is_sent_with_the_tags_that_its_result_is_made_of(tmp_path: Path) -> None:
    needed = {
        schema.TRAIN_ACCURACY_TAG: "0.5",
        schema.BITS: "b",
        schema.DATA_SIZES: "{}",
        schema.SEARCH_STAGE: schema.CONFIRM,
    }
    found = prior_runs(tmp_path, summary(), run("a", OWN, 1, tags=needed))
    (before,) = found.before([KEY])
    assert (before.run_id, before.tags) == ("a", needed)
