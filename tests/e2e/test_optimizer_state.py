"""A run whose optimizer has a state is continued with it, to the bit."""

import os
import signal
from pathlib import Path

import numpy as np
import pytest
from support.command import error_lines, swath
from support.waiting import has_steps, query_store, running, wait_for

DIGITS = ("data=digits", "data.validation_size=300", "preprocessing=scale", "learning_rate=1e-4", "l2=0.01")
BITS = (
    "select t.value from tags t join params p using (run_uuid) where t.key = 'swath.bits' "
    "and p.key = 'max_steps' and p.value = '{}' order by t.value"
)


def bits(folder: Path, max_steps: int) -> list[tuple[object, ...]]:
    return query_store(folder, BITS.format(max_steps))


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "adam"])
def test_continued_run_is_bit_identical_to_an_unbroken_one(tmp_path: Path, optimizer: str) -> None:
    fresh, extended = tmp_path / "fresh", tmp_path / "extended"
    for folder in (fresh, extended):
        folder.mkdir()
    arguments = ("-m", *DIGITS, f"optimizer={optimizer}", "seed=1,2")
    assert swath(fresh, *arguments, "max_steps=60").returncode == 0
    assert swath(extended, *arguments, "max_steps=25").returncode == 0
    done = swath(extended, *arguments, "max_steps=25,60", "resume=yes")
    assert "Resume: 2 already done, 2 resumed." in done.stderr.splitlines(), done.stderr
    assert bits(extended, 60) == bits(fresh, 60)
    assert len(bits(fresh, 60)) == 2


def test_run_whose_optimizer_file_has_changed_is_not_continued(tmp_path: Path) -> None:
    arguments = ("-m", *DIGITS, "optimizer=momentum")
    assert swath(tmp_path, *arguments, "max_steps=25").returncode == 0
    (path,) = (tmp_path / "mlruns").glob("*/*/artifacts/optimizer.npz")
    with np.load(path) as stored:
        arrays = dict(stored)
    assert sorted(arrays) == ["velocity/biases", "velocity/weights"]
    arrays["velocity/weights"][0, 0] += 1
    np.savez(path, **arrays)
    done = swath(tmp_path, *arguments, "max_steps=60", "resume=yes")
    assert "Resume: 1 new." in done.stderr.splitlines(), done.stderr


def test_cosine_run_is_continued_only_if_its_schedule_is_as_long(tmp_path: Path) -> None:
    arguments = ("-m", *DIGITS, "optimizer=momentum", "schedule=cosine")
    assert swath(tmp_path, *arguments, "max_steps=25").returncode == 0
    done = swath(tmp_path, *arguments, "max_steps=60", "resume=yes")
    assert "Resume: 1 new." in done.stderr.splitlines(), done.stderr
    done = swath(tmp_path, *arguments, "schedule_steps=60", "max_steps=30", "resume=yes")
    assert "Resume: 1 new." in done.stderr.splitlines(), done.stderr
    done = swath(tmp_path, *arguments, "schedule_steps=60", "max_steps=40", "resume=yes")
    assert "Resume: 1 resumed." in done.stderr.splitlines(), done.stderr


def test_killed_run_continues_with_the_state_of_its_checkpoint(tmp_path: Path) -> None:
    arguments = (*DIGITS, "optimizer=adam", "batch_size=50", "checkpoint.every_s=0.2")
    broken, whole = tmp_path / "broken", tmp_path / "whole"
    for folder in (broken, whole):
        folder.mkdir()
    cache = str(tmp_path / "cache")
    with running(broken, *arguments, "max_steps=20000", SWATH_CACHE_DIR=cache) as process:
        wait_for(lambda: has_steps(broken))
        wait_for(lambda: any((tmp_path / "cache").glob("checkpoints/*/*.checkpoint")))
        os.killpg(process.pid, signal.SIGKILL)
    done = swath(broken, *arguments, "max_steps=20000", "resume=yes", SWATH_CACHE_DIR=cache)
    assert done.returncode == 0, error_lines(done.stderr)
    assert query_store(broken, "select value from tags where key = 'swath.resumed'") == [("1",)]
    assert swath(whole, *arguments, "max_steps=20000").returncode == 0
    assert bits(broken, 20_000) == bits(whole, 20_000)


def test_field_of_another_optimizer_is_one_line_and_no_param(tmp_path: Path) -> None:
    refused = swath(tmp_path, *DIGITS, "optimizer=adam", "optimizer.momentum=0.9", "max_steps=5")
    assert (refused.returncode, list(tmp_path.iterdir())) == (2, [])
    assert error_lines(refused.stderr) == [
        "swath: optimizer.momentum=0.9: only with optimizer=momentum or optimizer=nesterov, found "
        "optimizer=adam"
    ]
    assert swath(tmp_path, *DIGITS, "optimizer=adam", "max_steps=5").returncode == 0
    params = {key for (key,) in query_store(tmp_path, "select key from params")}
    assert "optimizer.name" in params
    assert not {"optimizer.momentum", "schedule_steps", "init_seed"} & params
