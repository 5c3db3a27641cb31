"""Hydra's own settings are refused before anything starts; the cause of an early failure is shown."""

import json
from pathlib import Path

import pytest
from support.command import swath


def refused(folder: Path, *arguments: str) -> list[str]:
    """The lines of a command that is refused, without the command's name."""
    before = sorted(folder.rglob("*"))
    done = swath(folder, *arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert all(line.startswith("swath: ") for line in lines), lines
    assert sorted(folder.rglob("*")) == before
    return [line.removeprefix("swath: ") for line in lines]


@pytest.mark.parametrize(
    "typed",
    [
        ["hydra.job.name=a/b"],
        ["hydra.job_logging.root.level=nope"],
        ["hydra.hydra_logging.handlers.console.class=nope.Nope"],
        ["hydra.verbose={a:3}"],
        ["+hydra.callbacks.a={_target_: builtins.int, x: 3}"],
        ["+hydra.callbacks.a={_target_: builtins.int}"],
        ["hydra.run.dir='~/x'", "hydra.sweep.dir='~/x'"],
        ["tracking.uri='sqlite:///~/x.db'"],
        ["--package", "foo"],
        ["--resolve"],
    ],
)
@pytest.mark.parametrize("several", [[], ["-m", "learning_rate=1e-6,1e-5"]])
def test_setting_of_hydra_is_checked_before_anything_starts(
    tmp_path: Path, typed: list[str], several: list[str]
) -> None:
    (line,) = refused(tmp_path, "data=digits", "max_steps=5", *several, *typed)
    assert len(line) <= 100, line


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs a folder that takes none")
@pytest.mark.parametrize(
    "typed",
    [
        ["hydra.run.dir=/proc/x"],
        ["hydra.output_subdir=/proc/x"],
        ["-m", "learning_rate=1e-6,1e-5", "hydra.sweep.dir=/proc/x"],
        ["-m", "learning_rate=1e-6,1e-5", "hydra.output_subdir=/proc/x"],
    ],
)
def test_folder_of_hydra_in_a_place_that_takes_none(tmp_path: Path, typed: list[str]) -> None:
    (line,) = refused(tmp_path, "data=digits", "max_steps=5", *typed)
    assert "/proc/x" in line
    assert "which cannot be written; set hydra." in line


EARLY_FAULTS = {
    "a folder": """
import pathlib
made = pathlib.Path.mkdir
def mkdir(self, *arguments, **options):
    if {name!r} in str(self):
        raise OSError("no place")
    return made(self, *arguments, **options)
pathlib.Path.mkdir = mkdir
""",
    "Hydra": """
import hydra
def fails():
    raise OSError("no place")
hydra.main = lambda *_, **__: lambda task: fails
""",
}
"""Faults before any run has started."""


@pytest.mark.parametrize("patch", EARLY_FAULTS.values(), ids=EARLY_FAULTS.keys())
@pytest.mark.parametrize(
    ("typed", "name"), [([], "outputs"), (["-m", "learning_rate=1e-6,1e-5"], "multirun")]
)
@pytest.mark.parametrize("shown", [[], ["--format", "json"]])
def test_cause_of_an_early_failure_is_shown(
    tmp_path: Path, patch: str, typed: list[str], name: str, shown: list[str]
) -> None:
    done = swath(tmp_path, "data=digits", "max_steps=5", *typed, *shown, patch=patch.format(name=name))
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("swath: OSError: no place")
    assert "IndexError" not in done.stderr + done.stdout
    assert not shown or json.loads(done.stdout)["error"] == "OSError: no place"
