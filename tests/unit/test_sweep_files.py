"""The files in sweeps/: they compose, describe themselves and rank by validation images."""

from pathlib import Path

import pytest

from swath.cli.validation import CheckedCommand, check_command
from swath.config import config_folder, register

SWEEPS = sorted(config_folder("sweeps").glob("*.yaml"))

SINGLE = "tutorial_mlp"
"""The only file with a single run."""


def checked(path: Path) -> CheckedCommand:
    register()
    return check_command(path.stem, [], False, ())


@pytest.mark.parametrize("path", [path for path in SWEEPS if path.stem != SINGLE], ids=lambda path: path.stem)
def test_named_sweep_is_a_grid_of_twelve_configurations_or_more(path: Path) -> None:
    command = checked(path)
    assert command.multirun
    assert len(command.configs) >= 12


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_named_sweep_contains_every_configuration_once(path: Path) -> None:
    configs = checked(path).configs
    assert len(set(configs)) == len(configs)


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_header_of_a_sweep_file_states_question_cost_and_result(path: Path) -> None:
    head = [line for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    assert head[0].endswith("?")
    assert any("Cost:" in line for line in head)
    assert any("Found:" in line for line in head)


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_named_sweeps_except_the_article_hold_back_validation_images(path: Path) -> None:
    sizes = {config.data.validation_size for config in checked(path).configs}
    assert sizes == {"article": {0}, SINGLE: {0}, "quickstart": {300}}.get(path.stem, {5_000})


def test_grid_is_the_full_product_of_72_configurations() -> None:
    configs = checked(config_folder("sweeps") / "grid.yaml").configs
    assert {(c.batch_size, c.learning_rate, c.max_steps) for c in configs} == {
        (batch_size, learning_rate, max_steps)
        for batch_size in (16, 32, 50, 100, 150, 200)
        for learning_rate in (1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 5e-3)
        for max_steps in (500, 1500)
    }
    assert len(configs) == 72


def test_configurations_of_a_sweep_have_the_order_of_its_file() -> None:
    rates = [c.learning_rate for c in checked(config_folder("sweeps") / "learning_rate.yaml").configs]
    assert rates == sorted(rates)
