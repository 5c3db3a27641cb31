"""Who may hand a sweep to an engine, and who may end it: one process at a time, as the store decides.

A claim raises the sweep's epoch in the transaction that checks that nobody else has raised it since it was
read. What follows is checked against that epoch, so of several commands at most one starts workers. A
tracking server has no such transactions: there, two commands within the same few milliseconds may both go on.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from swath.errors import SwathError
from swath.tracking import mlflow_runs, schema
from swath.tracking.client import Client, engine_of
from swath.tracking.lot_records import lots_of
from swath.tracking.provenance import is_alive
from swath.tracking.tag_rows import lock_run, read_tags, replace_tags


class NotClaimedError(SwathError):
    """Another command hands the sweep over, or it was stopped meanwhile."""


Change = Callable[[Mapping[str, str], list[str]], None]
"""(tags to set, names of tags to remove)."""


@contextmanager
def changing(client: Client, run_id: str) -> Iterator[tuple[dict[str, str], Change]]:
    """The tags of a run, and what changes some of them at the end, in one transaction if the store has any.

    Args:
      client: client of the store.
      run_id: of the run.
    """
    wanted: dict[str, str] = {}
    gone: list[str] = []

    def change(tags: Mapping[str, str], names: list[str]) -> None:
        wanted.update(tags)
        gone.extend(names)

    engine = engine_of(client)
    if engine is None:
        known = client.get_run(run_id).data.tags
        yield known, change
        tags = list(wanted.items())
        for first in range(0, len(tags), MOST_TAGS):
            mlflow_runs.log(client, run_id, tags=dict(tags[first : first + MOST_TAGS]))
        for name in set(gone) & set(known):
            client.delete_tag(run_id, name)
        return
    with engine.begin() as connection:
        lock_run(connection, run_id)
        yield read_tags(connection, run_id), change
        replace_tags(connection, run_id, wanted, gone)


MOST_TAGS = 100
"""Most tags that MLflow accepts in one call."""


def claim_launch(
    client: Client, run_id: str, seen: str, who: Mapping[str, str], *, force: bool = False
) -> str:
    """Claim that this command decides who trains a sweep from now on; returns the new epoch.

    Args:
      client: client of the store.
      run_id: of the sweep's summary run.
      seen: its epoch when this command read what is left to train; empty if it had none.
      who: tags that identify the process of this command.
      force: whether to go on though a process of another machine has begun to hand the sweep over.

    Raises:
      NotClaimedError: another command has claimed it since, or is about to hand it over.
    """
    with changing(client, run_id) as (tags, change):
        launching = json.loads(tags.get(schema.LAUNCHER, "{}"))
        epoch = tags.get(schema.LOT_EPOCH, "")
        if launching == dict(who) and epoch != seen:
            return epoch  # an earlier attempt was carried out without an answer
        is_another = bool(launching) and launching != dict(who)
        if epoch != seen or (is_another and not force and is_alive(launching)):
            raise NotClaimedError(_taken(tags, launching))
        epoch = str(next_epoch(tags))
        change({schema.LOT_EPOCH: epoch, schema.LAUNCHER: json.dumps(dict(who))}, [])
    return epoch


def check_claim(tags: Mapping[str, str], epoch: str, who: Mapping[str, str] | None = None) -> None:
    """Check that a claim still holds.

    Args:
      tags: of the summary run.
      epoch: of the claim.
      who: the process that may have raised it itself, in an attempt without an answer; None for none.

    Raises:
      NotClaimedError: another command has claimed the sweep since.
    """
    launching = json.loads(tags.get(schema.LAUNCHER, "{}"))
    if tags.get(schema.LOT_EPOCH, "") != epoch and (who is None or launching != dict(who)):
        raise NotClaimedError(_taken(tags, launching))


def confirm_launch(client: Client, run_id: str, epoch: str, engine: str) -> None:
    """Record what the engine calls the workers that it has been given.

    Args:
      client: client of the store.
      run_id: of the sweep's summary run.
      epoch: of the claim.
      engine: the launcher, and its ids for the workers; empty if there are none.

    Raises:
      NotClaimedError: another command has claimed the sweep since, or it was stopped.
    """
    with changing(client, run_id) as (tags, change):
        check_claim(tags, epoch)
        if engine and schema.STOPPING in tags:
            raise NotClaimedError(f"sweep {tags.get(schema.SWEEP_ID)} was stopped while it was handed over")
        change({schema.ENGINE: engine} if engine else {}, [schema.LAUNCHER])


def next_epoch(tags: Mapping[str, str]) -> int:
    """An epoch that no lot of a sweep has had."""
    # One epoch for all: a number that an earlier launch had, and a later one had not, must not begin at 0.
    return max([int(tags.get(schema.LOT_EPOCH, "-1")) + 1, *(lot.epoch + 1 for lot in lots_of(tags))])


def _taken(tags: Mapping[str, str], launching: Mapping[str, str]) -> str:
    sweep_id = tags.get(schema.SWEEP_ID, "")
    by = f"process {launching[schema.PID]} on {launching[schema.HOST]}" if launching else "another command"
    return (
        f"sweep {tags.get(schema.SWEEP, '')} {sweep_id} is being started by {by}: swath-watch {sweep_id} "
        f"shows it, swath-stop {sweep_id} stops it; if that process has died: resume=yes force_resume=true"
    )
