"""Hydra's own settings are checked before anything starts: logs, folders, callbacks, batches."""

import os
from pathlib import Path

import pytest
from hydra.experimental.callback import Callback

from swath.cli.arguments import read_arguments
from swath.cli.hydra_checks import callback_mistakes
from swath.cli.validation import check_command
from swath.config import register
from swath.errors import ConfigError

LOGS = {
    "hydra.job.name=a/b": "hydra.job.name=a/b: expected a name without /; it names the log file",
    "hydra.job.name=/a": "hydra.job.name=/a: expected a name without /; it names the log file",
    "hydra.job_logging.root.level=nope": "hydra.job_logging.root.level: Unknown level: 'nope'",
    "hydra.hydra_logging.root.level=nope": "hydra.hydra_logging.root.level: Unknown level: 'nope'",
    "hydra.job_logging.handlers.file.class=logging.Nope": (
        "hydra.job_logging.handlers.file: No module named 'logging.Nope'"
    ),
    "+hydra.job_logging.handlers.file.level=nope": ("hydra.job_logging.handlers.file: Unknown level: 'nope'"),
    "hydra.job_logging.handlers.file.formatter=nope": ("hydra.job_logging.handlers.file: there is no 'nope'"),
    "+hydra.job_logging.handlers.file.nope=3": (
        "hydra.job_logging.handlers.file: FileHandler.__init__() got an unexpected keyword argument 'nope'"
    ),
    "hydra.job_logging.root.handlers=[nope]": (
        "hydra.job_logging.root.handlers: nope: not among the handlers"
    ),
    "+hydra.job_logging.loggers={a: {level: nope}}": (
        "hydra.job_logging.loggers.a.level: Unknown level: 'nope'"
    ),
    "hydra.job_logging.handlers.file.filename=/nope/x.log": (
        "hydra.job_logging.handlers.file.filename: /nope does not exist"
    ),
    "hydra.job_logging.version=2": "hydra.job_logging.version=2: expected 1",
    "hydra.job_logging.handlers.file.filename=${nope}": (
        "hydra.job_logging: Interpolation key 'nope' not found"
    ),
    "~hydra.job_logging.root": "hydra.job_logging.root: missing; expected null, or a level and handlers",
    "hydra.verbose={a:3}": "hydra.verbose={'a': 3}: expected true, false, or names of loggers",
}


def mistakes(*texts: str, multirun: bool = False, folders: tuple[Path, ...] = ()) -> list[str]:
    register(folders)
    try:
        check_command("config", ["data=digits", "max_steps=5", *texts], multirun, folders)
    except ConfigError as error:
        return error.mistakes
    finally:
        register(())
    return []


