"""A seeded sample of the faults of `torture/faults.py`; `make torture` makes sixty."""

from collections.abc import Iterator

import pytest
from torture.engines import ENGINES, Engine
from torture.faults import Ground, engine_of, prepared, torment
from torture.strikes import (
    ClockBehind,
    DatabaseRestarted,
    DiskFull,
    Fault,
    FrozenInTransaction,
    WorkerFrozen,
    WorkerKilled,
)
from torture.strikes_on_nodes import HeadRestarted, NodeKilled, Preempted, TimeLimit

from services.postgres import Postgres

SAMPLE: dict[str, tuple[tuple[Fault, ...], ...]] = {
    # A frozen transaction is ended after half a minute, in which the other lots of a sweep may end.
    "processes": ((FrozenInTransaction(),), (ClockBehind(), DiskFull())),
    "slurm": (
        (TimeLimit(), WorkerKilled(), NodeKilled()),  # Slurm looks at limits twice a minute
        (WorkerFrozen(), Preempted(), DatabaseRestarted()),
    ),
    "ray": ((WorkerKilled(), NodeKilled()), (WorkerFrozen(), HeadRestarted())),
}
"""The faults of each sweep, by engine."""


@pytest.fixture(scope="module")
def ground(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A cache folder on a disk of its own, and what one process stores."""
    with prepared(tmp_path_factory.mktemp("faults"), postgres) as found:
        yield found


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest, one_at_a_time: None) -> Iterator[Engine]:
    """An engine that is up."""
    if reason := ENGINES[request.param][1]():
        pytest.skip(reason)
    with engine_of(request.param) as found:
        yield found


@pytest.mark.parametrize(
    ("engine", "faults", "seed"),
    [
        pytest.param(name, faults, seed, id=f"{name}-{seed}")
        for name, sweeps in SAMPLE.items()
        for seed, faults in enumerate(sweeps)
    ],
    indirect=["engine"],
)
def test_sweep_that_faults_strike_stores_what_one_process_does(
    ground: Ground, engine: Engine, faults: tuple[Fault, ...], seed: int
) -> None:
    here = [fault for fault in faults if fault.applies(engine)]
    result = torment(ground, engine, here, seed)
    assert not result.findings, f"{result.findings}; {result.faults}"
    # On a machine that is busy otherwise, the sweep may have ended before the last.
    assert len(result.faults) >= len(here) - 1, f"some struck nothing: {result.faults}"
