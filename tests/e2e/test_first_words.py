"""What is typed first: one line that says what to type instead, status 2, and nothing written."""

import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from support.command import SWATH, swath

from swath.config import parse_overrides
from swath.errors import ConfigError


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
    ("typed", "line"),
    [
        (["quickstart"], "quickstart: expected FIELD=VALUE; to train this sweep, run: swath -cn quickstart"),
        (["-m", "grid"], "grid: expected FIELD=VALUE; to train this sweep, run: swath -cn grid"),
        (["help"], "help: expected FIELD=VALUE; did you mean: swath --help"),
        (["version"], "version: expected FIELD=VALUE; did you mean: swath --version"),
        (["lr=1e-6"], "lr=1e-6: unknown field lr; did you mean learning_rate?"),
        (["bs="], "bs=: unknown field bs; did you mean batch_size?"),
        (["ms=5"], "ms=5: unknown field ms; did you mean max_steps?"),
        (["learningrate=1"], "learningrate=1: unknown field learningrate; did you mean learning_rate?"),
        (["=5"], "=5: missing field name; to list all fields, run: swath --help"),
        (["zzz=5"], "zzz=5: unknown field zzz; to list all fields, run: swath --help"),
        (["seed"], "seed: expected seed=VALUE"),
        (["max_step"], "max_step: expected FIELD=VALUE; did you mean max_steps=VALUE?"),
        (
            ["batch_size"],
            "batch_size: expected batch_size=VALUE; to train this sweep, run: swath -cn batch_size",
        ),
        (["train"], "train: cannot be read; expected FIELD=VALUE, for example batch_size=100"),
        (["max_steps=1e3"], "did you mean max_steps=1000?"),
        (["max_steps=50.0"], "did you mean max_steps=50?"),
        (["batch_size=100,"], "batch_size=100,: ends with a comma; expected batch_size=100"),
        (
            ["-m", "learning_rate=1e-6,1e-5,"],
            "learning_rate=1e-6,1e-5,: ends with a comma; expected learning_rate=1e-6,1e-5",
        ),
        (["batch_size=50,100"], "batch_size=50,100: expected one value; to sweep several values, add -m"),
        (["-m", "batch_size=range(10,10)"], "batch_size=range(10,10): no values"),
        (["-m", "batch_size=range(10,5)"], "batch_size=range(10,5): no values"),
        (["hydra.job.chdir=true"], "hydra.job.chdir=true: not supported"),
        (["-m", "hydra.job.chdir=true", "batch_size=50"], "hydra.job.chdir=true: not supported"),
        (
            ["hydra/launcher=joblib", "-m", "batch_size=50"],
            "hydra/launcher=joblib: expected one of basic, lanes",
        ),
    ],
)
def test_hint(tmp_path: Path, typed: list[str], line: str) -> None:
    (found,) = refused(tmp_path, *typed)
    assert line in found
    assert found.endswith(line) or line.endswith("not supported")


def test_values_separated_by_blanks(tmp_path: Path) -> None:
    expected = "a value without a field; the values of a field are separated by commas, without blanks"
    assert refused(tmp_path, "-m", "learning_rate=1e-6", "1e-5") == [f"1e-5: {expected}"]
    assert refused(tmp_path, "-m", "learning_rate=1e-6,", "1e-5", "-1") == [
        "learning_rate=1e-6,: ends with a comma; expected learning_rate=1e-6",
        f"1e-5: {expected}",
        f"-1: {expected}",
    ]


@pytest.mark.parametrize(
    ("typed", "values"),
    [
        ("learning_rate=[1e-6,1e-5]", [1e-6, 1e-5]),
        ("learning_rate=[1e-6, 1e-5]", [1e-6, 1e-5]),
        ("batch_size=[50,100]", [50, 100]),
    ],
)
def test_brackets(tmp_path: Path, typed: str, values: list[float]) -> None:
    (line,) = refused(tmp_path, "-m", typed)
    hint = line.rpartition("leave out brackets and blanks: ")[2]
    assert hint.startswith("-m ")
    done = swath(tmp_path, *shlex.split(hint), "dry_run=true", "data=digits")
    assert done.returncode == 0, done.stderr
    for value in values:
        assert re.search(rf"\b{value}\b", done.stdout)