@pytest.mark.parametrize("multirun", [False, True])
@pytest.mark.parametrize(("text", "line"), LOGS.items(), ids=LOGS.keys())
def test_mistake_in_a_logging_config(
    text: str, line: str, multirun: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert mistakes(text, multirun=multirun) == [line]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("option", "name"),
    [
        *(("job_logging", name) for name in ("none", "disabled", "stdout", "default", "swath")),
        *(("hydra_logging", name) for name in ("none", "default", "swath")),
    ],
)
def test_logging_config_of_hydra(
    option: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert mistakes(f"hydra/{option}={name}") == []
    assert list(tmp_path.iterdir()) == []


OWN_LOG = """\
version: 1
formatters: {f: {format: "%(message)s"}}
handlers:
  a: {class: logging.handlers.MemoryHandler, capacity: 9, target: b}
  b: {class: logging.handlers.RotatingFileHandler, filename: "${hydra.runtime.output_dir}/x.log"}
  c: {(): pathlib.Path}
loggers: {x: {level: 10, handlers: [b]}}
root: {level: DEBUG, handlers: [a, c]}
"""


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("", None),
        ("target: b -> target: z", "hydra.job_logging.handlers.a: there is no 'z'"),
        ("pathlib.Path -> json.Nope", "hydra.job_logging.handlers.c: No module named 'json.Nope'"),
        ("x.log -> a/x.log", "hydra.job_logging.handlers.b.filename: {job}/a does not exist"),
    ],
)
def test_log_of_a_users_own(
    change: str, line: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "hydra" / "job_logging"
    folder.mkdir(parents=True)
    before, _, after = change.partition(" -> ")
    (folder / "mine.yaml").write_text(OWN_LOG.replace(before, after) if change else OWN_LOG)
    found = mistakes("hydra/job_logging=mine", "hydra.run.dir=job", folders=(tmp_path,))
    assert found == ([] if line is None else [line.format(job=tmp_path / "job")])
    assert [path.name for path in tmp_path.iterdir()] == ["hydra"]


PSEUDO = [name for name in ("/proc", "/sys") if Path(name).is_dir()]


@pytest.mark.skipif(not PSEUDO, reason="needs a file system that takes no folders")
@pytest.mark.parametrize(
    ("option", "multirun"),
    [
        ("hydra.run.dir", False),
        ("hydra.output_subdir", False),
        ("hydra.sweep.dir", True),
        ("hydra.sweep.subdir", True),
        ("hydra.output_subdir", True),
    ],
)
def test_place_that_takes_no_folder(option: str, multirun: bool) -> None:
    for place in PSEUDO:
        (line,) = mistakes(f"{option}={place}/x/y", multirun=multirun)
        assert f"Hydra keeps its files in {place}/x/y" in line
        assert "which cannot be written; set hydra." in line


@pytest.mark.parametrize("text", ["hydra.output_subdir=null", "hydra.output_subdir=a/b", "hydra.run.dir=."])
def test_folder_that_can_be_made(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert mistakes(text) == []
    assert list(tmp_path.iterdir()) == []


def test_folder_in_words_of_hydra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert mistakes("hydra.run.dir=${hydra:runtime.cwd}/x/${hydra:job.name}") == []


@pytest.mark.parametrize(
    ("text", "multirun"),
    [
        ("hydra.run.dir='~/x'", False),
        ("hydra.run.dir=~/x", False),
        ("hydra.run.dir=~", False),
        ("hydra.sweep.dir='~/x'", True),
        ("hydra.sweep.subdir='~/x'", True),
        ("hydra.output_subdir='~/x'", False),
        ("tracking.uri='sqlite:///~/x.db'", False),
        ("tracking.uri=sqlite:///~/x.db", True),
    ],
)
def test_path_that_begins_with_a_tilde(text: str, multirun: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    (line,) = mistakes(text, multirun=multirun)
    assert "~ is not expanded here" in line
    assert "/home/ada" in line.partition("; ")[2]


@pytest.mark.parametrize("value", ["0", "-1", "x", "1.5", "true"])
def test_size_of_batches(value: str) -> None:
    (line,) = mistakes(f"hydra.sweeper.max_batch_size={value}", multirun=True)
    assert "expected a whole number of jobs from 1 up, or null" in line


class Watching(Callback):
    """A callback that needs an argument."""

    def __init__(self, place: str) -> None:
        if place == "fails":
            raise OSError("no such place")


CALLBACKS = {
    "{_target_: builtins.int, x: 3}": "cannot be made ('x' is an invalid keyword argument for int())",
    "{_target_: builtins.int}": "expected an object with on_run_start or another event",
    "{_target_: builtins.int, _partial_: true}": "expected an object with on_run_start or another event",
    "{_target_: unit.cli.test_hydra_checks.Watching, place: fails}": "cannot be made (no such place)",
    "{_target_: unit.cli.test_hydra_checks.Watching, place: here}": None,
    "{_target_: hydra.experimental.callbacks.LogJobReturnCallback}": None,
}


@pytest.mark.parametrize(("callback", "line"), CALLBACKS.items(), ids=CALLBACKS.keys())
def test_callback_is_made_before_anything_starts(callback: str, line: str | None) -> None:
    target = callback.replace("unit.cli.test_hydra_checks", __name__)
    register(())
    checked = check_command("config", ["data=digits", f"+hydra.callbacks.a={target}"], False, ())
    expected = [] if line is None else [f"hydra.callbacks.a: {line}"]
    assert list(callback_mistakes(checked.base)) == expected


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (["--package", "foo"], "--package foo: expected together with --cfg job, hydra or all"),
        (["-p", "foo", "-m"], "--package foo: expected together with --cfg job, hydra or all"),
        (["--package", "foo", "--info"], "--package foo: expected together with --cfg job, hydra or all"),
        (["--resolve"], "--resolve: expected together with --cfg job, hydra or all"),
        (["--cfg", "job", "-m"], "--multirun and --cfg: expected one of them"),
        (["--run", "-m"], "--run and --multirun: expected one of them"),
        (["--cfg", "job", "--info", "all"], "--cfg and --info: expected one of them"),
    ],
)
def test_flags_that_do_nothing(typed: list[str], line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_arguments(["data=digits", *typed])
    assert caught.value.mistakes == [line]


def test_flags_that_belong_together() -> None:
    arguments = read_arguments(["--cfg", "job", "--package", "data", "--resolve"])
    assert arguments.for_hydra()[-3:] == ["job", "--package", "data"]


def test_folder_of_configs_may_begin_with_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "mine").mkdir()
    assert read_arguments(["--config-dir=~/mine"]).user_folders == (
        Path(os.path.realpath(tmp_path / "mine")),
    )


@pytest.mark.parametrize("value", ["-1", "x", "1.5", "true", "null"])
def test_number_of_folders(value: str) -> None:
    (line,) = mistakes(f"hydra.launcher.folders={value}", multirun=True)
    assert "expected a whole number of jobs from 0 up" in line
    assert mistakes("hydra.launcher.folders=0", multirun=True) == []
