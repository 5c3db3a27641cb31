"""Begins lots and ends them, and the fence that keeps a former worker out.

Whoever begins a lot raises its epoch; what an earlier worker still writes is refused, whether it was frozen,
cut off from the network or given up.
"""

from dataclasses import dataclass
from typing import Any

import sqlalchemy
from mlflow.entities import RunTag
from mlflow.store.tracking.dbmodels.models import SqlTag
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore
from mlflow.tracking import MlflowClient

from swath.errors import SwathError
from swath.tracking import schema
from swath.tracking.lot_records import Lot, State, SupersededError, lots_of, tag_of

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


MOST_TAGS = 100
"""Most tags that MLflow accepts in one call."""


def renew_lots(client: MlflowClient, run_id: str, count: int) -> None:
    """Give a sweep new lots. Their epochs go on from those of earlier ones, whose workers are refused.

    Args:
      client: client of the store.
      run_id: of the sweep's summary run.
      count: number of lots.
    """
    tags = client.get_run(run_id).data.tags
    before = {lot.number: lot.epoch + 1 for lot in lots_of(tags)}
    for number in before.keys() - set(range(count)):
        client.delete_tag(run_id, tag_of(number))
    if schema.STOPPING in tags:
        client.delete_tag(run_id, schema.STOPPING)
    epochs = [before.get(number, 0) for number in range(count)]
    new = [RunTag(tag_of(number), Lot(number, epoch, epoch).text()) for number, epoch in enumerate(epochs)]
    for first in range(0, count, MOST_TAGS):
        client.log_batch(run_id, tags=new[first : first + MOST_TAGS])


def begin_lot(client: MlflowClient, run_id: str, number: int, worker: str) -> Fence:
    """Begin a lot: raise its epoch, in one transaction where the store has any.

    Args:
      client: client of the store.
      run_id: of the sweep's summary run.
      number: of the lot.
      worker: who begins it, in words.

    Raises:
      SwathError: the sweep has no such lot.
    """
    engine = engine_of(client)
    if engine is None:
        lot = _next(number, client.get_run(run_id).data.tags.get(tag_of(number)), worker)
        client.set_tag(run_id, tag_of(number), lot.text())
    else:
        with engine.begin() as connection:
            _lock(connection, run_id, number)
            lot = _next(number, _value(connection, run_id, number), worker)
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


def _next(number: int, text: str | None, worker: str) -> Lot:
    if text is None:
        raise SwathError(f"the sweep has no lot {number}; swath-watch shows those that it has")
    before = Lot.of(number, text)
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
