"""Mistakes that are found without a cluster of Ray, and without Ray."""

import dataclasses
import socket
import sys
import time

import pytest

from swath.errors import SwathError, UsageError
from swath.execution.launchers import ProcessLauncher, RayLauncher, Resources, SlurmLauncher

LAUNCHER = RayLauncher()


def test_without_ray_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError) as error:
        LAUNCHER.start(["true"], 1, Resources())
    assert str(error.value) == "found no Ray, expected the extra: pip install 'swath[ray]'"
    states = LAUNCHER.state("swath-ray-0123@10.0.0.1:6379/2")
    assert (states.count("unknown"), states.tasks[0].note) == (2, str(error.value))


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_an_address_where_nobody_answers_is_one_line_at_once(
    monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    fake = type(sys)("ray")
    fake.is_initialized = lambda: False  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ray", fake)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"{scheme}127.0.0.1:{taken.getsockname()[1]}"
        began_s = time.monotonic()
        with pytest.raises(SwathError) as error:
            LAUNCHER.check(Resources(address=address))
        assert LAUNCHER.named("3-ab", 2, Resources(address=address)) == f"swath-ray-3-ab@{address}/2"
    assert str(error.value) == (
        f"Ray at {address} does not answer: Connection refused; expected the address of a running cluster,"
        " such as executor.address=10.0.0.1:6379"
    )
    assert time.monotonic() - began_s < 5


@pytest.mark.parametrize(
    "ids", ["4711/2", "swath-ray-01/2", "x@10.0.0.1:6379/2", "swath-ray-01@10.0.0.1:6379"]
)
def test_what_is_no_actor_of_ray_is_refused(ids: str) -> None:
    with pytest.raises(SwathError, match="expected"):
        LAUNCHER.cancel(ids)


@pytest.mark.parametrize("launcher", [ProcessLauncher, SlurmLauncher, RayLauncher])
def test_a_launcher_understands_resources_that_there_are(launcher: type) -> None:
    assert {"workers", "cpus", "logs"} <= launcher.understands
    assert launcher.understands <= {field.name for field in dataclasses.fields(Resources)}
