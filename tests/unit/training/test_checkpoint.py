"""Checkpoints: damaged ones are refused, and the latest usable one is used."""

import io
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swath.config import KeptSteps
from swath.errors import SwathError
from swath.sweeps.manifest import RunKey
from swath.sweeps.resume_points import FROM_START, ResumePoints
from swath.tracking import Curve, StoredRun
from swath.training import (
    WAITING,
    CheckpointFiles,
    CheckpointWriter,
    DamagedCheckpointError,
    LaneCheckpoint,
    ResultDigest,
    TrainState,
    decode,
)
from swath.training.checkpoint import encode

ASKED = RunKey("fingerprint", "digest", "lane-a", 1_000, KeptSteps(), 0)


def train_state(step: int) -> TrainState:
    generator = np.random.default_rng(step)
    weights = generator.normal(size=(6, 10)).astype(np.float32)
    arrays = {"weights": weights, "biases": weights[0], "velocity/weights": -weights}
    return TrainState(step, arrays, bytes(range(64 + step % 7)), np.linspace(0, 1, 5), 1.5, 0.25, 2.25)


def lanes(step: int) -> list[LaneCheckpoint]:
    return [LaneCheckpoint("lane-a", train_state(step)), LaneCheckpoint("lane-b", train_state(step))]


def stored_run(last_step: int) -> StoredRun:
    steps = {"train/accuracy": last_step, "train/loss": last_step}
    return StoredRun("id", "1", "", "KILLED", 0, 0, "", last_steps=steps)


def resume_points(folder: Path) -> ResumePoints:
    no_reader: Any = None
    return ResumePoints(no_reader, [], folder)


def save_checkpoints(folder: Path, *steps: int) -> None:
    for step in steps:
        CheckpointFiles().save_checkpoint(str(folder), "group", step, encode(lanes(step)))


def contents(found: list[LaneCheckpoint]) -> list[object]:
    """The content of a checkpoint as comparable values."""
    return [
        (
            lane.key,
            lane.state.step,
            {name: array.tobytes() for name, array in lane.state.arrays.items()},
            lane.state.digest,
            lane.state.last_accuracies.tobytes(),
            lane.state.train_s,
            lane.state.evaluate_s,
            lane.state.last_loss,
        )
        for lane in found
    ]


def test_decoded_checkpoint_is_bit_identical_to_the_encoded_one() -> None:
    assert contents(decode(encode(lanes(70)))) == contents(lanes(70))


def test_checkpoint_of_an_earlier_version_has_no_last_loss() -> None:
    with np.load(io.BytesIO(encode(lanes(70)))) as arrays:
        found = {name: array for name, array in arrays.items() if name != "last_loss"}
    earlier = io.BytesIO()
    np.savez(earlier, **found)
    assert all(np.isnan(lane.state.last_loss) for lane in decode(earlier.getvalue()))


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_truncated_checkpoint_is_refused(part: float) -> None:
    whole = encode(lanes(70))
    with pytest.raises(DamagedCheckpointError):
        decode(whole[: int(part * len(whole))])


def test_every_flipped_bit_is_refused_or_changes_nothing() -> None:
    whole, expected = bytearray(encode(lanes(3)[:1])), contents(lanes(3)[:1])
    harmless = 0
    for place in range(len(whole)):
        whole[place] ^= 1 << place % 8
        try:
            # Timestamps and version numbers of the archive do not belong to the checkpoint.
            assert contents(decode(bytes(whole))) == expected, f"byte {place} changed the content unnoticed"
            harmless += 1
        except DamagedCheckpointError:
            pass
        whole[place] ^= 1 << place % 8
    assert harmless < len(whole) / 4


def test_checkpoint_of_the_earlier_format_is_named() -> None:
    with pytest.raises(DamagedCheckpointError, match="format of an earlier version"):
        decode(b"swath checkpoint 1\n" + b"0" * 64 + b"content")


def test_last_two_checkpoints_are_kept_and_damaged_ones_are_passed_over(tmp_path: Path) -> None:
    save_checkpoints(tmp_path, 100, 200, 300)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "group-000000000200.checkpoint",
        "group-000000000300.checkpoint",
    ]
    found, prefix_metrics = resume_points(tmp_path).of(ASKED, stored_run(999))
    assert found is not None
    assert (found.step, prefix_metrics) == (300, ())
    last = tmp_path / "group-000000000300.checkpoint"
    last.write_bytes(last.read_bytes()[:-1])
    after = resume_points(tmp_path)
    found, _ = after.of(ASKED, stored_run(999))
    assert found is not None
    assert found.step == 200
    (line,) = after.set_aside
    assert str(last) in line


def test_checkpoint_ahead_of_the_stored_steps_is_not_used(tmp_path: Path) -> None:
    save_checkpoints(tmp_path, 100, 200)
    found, _ = resume_points(tmp_path).of(ASKED, stored_run(198))  # step 199 is missing
    assert found is not None
    assert found.step == 100
    assert resume_points(tmp_path).of(ASKED, stored_run(50)) == FROM_START
    assert resume_points(tmp_path).of(ASKED, None) == FROM_START


def test_checkpoint_at_or_after_the_last_step_is_not_used(tmp_path: Path) -> None:
    save_checkpoints(tmp_path, 1_000)
    assert resume_points(tmp_path).of(ASKED, stored_run(999)) == FROM_START


