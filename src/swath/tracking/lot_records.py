"""Lots: parts of a sweep that an engine hands to workers, as the store holds them, and the calls about them.

A lot's state is a tag of the sweep's summary run. Whoever begins the lot raises its epoch.
"""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Protocol, Self

from swath.errors import SwathError
from swath.tracking import schema

State = Literal["waiting", "running", "stopped", "done"]


class SupersededError(SwathError):
    """A later worker has begun the lot of this one, which has nothing more to do."""

    exit_status = os.EX_OK


def is_superseded(error: SwathError) -> bool:
    """Whether an error is a `SupersededError`, or stands for one of the tracking process."""
    return error.exit_status == SupersededError.exit_status


@dataclass(frozen=True)
class Lot:
    """The state of a lot.

    Attributes:
      number: of the lot, from 0.
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


def ends_sweep(tags: Mapping[str, str], number: int) -> bool:
    """Whether the worker of a lot has to end the sweep: all lots are done, and no other worker ends it.

    Args:
      tags: of the summary run.
      number: of the lot.
    """
    all_done = all(lot.state == "done" for lot in lots_of(tags))
    return all_done and tags.get(schema.ENDING, str(number)) == str(number)


def lot_file(number: int) -> str:
    """The name of the file of a lot."""
    return f"{schema.LOT_FILES}{number}.json"


class LotService(Protocol):
    """Methods of the tracking process that write the lots of a sweep."""

    def claim_launch(self, run_id: str, seen: str, who: Mapping[str, str], force: bool) -> str:
        """Claim that this command decides who trains a sweep; returns the claim.

        Args:
          run_id: of the sweep's summary run.
          seen: its epoch when this command read what is left to train; empty if it had none.
          who: tags that identify the process of this command.
          force: whether to go on though another machine has begun to hand the sweep over.

        Raises:
          NotClaimedError: another command has claimed it since, or is about to hand it over.
        """

    def hand_over(self, files: Sequence[str], claim: str, engine: str, who: Mapping[str, str]) -> str:
        """Store the lots of the started sweep, one file each, and leave its summary run open.

        Args:
          files: the content of each lot's file, by number.
          claim: of this command; empty for a new sweep.
          engine: the launcher, and the ids under which it will know the workers.
          who: tags that identify the process of this command.

        Returns:
          The claim as it is now.

        Raises:
          NotClaimedError: another command has claimed the sweep since.
        """

    def confirm_launch(self, run_id: str, claim: str, engine: str) -> None:
        """Record what an engine calls the workers that it was given; empty if there was nothing to give.

        Raises:
          NotClaimedError: another command has claimed the sweep since, or it was stopped.
        """

    def drop_lots(self, claim: str) -> None:
        """Take the lots of the started sweep from its workers, which are refused from now on.

        Raises:
          NotClaimedError: another command has claimed the sweep since.
        """

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

    def end_lot(self, state: State) -> bool:
        """Write how the lot ended; returns whether this worker has to end the sweep."""

    def read_lots(self, run_id: str) -> tuple[list[Lot], int]:
        """The lots of a sweep as they are now, and the epoch of those that it may get."""

    def add_lots(self, first: int, files: Sequence[str], epoch: int, engine: str) -> None:
        """Give a search further lots, after all that it has are done.

        Args:
          first: number of the first of them.
          files: the content of each lot's file; none if they are there, and are started again.
          epoch: theirs; see `read_lots`.
          engine: the launcher, and the ids under which it will know the workers.

        Raises:
          SupersededError: another process goes on with the search, or it is being stopped.
        """

    def confirm_lots(self, engine: str) -> bool:
        """Record what an engine calls the workers of added lots; returns whether these are done already.

        Raises:
          SupersededError: another process goes on with the search, or it is being stopped.
        """

    def settle_arithmetic(self, run_id: str, fingerprint: str, digest: str) -> str:
        """The digest of the first steps of a configuration; the first worker's becomes that of the sweep."""

    def give_up(self, run_id: str, claim: str) -> None:
        """End a sweep as KILLED that no engine has accepted.

        Raises:
          NotClaimedError: another command has claimed the sweep since.
        """

    def take_over(self, run_id: str) -> None:
        """Take over the summary run of a sweep whose lots are done; `TrackingService.end_sweep` ends it."""
