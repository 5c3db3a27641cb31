"""What the settings `executor.*` ask of an engine, and which of them it knows."""

from collections.abc import Iterator

from swath.config import EXECUTORS, SweepConfig
from swath.execution.launchers import Resources, launcher_of
from swath.system import available_bytes

FIELDS = {
    "memory_mb": "memory",
    "time_min": "time",
    "partition": "partition",
    "constraint": "constraint",
    "account": "account",
    "extra": "lines",
    "address": "address",
}
"""The field `executor.*` of each resource that only some engines know."""

SHORT_MIN = 5
"""Minutes below which a worker may not come to a checkpoint before its time is over."""


def resources_of(settings: SweepConfig) -> Resources:
    """What each worker gets."""
    asked = settings.executor
    return Resources(
        workers=asked.workers,
        cpus=asked.cpus,
        memory_mb=asked.memory or 0,
        time_min=asked.time or 0,
        partition=asked.partition or "",
        constraint=asked.constraint or "",
        account=asked.account or "",
        extra=tuple(asked.lines),
        address=asked.address or "",
    )


def ignored_settings(settings: SweepConfig) -> Iterator[str]:
    """A line for each setting that the chosen executor would ignore."""
    name = settings.executor.name
    for resource, field in FIELDS.items():
        value = getattr(settings.executor, field)
        if value and resource not in _understood(name):
            knowing = [other for other in EXECUTORS if resource in _understood(other)]
            yield (
                f"executor.{field}={value}: executor={name} does not know it; expected executor="
                f"{' or executor='.join(knowing)}, or leave it out"
            )


def _understood(name: str) -> frozenset[str]:
    return frozenset() if name == "threads" else launcher_of(name).understands


def worker_memory(settings: SweepConfig, *, elsewhere: bool = False) -> int:
    """Bytes that a process which trains may use: all that is available here, or a worker's share of it.

    Args:
      settings: of the command.
      elsewhere: whether it will train on another machine, of which only what it asks for is known.
    """
    asked, available = settings.executor, available_bytes()
    if asked.name == "threads" or not asked.memory:
        return available // (asked.workers if asked.name == "processes" else 1)
    given = asked.memory * 2**20
    return given if elsewhere else min(given, available)


def check_engine(settings: SweepConfig) -> None:
    """Check that the engine is there and accepts what the settings ask for. Nothing is started.

    Raises:
      UsageError: it is not there, or refuses what is asked for.
      SwathError: it does not answer.
    """
    launcher_of(settings.executor.name).check(resources_of(settings))


def engine_notes(settings: SweepConfig) -> Iterator[str]:
    """A line for each setting that is accepted, and may not be meant."""
    time_min = settings.executor.time
    if time_min is not None and time_min < SHORT_MIN:
        yield (
            f"executor.time={time_min}: a worker needs a minute to start and to save a checkpoint before its "
            f"time is over; with less than {SHORT_MIN} minutes, it may never get on"
        )
