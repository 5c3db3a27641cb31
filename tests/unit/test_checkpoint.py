"""Checkpoints: whole or refused, and the farthest usable one is used."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swath.sweeps.manifest import RunKey
from swath.sweeps.resume_points import FROM_START, ResumePoints
from swath.tracking import StoredRun
from swath.training import CheckpointFiles, DamagedCheckpointError, LaneCheckpoint, TrainState, decode
from swath.training.checkpoint import encode

ASKED = RunKey("fingerprint", "digest", "lane-a", 1_000, 1, 0)


def start(step: int) -> TrainState:
    generator = np.random.default_rng(step)
    weights = generator.normal(size=(6, 10)).astype(np.float32)
    return TrainState(step, weights, weights[0], bytes(range(64 + step % 7)), np.linspace(0, 1, 5), 1.5, 0.25)


def lanes(step: int) -> list[LaneCheckpoint]:
    return [LaneCheckpoint("lane-a", start(step)), LaneCheckpoint("lane-b", start(step))]


def own_run(last_step: int) -> StoredRun:
    steps = {"train/accuracy": last_step, "train/loss": last_step}
    return StoredRun("id", "1", "", "KILLED", 0, 0, "", last_steps=steps)


def starts(folder: Path) -> ResumePoints:
    no_reader: Any = None
    return ResumePoints(no_reader, [], folder)


def saved(folder: Path, *steps: int) -> None:
    for step in steps:
        CheckpointFiles().save_checkpoint(str(folder), "group", step, encode(lanes(step)))


def test_lanes_come_back_to_the_bit() -> None:
    found = decode(encode(lanes(70)))
    assert [lane.key for lane in found] == ["lane-a", "lane-b"]
    expected = start(70)
    for lane in found:
        assert (lane.start.step, lane.start.bits) == (70, expected.bits)
        assert lane.start.weights.tobytes() == expected.weights.tobytes()
        assert lane.start.biases.tobytes() == expected.biases.tobytes()
        assert lane.start.last_accuracies.tobytes() == expected.last_accuracies.tobytes()
        assert (lane.start.train_s, lane.start.evaluate_s) == (1.5, 0.25)


@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_checkpoint_that_was_cut_off_or_changed_is_refused(part: float) -> None:
    whole = encode(lanes(70))
    place = int(part * len(whole))
    with pytest.raises(DamagedCheckpointError):
        decode(whole[:place])
    with pytest.raises(DamagedCheckpointError):
        decode(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])


def test_last_two_are_kept_and_the_one_before_a_damaged_one_is_used(tmp_path: Path) -> None:
    saved(tmp_path, 100, 200, 300)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "group-000000000200.checkpoint",
        "group-000000000300.checkpoint",
    ]
    found, prefix_metrics = starts(tmp_path).of(ASKED, own_run(999))
    assert found is not None
    assert (found.step, prefix_metrics) == (300, ())
    last = tmp_path / "group-000000000300.checkpoint"
    last.write_bytes(last.read_bytes()[:-1])
    after = starts(tmp_path)
    found, _ = after.of(ASKED, own_run(999))
    assert found is not None
    assert found.step == 200
    assert after.refused == [last]


def test_checkpoint_ahead_of_the_stored_steps_is_not_used(tmp_path: Path) -> None:
    saved(tmp_path, 100, 200)
    found, _ = starts(tmp_path).of(ASKED, own_run(198))  # step 199 is missing
    assert found is not None
    assert found.step == 100
    assert starts(tmp_path).of(ASKED, own_run(50)) == FROM_START
    assert starts(tmp_path).of(ASKED, None) == FROM_START


def test_checkpoint_at_or_behind_the_end_is_not_used(tmp_path: Path) -> None:
    saved(tmp_path, 1_000)
    assert starts(tmp_path).of(ASKED, own_run(999)) == FROM_START


def test_group_that_has_ended_leaves_nothing(tmp_path: Path) -> None:
    saved(tmp_path, 100)
    CheckpointFiles().drop_checkpoint(str(tmp_path), "group")
    assert list(tmp_path.iterdir()) == []