class FileReader:
    """A reader of a run whose files have these steps; None if one is damaged."""

    def __init__(self, steps: list[int] | None) -> None:
        self._steps = steps

    def curves(self, run_ids: list[str], metrics: tuple[str, ...]) -> list[Curve]:
        if self._steps is None:
            raise SwathError("curves/k/000001.parquet is damaged")
        steps = np.array(self._steps, np.int64)
        return [Curve(run_id, name, steps, steps / 2) for run_id in run_ids for name in metrics]


@pytest.mark.parametrize(
    ("steps", "step"),
    [
        (list(range(250)), 200),
        (list(range(199)), 100),
        (list(range(50)), None),
        ([*range(100), *range(150, 300)], None),
        (None, None),
    ],
)
def test_checkpoint_needs_files_with_every_step_before_it(
    steps: list[int] | None, step: int | None, tmp_path: Path
) -> None:
    save_checkpoints(tmp_path, 100, 200)
    reader: Any = FileReader(steps)
    asked = replace(ASKED, kept=KeptSteps(100, "file"))
    found, _ = ResumePoints(reader, [], tmp_path).of(asked, stored_run(999))
    assert (None if found is None else found.step) == step


AT_RUNG = {"rung/accuracy": 0.5, "rung/loss": 1.25}


class RungReader:
    """A reader of a trial that was evaluated at a rung."""

    def __init__(self, step: int) -> None:
        self._step = step

    def curves(self, run_ids: list[str], metrics: tuple[str, ...]) -> list[Curve]:
        return [
            Curve(run_id, name, np.array([self._step]), np.array([AT_RUNG[name]]))
            for run_id in run_ids
            for name in metrics
        ]


def evaluated(digest: bytes) -> bytes:
    found = ResultDigest(digest)
    found.add("validation", *AT_RUNG.values())
    return found.state


@pytest.mark.parametrize(
    ("kinds", "every", "max_steps", "has"),
    [
        (("",), 20, 100, True),  # on the way, exactly at the rung: it had the evaluation
        ((WAITING,), 20, 100, True),  # waited: it gets it
        ((WAITING,), 30, 100, False),  # no evaluation is due at the rung
        ((WAITING,), 0, 100, False),
        ((WAITING,), 20, 40, False),  # it ends here, and its last evaluation is that of its end
        (("", WAITING), 20, 100, True),  # both are there: the same state, whichever is used
    ],
)
def test_evaluation_at_a_rung_enters_the_digest_once(
    kinds: tuple[str, ...], every: int, max_steps: int, has: bool, tmp_path: Path
) -> None:
    rung = 40
    before = train_state(rung)
    for kind in kinds:
        state = before if kind else replace(before, digest=evaluated(before.digest))
        saved = encode([LaneCheckpoint(f"lane-a{kind}", state)])
        CheckpointFiles().save_checkpoint(str(tmp_path), f"group{kind}", rung, saved)
    reader: Any = RungReader(rung)
    last = {"validation/accuracy": 999, "validation/loss": 999, "train/accuracy": 999, "train/loss": 999}
    run = replace(stored_run(999), last_steps=last)
    asked = RunKey("fingerprint", "digest", "lane-a", max_steps, KeptSteps(), every)
    found, _ = ResumePoints(reader, [], tmp_path).of(asked, run, to_the_end=True)
    assert found is not None
    assert found.step == rung
    assert found.digest == (evaluated(before.digest) if has else before.digest)


def test_finished_group_leaves_no_checkpoint(tmp_path: Path) -> None:
    save_checkpoints(tmp_path, 100)
    CheckpointFiles().drop_checkpoint(str(tmp_path), "group")
    assert list(tmp_path.iterdir()) == []


def test_folders_that_are_removed_while_they_are_read_are_no_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker ends its lot at any time."""
    for lot in range(3):
        save_checkpoints(tmp_path / f"lot-{lot}", 100)
    scan = os.scandir

    def scan_late(path: Any = ".") -> Any:
        if str(path).endswith("lot-1"):
            shutil.rmtree(path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", scan_late)
    read = Path.read_bytes

    def read_late(path: Path) -> bytes:
        if path.parent.name == "lot-2":
            path.unlink()
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", read_late)
    points = resume_points(tmp_path)
    assert points.set_aside == []
    asked = RunKey("fingerprint", "digest", "lane-a", 1000, KeptSteps(), 0)
    found, _ = points.of(asked, stored_run(200))
    assert found is not None
    assert found.step == 100  # of lot 0


def test_sweep_that_has_ended_leaves_no_lot_of_any_division(tmp_path: Path) -> None:
    folder = tmp_path / "0123456789ab"
    for place in (folder, folder / "lot-0", folder / "lot-7", tmp_path / "ba9876543210"):
        save_checkpoints(place, 100)

    class Tracker:
        def drop_checkpoints(self, folder: str) -> None:
            CheckpointFiles().drop_checkpoints(folder)

    tracker: Any = Tracker()
    writer = CheckpointWriter(tracker, "0123456789ab", print, lot=0, given=str(tmp_path))
    writer.drop_all()
    assert sorted(path.name for path in folder.glob("lot-*")) == ["lot-7"]
    writer.drop_sweep()
    assert [path.name for path in tmp_path.iterdir()] == ["ba9876543210"]
