"""Lots: parts of a sweep that an engine hands to workers, as the store holds them, and the calls about them.

A lot's state is a tag of the sweep's summary run. Whoever begins the lot raises its epoch.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol, Self

from swath.errors import SwathError
from swath.tracking import schema

DECISIONS = -1
"""Number of the lot of a search in which its decisions are taken. It has no file, and no task of its own."""

State = Literal["waiting", "running", "stopped", "done"]


class SupersededError(SwathError):
    """A later worker has begun the lot of this one."""


@dataclass(frozen=True)
class Lot:
    """The state of a lot.

    Attributes:
      number: of the lot, from 0; `DECISIONS` for that of a search.
      epoch: rises whenever it is begun, and when a later command hands it over again.
      handed_over: its epoch when it was handed over.
      state: what its present worker has done of it; `stopped` if it was put down.
      worker: who has begun it last, in words: host, process, job of the engine.
      at_ms: when the state was written, in milliseconds since 1970.
    """

    number: int
    epoch: int = 0
    handed_over: int = 0
    state: State = "waiting"
    worker: str = ""
    at_ms: int = 0

    def text(self) -> str:
        """The value of its tag."""
        values = asdict(self)
        del values["number"]
        return json.dumps(values)

    @classmethod
    def of(cls, number: int, text: str) -> Self:
        """The lot of a tag's value.

        Raises:
          SwathError: the value is none of a lot.
        """
        try:
            return cls(number, **json.loads(text))
        except (TypeError, ValueError) as error:
            raise SwathError(f"the tag {tag_of(number)} is damaged: {text[:60]}") from error

    @property
    def begun_again(self) -> int:
        """How often it was begun after its first time."""
        return max(0, self.epoch - self.handed_over - 1)

    def now(self, **changes: Any) -> Self:
        """The lot with other values, as of now."""
        return replace(self, at_ms=time.time_ns() // 1_000_000, **changes)


def tag_of(number: int) -> str:
    """The name of the tag of a lot."""
    if number == DECISIONS:
        return schema.DECISIONS
    return f"{schema.LOT}{number}"


def lots_of(tags: Mapping[str, str]) -> list[Lot]:
    """The lots of a sweep, by number.

    Args:
      tags: of its summary run.
    """
    found = [
        Lot.of(int(name.removeprefix(schema.LOT)), text)
        for name, text in tags.items()
        if name.startswith(schema.LOT)
    ]
    return sorted(found, key=lambda lot: lot.number)


def decisions_of(tags: Mapping[str, str]) -> Lot | None:
    """The lot of a search in which its decisions are taken; None for other sweeps.

    Args:
      tags: of its summary run.
    """
    return Lot.of(DECISIONS, tags[schema.DECISIONS]) if schema.DECISIONS in tags else None


def lot_file(number: int) -> str:
    """The name of the file of a lot."""
    return f"{schema.LOT_FILES}{number}.json"


class LotService(Protocol):
    """Methods of the tracking process that write the lots of a sweep."""

    def hand_over(self, files: Sequence[str], *, is_search: bool = False) -> None:
        """Store the lots of the started sweep, one file each, and leave its summary run open.

        Args:
          files: the content of each lot's file, by number.
          is_search: whether what follows these lots is decided once they are done.
        """

    def add_lots(self, run_id: str, first: int, files: Sequence[str]) -> None:
        """Give a search further lots, whose decisions this process has begun to take.

        Args:
          run_id: of the sweep's summary run.
          first: number of the first of them.
          files: the content of each lot's file.

        Raises:
          SupersededError: another process takes the decisions.
        """

    def read_lots(self, run_id: str) -> list[Lot]:
        """The lots of a sweep as they are now."""

    def drop_lots(self) -> None:
        """Take the lots of the started sweep from its workers, which are refused from now on."""

    def begin_lot(self, run_id: str, lot: Lot, worker: str) -> Lot:
        """Begin a lot; from now on, all that this process writes is refused once another has begun it.

        Args:
          run_id: of the sweep's summary run.
          lot: as this worker has read it; it is refused if it was handed over again since.
          worker: who begins it, in words.
        """

    def check_lot(self) -> None:
        """Check that no later worker has begun the lot of this one.

        Raises:
          SupersededError: one has.
        """

    def end_lot(self, state: State) -> list[Lot]:
        """Write how the lot ended; returns all lots of the sweep as they are then."""

    def settle_arithmetic(self, run_id: str, fingerprint: str, digest: str) -> str:
        """The digest of the first steps of a configuration; the first worker's becomes that of the sweep."""

    def give_up(self, run_id: str) -> None:
        """End a sweep as KILLED that no engine has accepted."""

    def take_over(self, run_id: str) -> None:
        """Take over the summary run of a sweep whose lots are done; `TrackingService.end_sweep` ends it."""
