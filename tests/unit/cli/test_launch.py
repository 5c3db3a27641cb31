"""What a command hands to workers, and what it must not."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from swath.cli import launch
from swath.cli.launch import _lines
from swath.config import default_sweep_config, hydra_ready, parse_overrides
from swath.errors import AwayError, ConfigError, SwathError, UsageError


def test_overrides_of_a_run_have_no_password_and_one_value_each() -> None:
    typed = [
        "tracking.uri='postgresql://swath:s3cret@db/swath'",
        "learning_rate=1e-6,1e-5",
        "batch_size=50",
        "seed=3",
    ]
    with hydra_ready():
        found = parse_overrides(typed)
    values = {"learning_rate": 1e-05, "batch_size": 50, "seed": 3}
    lines = list(_lines(found, values, ("learning_rate",)))
    assert "s3cret" not in " ".join(lines)
    assert lines[0].startswith("tracking.uri='postgresql://swath:")
    assert lines[1:] == ["batch_size=50", "seed=3", "learning_rate=1e-05"]


def checked(**executor: Any) -> Any:
    """A checked grid for an engine."""
    base = default_sweep_config()
    tracking = replace(base.tracking, uri="postgresql://me@db/swath")
    settings = replace(base, tracking=tracking, executor=replace(base.executor, **executor))
    return SimpleNamespace(multirun=True, search=None, sweeper=None, sweep=settings, configs=())


class Untouched:
    """A tracker that nobody may open."""

    def __getattr__(self, name: str) -> None:
        raise AssertionError(f"{name} was called")


@pytest.mark.parametrize("where", ["check_reachable", "check_engine"])
def test_store_and_engine_are_checked_before_data_are_loaded_and_anything_is_written(
    monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    error = (
        AwayError("no database answers") if where == "check_reachable" else UsageError("no such partition")
    )

    def refuse(*_: object) -> None:
        raise error

    for name in ("check_located", "check_reachable", "check_engine"):
        monkeypatch.setattr(launch, name, lambda *_: None)
    monkeypatch.setattr(launch, where, refuse)
    monkeypatch.setattr(launch, "_datasets", lambda *_: pytest.fail("images were loaded"))
    tracker: Any = Untouched()
    nothing: Any = None
    with pytest.raises(SwathError) as caught:
        launch.launch_command(nothing, checked(name="slurm"), nothing, tracker)
    assert caught.value is error


def test_setting_that_the_engine_would_ignore_is_a_mistake() -> None:
    nothing: Any = None
    with pytest.raises(ConfigError, match=r"executor\.time=30: executor=ray does not know it; expected exec"):
        launch.launch_command(nothing, checked(name="ray", time=30), nothing)
