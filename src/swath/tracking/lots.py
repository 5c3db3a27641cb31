"""Begins lots and ends them, and the fence that keeps a former worker out.

Whoever begins a lot raises its epoch; what an earlier worker still writes is refused, whether it was frozen,
cut off from the network or given up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy
from mlflow.entities import RunTag
from mlflow.store.tracking.dbmodels.models import SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from swath.errors import SwathError
from swath.tracking import schema
from swath.tracking.lot_records import (
    DECISIONS,
    Lot,
    State,
    SupersededError,
    decisions_of,
    lots_of,
    tag_of,
)

_TAGS: Any = SqlTag.__table__


@dataclass(frozen=True)
class Fence:
    """What a worker must still be when it writes: the last that has begun its lot.

    Attributes:
      client: client of the store.
      run_id: of the sweep's summary run.
      lot: the lot as this worker has begun it.
    """

    client: MlflowClient
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

    def end(self, state: State) -> None:
        """Write how the lot ended.

        Raises:
          SupersededError: a later worker has begun the lot.
        """
        ended = self.lot.now(state=state)
        engine = engine_of(self.client)
        if engine is None:
            self.check()
            self.client.set_tag(self.run_id, tag_of(ended.number), ended.text())
            return
        with engine.begin() as connection:
            _lock(connection, self.run_id, ended.number)
            self.check_in(connection)
            _write(connection, self.run_id, ended)

    def _compare(self, text: str | None) -> None:
        stored = Lot.of(self.lot.number, text or Lot(0).text())
        if stored.epoch != self.lot.epoch:
            raise SupersededError(
                f"lot {stored.number} has been begun again by {stored.worker or 'another command'} "
                f"(epoch {stored.epoch}, here {self.lot.epoch}); nothing more is written here"
            )


STOPPER = "swath-stop"
"""Who has begun a lot that is stopped."""

MOST_TAGS = 100
"""Most tags that MLflow accepts in one call."""


def renew_lots(client: MlflowClient, run_id: str, count: int, *, is_search: bool = False) -> None:
    """Give a sweep new lots. Their epochs go on from those of earlier ones, whose workers are refused.

    Args:
      client: client of the store.
      run_id: of the sweep's summary run.
      count: number of lots.
      is_search: whether it has a lot of decisions, too.
    """
    tags = client.get_run(run_id).data.tags
    before = {lot.number for lot in lots_of(tags)}
    # One epoch for all: a number that an earlier launch had, and a later one had not, must not begin at 0.
    decisions = decisions_of(tags)
    known = [*lots_of(tags), *([] if decisions is None else [decisions])]
    epoch = max([int(tags.get(schema.LOT_EPOCH, "0")), *(lot.epoch + 1 for lot in known)])
    client.set_tag(run_id, schema.LOT_EPOCH, str(epoch))
    gone = [tag_of(number) for number in before - set(range(count))]
    for name in (
        *gone,
        *(name for name in (schema.STOPPING, schema.ENGINE, schema.DECISIONS) if name in tags),
    ):
        client.delete_tag(run_id, name)
    numbers = [*range(count), *([DECISIONS] if is_search else [])]
    new = [RunTag(tag_of(number), Lot(number, epoch, epoch).text()) for number in numbers]
    _log_tags(client, run_id, new)


def add_lots(fence: Fence, first: int, count: int) -> None:
    """Give a search further lots, whose decisions are taken under a fence.

    Args:
      fence: of the lot of its decisions.
      first: number of the first new lot.
      count: number of new lots.

    Raises:
      SupersededError: another process takes the decisions.
    """
    epoch = fence.lot.handed_over  # above those of all earlier launches
    new = [RunTag(tag_of(number), Lot(number, epoch, epoch).text()) for number in range(first, first + count)]
    engine = engine_of(fence.client)
    if engine is None:
        fence.check()
        _log_tags(fence.client, fence.run_id, new)
        return
    rows = [{"run_uuid": fence.run_id, "key": tag.key, "value": tag.value} for tag in new]
    with engine.begin() as connection:
        _lock(connection, fence.run_id, fence.lot.number)
        fence.check_in(connection)
        connection.execute(_TAGS.insert(), rows)


def _log_tags(client: MlflowClient, run_id: str, tags: Sequence[RunTag]) -> None:
    for first in range(0, len(tags), MOST_TAGS):
        client.log_batch(run_id, tags=tags[first : first + MOST_TAGS])


def begin_lot(
    client: MlflowClient, run_id: str, number: int, worker: str, handed_over: int | None = None
) -> Fence:
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


def settle(client: MlflowClient, run_id: str, tag: str, value: str) -> str:
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
    here = (_TAGS.c.run_uuid == run_id) & (_TAGS.c.key == tag)
    with engine.begin() as connection:
        _lock(connection, run_id, 0)
        found: str | None = connection.execute(sqlalchemy.select(_TAGS.c.value).where(here)).scalar()
        if found is None:
            connection.execute(_TAGS.insert().values(run_uuid=run_id, key=tag, value=value))
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


def engine_of(client: MlflowClient) -> sqlalchemy.Engine | None:
    """The database of a client's store; None for a server."""
    store = client._tracking_client.store
    return store.engine if isinstance(store, SqlAlchemyStore) else None


def _here(run_id: str, number: int) -> Any:
    return (_TAGS.c.run_uuid == run_id) & (_TAGS.c.key == tag_of(number))


def _lock(connection: sqlalchemy.Connection, run_id: str, number: int) -> None:
    """Lock a lot's row; SQLite, which has no such locks, becomes the only writer."""
    connection.execute(_TAGS.update().where(_here(run_id, number)).values(value=_TAGS.c.value))


def _value(connection: sqlalchemy.Connection, run_id: str, number: int, *, read: bool = False) -> str | None:
    found = sqlalchemy.select(_TAGS.c.value).where(_here(run_id, number))
    value: str | None = connection.execute(found.with_for_update(read=read)).scalar()
    return value


def _write(connection: sqlalchemy.Connection, run_id: str, lot: Lot) -> None:
    connection.execute(_TAGS.update().where(_here(run_id, lot.number)).values(value=lot.text()))
