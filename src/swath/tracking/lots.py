"""Begins lots and ends them, and the fence that keeps a former worker out.

Whoever begins a lot raises its epoch; what an earlier worker still writes is refused, whether it was frozen,
cut off from the network or given up.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy

from swath.errors import SwathError
from swath.tracking import schema
from swath.tracking.client import Client, engine_of
from swath.tracking.launch_claims import changing, check_claim, next_epoch
from swath.tracking.lot_records import Lot, State, SupersededError, ends_sweep, lots_of, tag_of
from swath.tracking.tables import TAGS
from swath.tracking.tag_rows import lock_run, read_tags, replace_tags


@dataclass(frozen=True)
class Fence:
    """What a worker must still be when it writes: the last that has begun its lot.

    Attributes:
      client: client of the store.
      run_id: of the sweep's summary run.
      lot: the lot as this worker has begun it.
    """

    client: Client
    run_id: str
    lot: Lot

    def check(self) -> None:
        """Check the epoch with a transaction or a request of its own.

        Raises:
          SupersededError: a later worker has begun the lot.
        """
        engine = engine_of(self.client)
        if engine is None:
            self._compare(self.client.get_run(self.run_id).data.tags.get(tag_of(self.lot.number)))
        else:
            with engine.begin() as connection:
                self.check_in(connection)

    def check_in(self, connection: sqlalchemy.Connection) -> None:
        """Check the epoch in a transaction that has written already: until it ends, nobody can raise it.

        PostgreSQL locks the row. SQLite has one writer at a time, and it is this one.

        Raises:
          SupersededError: a later worker has begun the lot.
        """
        self._compare(_value(connection, self.run_id, self.lot.number, read=True))

    def end(self, state: State) -> bool:
        """Write how the lot ended; returns whether it was the last one, so that its worker ends the sweep.

        Ends of lots come one after the other, so one worker sees all of them done. Until it has ended the
        sweep, no other may, however often lots are begun again; its own lot may.

        Raises:
          SupersededError: a later worker has begun the lot.
        """
        ended = self.lot.now(state=state)
        engine = engine_of(self.client)
        if engine is None:
            self.check()
            self.client.set_tag(self.run_id, tag_of(ended.number), ended.text())
            is_last = self._goes_on(self.client.get_run(self.run_id).data.tags, state)
            if is_last:
                self.client.set_tag(self.run_id, schema.ENDING, str(ended.number))
            return is_last
        with engine.begin() as connection:
            lock_run(connection, self.run_id)
            _lock(connection, self.run_id, ended.number)
            self.check_in(connection)
            _write(connection, self.run_id, ended)
            is_last = self._goes_on(read_tags(connection, self.run_id), state)
            if is_last:
                replace_tags(connection, self.run_id, {schema.ENDING: str(ended.number)})
        return is_last

    def _goes_on(self, tags: Mapping[str, str], state: State) -> bool:
        """Whether this worker ends the sweep, or goes on with the search; a former one may have died then."""
        is_it = tags.get(schema.ENDING) == str(self.lot.number)
        return state == "done" and (is_it or ends_sweep(tags, self.lot.number))

    def check_tags(self, tags: Mapping[str, str]) -> None:
        """Check the epoch in the tags of the summary run, and that nobody stops the sweep.

        Raises:
          SupersededError: a later worker has begun the lot, or the sweep is being stopped.
        """
        self._compare(tags.get(tag_of(self.lot.number)))
        if schema.STOPPING in tags:
            raise SupersededError(f"sweep {tags.get(schema.SWEEP_ID)} is being stopped")

    def _compare(self, text: str | None) -> None:
        stored = Lot.of(self.lot.number, text or Lot(0).text())
        if stored.epoch != self.lot.epoch:
            raise SupersededError(
                f"lot {stored.number} has been begun again by {stored.worker or 'another command'} "
                f"(epoch {stored.epoch}, here {self.lot.epoch}); nothing more is written here"
            )


STOPPER = "swath-stop"
"""Who has begun a lot that is stopped."""


def renew_lots(
    client: Client,
    run_id: str,
    count: int,
    claim: str = "",
    engine: str = "",
    who: Mapping[str, str] | None = None,
) -> str:
    """Give a sweep new lots. Their epochs go on from those of earlier ones, whose workers are refused.

    Args:
      client: client of the store.
      run_id: of the sweep's summary run.
      count: number of lots.
      claim: epoch of the claim of this command; empty for a sweep that nobody else can know.
      engine: the launcher that will get the lots, and the ids under which it will know the workers.
      who: the process that hands them over; None if it has.

    Returns:
      The epoch of the lots, with which the claim goes on.

    Raises:
      NotClaimedError: another command has claimed the sweep since.
    """
    with changing(client, run_id) as (tags, change):
        if claim:
            check_claim(tags, claim, who)
        epoch = next_epoch(tags)
        new = {tag_of(number): Lot(number, epoch, epoch).text() for number in range(count)}
        if engine:
            new[schema.ENGINE] = engine
        if who is not None:
            new[schema.LAUNCHER] = json.dumps(dict(who))
        gone = {tag_of(lot.number) for lot in lots_of(tags)}
        gone |= {schema.STOPPING, schema.ENGINE, schema.LAUNCHER, schema.ENDING}
        change({**new, schema.LOT_EPOCH: str(epoch)}, sorted(gone - set(new)))
    return str(epoch)


def add_lots(fence: Fence, numbers: Sequence[int], epoch: int, engine: str) -> None:
    """Give a search further lots, in one transaction where the store has any. The last lot's worker does so.

    Args:
      fence: of the lot of this worker.
      numbers: of the new lots; none if they are there already, and their workers are started again.
      epoch: theirs, as `next_epoch` has given it.
      engine: the launcher that will get them, and the ids under which it will know the workers.

    Raises:
      SupersededError: another process goes on with the search, or it is being stopped.
    """
    with changing(fence.client, fence.run_id) as (tags, change):
        fence.check_tags(tags)
        new = {tag_of(number): Lot(number, epoch, epoch).text() for number in numbers}
        change({**new, schema.LOT_EPOCH: str(epoch), schema.ENGINE: engine}, [])


def confirm_lots(fence: Fence, engine: str) -> bool:
    """Record what an engine calls the workers of added lots; their last one ends the sweep from now on.

    Args:
      fence: of the lot of the worker that has added them.
      engine: the launcher, and its ids for the workers.

    Returns:
      Whether all lots are done already, so that the caller has to go on.

    Raises:
      SupersededError: another process goes on with the search, or it is being stopped.
    """
    with changing(fence.client, fence.run_id) as (tags, change):
        fence.check_tags(tags)
        all_done = all(lot.state == "done" for lot in lots_of(tags))
        change({schema.ENGINE: engine}, [] if all_done else [schema.ENDING])
    return all_done


def begin_lot(client: Client, run_id: str, number: int, worker: str, handed_over: int | None = None) -> Fence:
    """Begin a lot: raise its epoch, in one transaction where the store has any.

    Args:
      client: client of the store.
      run_id: of the sweep's summary run.
      number: of the lot.
      worker: who begins it, in words.
      handed_over: the epoch with which it was handed over, as the worker knows it; None for any.

    Raises:
      SupersededError: it was handed over again meanwhile, or stopped.
      SwathError: the sweep has no such lot.
    """
    engine = engine_of(client)
    if engine is None:
        lot = _next(number, client.get_run(run_id).data.tags.get(tag_of(number)), worker, handed_over)
        client.set_tag(run_id, tag_of(number), lot.text())
    else:
        with engine.begin() as connection:
            _lock(connection, run_id, number)
            lot = _next(number, _value(connection, run_id, number), worker, handed_over)
            _write(connection, run_id, lot)
    return Fence(client, run_id, lot)


def settle(client: Client, run_id: str, tag: str, value: str) -> str:
    """Set a tag that a run does not have; returns its value, which another process may have set before.

    Args:
      client: client of the store.
      run_id: of the run, which has lots: the first of them serves as the lock.
      tag: name of the tag.
      value: its value, if nobody has set one.
    """
    engine = engine_of(client)
    if engine is None:
        known: str | None = client.get_run(run_id).data.tags.get(tag)
        if known is None:
            client.set_tag(run_id, tag, value)
        return known or value
    here = (TAGS.c.run_uuid == run_id) & (TAGS.c.key == tag)
    with engine.begin() as connection:
        _lock(connection, run_id, 0)
        found: str | None = connection.execute(sqlalchemy.select(TAGS.c.value).where(here)).scalar()
        if found is None:
            connection.execute(TAGS.insert().values(run_uuid=run_id, key=tag, value=value))
        return found or value


def _next(number: int, text: str | None, worker: str, handed_over: int | None) -> Lot:
    if text is None:
        raise SwathError(f"the sweep has no lot {number}; swath-watch shows those that it has")
    before = Lot.of(number, text)
    # A worker that was frozen since it read its lot may know another one of this number, or a stopped sweep.
    is_other = before.handed_over != handed_over or before.worker == STOPPER
    if handed_over is not None and is_other:
        raise SupersededError(f"lot {number} was stopped, or handed over again, since this worker started")
    return before.now(epoch=before.epoch + 1, state="running", worker=worker)


def _here(run_id: str, number: int) -> Any:
    return (TAGS.c.run_uuid == run_id) & (TAGS.c.key == tag_of(number))


def _lock(connection: sqlalchemy.Connection, run_id: str, number: int) -> None:
    """Lock a lot's row; SQLite, which has no such locks, becomes the only writer."""
    connection.execute(TAGS.update().where(_here(run_id, number)).values(value=TAGS.c.value))


def _value(connection: sqlalchemy.Connection, run_id: str, number: int, *, read: bool = False) -> str | None:
    found = sqlalchemy.select(TAGS.c.value).where(_here(run_id, number))
    value: str | None = connection.execute(found.with_for_update(read=read)).scalar()
    return value


def _write(connection: sqlalchemy.Connection, run_id: str, lot: Lot) -> None:
    connection.execute(TAGS.update().where(_here(run_id, lot.number)).values(value=lot.text()))