def test_interval_makes_a_search(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, "learning_rate=interval(1e-7,1e-6)")
    assert line.endswith("expected one value; to search, add -m")
    done = swath(tmp_path, "-m", "learning_rate=interval(1e-7,1e-6)", "data=digits", "dry_run=true")
    assert done.returncode == 0, done.stderr
    assert "72 trials" in done.stdout + done.stderr
    assert "Held back to rank trials: 149 training images." in done.stdout + done.stderr


NEED_QUOTES = [
    "~",
    "Versuch für Ada",
    "a#b",
    "a&b",
    "it's",
    'a "b"',
    "a;b",
    "(1",
    "日本",
    "a!b",
    "[x",
    "{",
]
"""Values that Hydra's grammar does not read without quotes."""


@pytest.mark.parametrize("value", [*NEED_QUOTES, "C:\\data#1", "ends#\\"])
def test_hint_of_a_value_that_needs_quotes_has_this_value(value: str) -> None:
    with pytest.raises(ConfigError) as error:
        parse_overrides([f"tracking.experiment={value}"])
    (line,) = error.value.mistakes
    (word,) = shlex.split(line.rpartition("; type: ")[2])
    (override,) = parse_overrides([word])
    assert override.value() == value


def test_hints_work_when_they_are_typed_in_a_shell(tmp_path: Path) -> None:
    values = {
        "tracking.experiment": "Versuch für Ada & Bob #1",
        "data.dir": "~",
        "tracking.artifact_location": "it's $HOME",
    }
    lines = refused(tmp_path, *(f"{field}={value}" for field, value in values.items()))
    assert len(lines) == len(values)
    hints = " ".join(line.rpartition("; type: ")[2] for line in lines)
    typed = f"{shlex.quote(str(SWATH))} {hints} dry_run=true"
    done = subprocess.run(
        ["bash", "-c", f"{typed} --cfg job && {typed}"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "Versuch für Ada & Bob #1" in done.stdout
    assert "dir: '~'" in done.stdout
    assert "it's $HOME" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_every_mistake_has_a_line(tmp_path: Path) -> None:
    lines = refused(tmp_path, "lr=1", "bs=2", "max_steps=0", "preprocessing=x")
    assert [line.partition("=")[0] for line in lines] == ["lr", "bs", "max_steps", "preprocessing"]


@pytest.mark.parametrize("dry", [[], ["dry_run=true"]])
@pytest.mark.parametrize(
    ("typed", "option"),
    [
        (["-m", "batch_size=50", "hydra.sweep.subdir=${nope}"], "hydra.sweep.dir or hydra.sweep.subdir"),
        (["-m", "batch_size=50", "hydra.sweep.dir=x${nope}"], "hydra.sweep.dir or hydra.sweep.subdir"),
        (["hydra.run.dir=${nope}"], "hydra.run.dir"),
    ],
)
def test_folder_with_an_unknown_interpolation(
    tmp_path: Path, typed: list[str], option: str, dry: list[str]
) -> None:
    assert refused(tmp_path, *typed, *dry) == [f"{option}: Interpolation key 'nope' not found"]


@pytest.mark.parametrize("target", ["no.such.Thing", "pathlib.NoSuchClass", "nosuch", ""])
def test_callback_that_cannot_be_loaded(tmp_path: Path, target: str) -> None:
    (line,) = refused(tmp_path, f"+hydra.callbacks.mine._target_={target}")
    assert line.startswith(f"hydra.callbacks.mine._target_={target}: cannot be loaded")


def test_launcher_of_another_package(tmp_path: Path) -> None:
    (line,) = refused(tmp_path, "-m", "hydra.launcher._target_=other.Launcher", "batch_size=50,100")
    assert line.endswith("expected lanes or basic; several processes: executor=processes")


@pytest.mark.parametrize(
    "typed",
    [
        ["hydra.run.dir=" + 256 * "x"],
        ["hydra.run.dir=outputs/" + 256 * "x" + "/job"],
        ["hydra.run.dir='" + 128 * "ü" + "'"],
        ["-m", "batch_size=50", "hydra.sweep.subdir=" + 256 * "x"],
        ["-m", "batch_size=50", "hydra.sweep.dir=" + 256 * "x"],
    ],
)
def test_too_long_a_name_of_a_folder(tmp_path: Path, typed: list[str]) -> None:
    (line,) = refused(tmp_path, *typed)
    assert "which is too long" in line
    assert len(line) < 250


@pytest.mark.parametrize("name", [255 * "x", "'" + 127 * "ü" + "'"])
def test_longest_name_of_a_folder(tmp_path: Path, name: str) -> None:
    done = swath(tmp_path, f"hydra.run.dir={name}", "dry_run=true")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("typed", "name", "option"),
    [
        (["data=digits"], "outputs", "hydra.run.dir"),
        (["-m", "data=digits", "batch_size=50,100"], "multirun", "hydra"),
        (["hydra.run.dir=mine/job"], "mine", "hydra.run.dir"),
    ],
)
def test_folder_of_hydra_that_is_a_file(tmp_path: Path, typed: list[str], name: str, option: str) -> None:
    (tmp_path / name).write_text("kept")
    (line,) = refused(tmp_path, *typed)
    assert f"{tmp_path / name} is a file" in line
    assert option in line
    assert (tmp_path / name).read_text() == "kept"


def test_hint_for_a_sweep_whose_folder_is_a_file_names_the_option_of_sweeps(tmp_path: Path) -> None:
    (tmp_path / "multirun").write_text("kept")
    (line,) = refused(tmp_path, "-m", "data=digits", "batch_size=50,100")
    assert "set hydra.sweep.dir" in line


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to every folder")
@pytest.mark.parametrize("typed", [["data=digits"], ["-m", "data=digits", "batch_size=50,100"]])
def test_folder_that_cannot_be_written(tmp_path: Path, typed: list[str]) -> None:
    tmp_path.chmod(0o555)
    try:
        (line,) = refused(tmp_path, *typed)
    finally:
        tmp_path.chmod(0o755)
    assert "which cannot be written" in line


CONFIG = "# Which is best?\ndefaults:\n  - config\n  - _self_\n"


@pytest.mark.parametrize(
    ("content", "number", "line"),
    [
        ("learning_rat: 1e-6\n", 5, "unknown field learning_rat; did you mean learning_rate?"),
        ("max_steps: 5\n\nbatchsize: 7\n", 7, "unknown field batchsize; did you mean batch_size?"),
        (
            "tracking:\n  every_step: 3\n",
            6,
            "unknown field tracking.every_step; did you mean tracking.every_steps?",
        ),
        ("'zzz': 3\n", 5, "unknown field zzz; to list all fields, run: swath --help"),
    ],
)
def test_unknown_field_in_a_sweep_file(tmp_path: Path, content: str, number: int, line: str) -> None:
    (tmp_path / "mine.yaml").write_text(CONFIG + content)
    found = refused(tmp_path, "--config-dir", ".", "-cn", "mine")
    assert found == [f"{tmp_path / 'mine.yaml'}, line {number}: {line}"]


def test_config_that_includes_itself(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("defaults:\n  - config\n  - mine\n  - _self_\n")
    (tmp_path / "one.yaml").write_text("defaults:\n  - two\n")
    (tmp_path / "two.yaml").write_text("defaults:\n  - one\n")
    for name in ("mine", "one"):
        assert refused(tmp_path, "--config-dir", ".", "-cn", name) == [
            f"{name}: the config includes itself in its defaults"
        ]


@pytest.mark.parametrize("folder", ["configs", "."])
def test_config_whose_file_ends_with_yml(tmp_path: Path, folder: str) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / folder / "mine.yml").write_text(CONFIG)
    (line,) = refused(tmp_path, "--config-dir", "configs", "-cn", "mine")
    assert line.startswith("-cn mine: expected one of ")
    assert line.endswith("; rename mine.yml to mine.yaml")


def test_folder_of_hydra_that_is_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "outputs").symlink_to("nowhere")
    done = swath(tmp_path, "data=digits", "max_steps=5", "tracking.uri=sqlite:///elsewhere.db")
    assert done.returncode == 2, done.stderr
    assert str(tmp_path / "outputs") in done.stderr
