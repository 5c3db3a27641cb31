"""Command-line arguments, the text of `--help`, and the handling of passwords."""

import os
import shlex
from pathlib import Path

import pytest

from swath.cli.arguments import keep_password, read_arguments
from swath.cli.main import help_text
from swath.config import FIELDS, config_folder, primary_configs
from swath.config.reference import document
from swath.errors import ConfigError
from swath.tracking import TRACKING_VARIABLE

SWEEPS = sorted(path.stem for path in config_folder("sweeps").glob("*.yaml"))


@pytest.mark.parametrize(
    ("typed", "for_hydra_args"),
    [
        ("", "--config-name config"),
        ("-m seed=0,1", "--config-name config --multirun seed=0,1"),
        ("-cn grid.yaml seed=1", "--config-name grid seed=1"),
        ("--cfg job -cn grid", "--config-name grid --cfg job"),
        ("seed=1 -cn grid max_steps=2 -m", "--config-name grid --multirun seed=1 max_steps=2"),
        ("--cfg job --package data", "--config-name config --cfg job --package data"),
    ],
)
def test_arguments_are_translated_for_hydra(typed: str, for_hydra_args: str) -> None:
    assert read_arguments(shlex.split(typed)).for_hydra() == shlex.split(for_hydra_args)


@pytest.mark.parametrize(
    "typed", ["--cfg job", "--help", "--hydra-help", "--info config", "-sc install=bash"]
)
def test_informational_commands_train_nothing(typed: str) -> None:
    assert not read_arguments(shlex.split(typed)).trains


def test_configs_of_a_user_folder_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").touch()
    arguments = read_arguments(["--config-dir", str(tmp_path), "-cn", "mine"])
    assert "mine" in primary_configs(arguments.user_folders)


@pytest.mark.parametrize("flag", ["--config-path", "--experimental-rerun"])
def test_flags_that_would_bypass_the_checks_are_refused(flag: str) -> None:
    with pytest.raises(ConfigError, match="are not supported"):
        read_arguments([flag, "x"])


def test_help_lists_every_field_with_description_and_range() -> None:
    text = " ".join(help_text().split())
    for name, spec in FIELDS.items():
        assert f" {name} {spec.help}" in text
        assert spec.constraint.brief() in text


def test_help_fits_100_columns() -> None:
    assert max(map(len, help_text().splitlines())) <= 100


@pytest.mark.parametrize(
    "command",
    [
        "swath",
        "swath-compare",
        "swath-reproduce",
        "swath-stop",
        "swath-watch",
        "swath-worker",
    ],
)
def test_help_names_every_command(command: str) -> None:
    assert f"\n  {command} " in help_text()


def test_page_of_fields_is_up_to_date() -> None:
    page = Path(__file__).parents[3] / "docs" / "fields.md"
    assert page.read_text(encoding="utf-8") == document(), (
        "run: python -m swath.config.reference > docs/fields.md"
    )


@pytest.mark.parametrize("sweep", SWEEPS)
def test_help_lists_every_named_sweep_with_its_question(sweep: str) -> None:
    listed = help_text().split("Named sweeps")[1]
    (line,) = [line for line in listed.splitlines() if line.split()[:1] == [sweep]]
    assert line.endswith("?")


def test_address_without_a_password_is_not_moved_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TRACKING_VARIABLE, raising=False)
    assert keep_password("http://user@host:5000") == ()
    assert TRACKING_VARIABLE not in os.environ


def test_address_with_a_password_is_moved_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TRACKING_VARIABLE, "")
    assert keep_password("http://it's:MARKER@host") == (r"tracking.uri='http://it\'s:***@host'",)
    assert os.environ[TRACKING_VARIABLE] == "http://it's:MARKER@host"


def test_override_with_a_password_is_not_passed_to_hydra() -> None:
    arguments = read_arguments(["+tracking.uri=http://me:1@host", "seed=1"])
    assert arguments.for_hydra(("tracking.uri=shown",)) == [
        "--config-name",
        "config",
        "seed=1",
        "tracking.uri=shown",
    ]
