"""Invalid commands: one clear line, exit status 2, and nothing is written."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient
from support.command import swath

INVALID_COMMANDS = {
    "typo": (["max_stepz=10"], ["swath: max_stepz=10: unknown field max_stepz; did you mean max_steps?"]),
    "several": (
        ["-m", "batch_size=0,50", "learning_rate=-1", "sed=1"],
        [
            "swath: batch_size=0: expected a whole number of images from 1 to the training images less "
            "data.validation_size",
            "swath: learning_rate=-1: expected a number above 0 that float32 can hold",
            "swath: sed=1: unknown field sed; did you mean seed?",
        ],
    ),
    "last job": (
        ["-m", "data=digits", "batch_size=100,1498", "max_steps=1"],
        ["swath: batch_size=1498: expected at most 1497 images, because digits has 1497 training images"],
    ),
    "unknown sweep": (
        ["-cn", "learning_rates"],
        [
            "swath: -cn learning_rates: expected one of article, batch_size, best_in_a_minute, config, grid, "
            "grid_halved, hidden_units, learning_rate, minute, mlp, mlp_search, preprocessing, quickstart, "
            "search, steps, tutorial_mlp; did you mean learning_rate?"
        ],
    ),
    "unknown flag": (
        ["--fast"],
        ["swath: unrecognized arguments: --fast; for usage, run: swath --help"],
    ),
    "no data": (
        ["data.dir=nowhere"],
        [
            "swath: no CIFAR-10 in nowhere, given as data.dir: there is no such folder; expected "
            "cifar-10-batches-py/ with batches.meta, data_batch_1, data_batch_2, data_batch_3, data_batch_4, "
            "data_batch_5, test_batch, or "
            "cifar-10-python.tar.gz; set data.dir to the folder that holds one of them"
        ],
    ),
    "password": (
        ["tracking.uri=http://me:MARKER@host", "seed=x"],
        ["swath: seed=x: expected a whole number from 0 to 9223372036854775807"],
    ),
}


@pytest.mark.parametrize(("arguments", "lines"), INVALID_COMMANDS.values(), ids=INVALID_COMMANDS.keys())
def test_invalid_command_is_reported_in_one_line_and_writes_nothing(
    arguments: list[str], lines: list[str], tmp_path: Path
) -> None:
    done = swath(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr.splitlines() == lines
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []


def test_hydra_full_error_shows_a_traceback(tmp_path: Path) -> None:
    done = swath(tmp_path, "max_stepz=10", HYDRA_FULL_ERROR="1")
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_deleted_experiment_is_reported_and_no_run_is_started(tmp_path: Path) -> None:
    client = MlflowClient(tracking_uri=f"sqlite:///{tmp_path}/mlflow.db")
    client.delete_experiment(client.create_experiment("old"))
    done = swath(tmp_path, "data=digits", "max_steps=1", "tracking.experiment=old")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert "'old' has been deleted in this store; restore it with: mlflow experiments restore" in line


def test_unreachable_server_is_reported_in_one_line(tmp_path: Path) -> None:
    done = swath(tmp_path, "data=digits", "max_steps=1", "tracking.uri=http://127.0.0.1:9")
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1
    assert "127.0.0.1" in line


HEAVY = ("tensorflow", "mlflow", "sklearn")
LIGHT_COMMANDS = {
    "cfg": ["--cfg", "job"],
    "help": ["--help"],
    "mistake": ["-m", "batch_size=0,100"],
    "completion": ["-sc", "query=bash"],
}


@pytest.mark.parametrize("arguments", LIGHT_COMMANDS.values(), ids=LIGHT_COMMANDS.keys())
def test_commands_that_train_nothing_import_neither_tensorflow_nor_mlflow(
    arguments: list[str], tmp_path: Path
) -> None:
    program = (
        "import sys\n"
        "from swath.cli.entry import swath as main\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "try:\n    main()\n"
        "finally:\n    print([name for name in HEAVY if name in sys.modules], flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"HEAVY = {HEAVY!r}\n{program}"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COMP_LINE": "swath batch_s", "COMP_POINT": "13"},
    )
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("batch_s", "batch_size="),
        ("data=", "data=digits"),
        ("preproc", "preprocessing="),
        ("tracking.e", "tracking.experiment="),
    ],
)
def test_shell_completion_offers_fields_and_choices(typed: str, offered: str, tmp_path: Path) -> None:
    line = f"swath {typed}"
    done = swath(tmp_path, "-sc", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert offered in done.stdout.split()
