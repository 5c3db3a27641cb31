"""Carries out the calls about lots in the tracking process, and ends a sweep whose workers were stopped."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from swath.errors import SwathError
from swath.tracking import schema
from swath.tracking.launch_claims import (
    NotClaimedError,
    check_claim,
    claim_launch,
    confirm_launch,
    next_epoch,
)
from swath.tracking.lot_records import Lot, State, lot_file, lots_of
from swath.tracking.lots import STOPPER, Fence, add_lots, begin_lot, confirm_lots, renew_lots, settle
from swath.tracking.offline import OfflineFallbackStore
from swath.tracking.opening import connect
from swath.tracking.repeating import patiently
from swath.tracking.stored_runs import OPEN_STATUSES
from swath.tracking.summary_run import FindBest, SummaryRun, end_interrupted, runs_of


class LotStore:
    """Lots in the opened store; see `LotService`."""

    def __init__(self, store: OfflineFallbackStore) -> None:
        self._store = store

    def claim_launch(self, run_id: str, seen: str, who: Mapping[str, str], force: bool) -> str:
        """See `LotService`."""
        client = self._store.main.client
        return patiently(lambda: claim_launch(client, run_id, seen, who, force=force))

    def hand_over(self, files: Sequence[str], claim: str, engine: str, who: Mapping[str, str]) -> str:
        """See `LotService`."""
        main, sweep = self._store.main, self._claimed(claim)
        main.system_metrics.finish()
        sweep.write_files({lot_file(number): text for number, text in enumerate(files)})
        epoch = self._renew_lots(sweep.run_id, len(files), claim, engine, who)
        main.sweep = None  # it belongs to the workers now
        return epoch

    def confirm_launch(self, run_id: str, claim: str, engine: str) -> None:
        """See `LotService`."""
        client = self._store.main.client
        patiently(lambda: confirm_launch(client, run_id, claim, engine))

    def drop_lots(self, claim: str) -> None:
        """See `LotService`."""
        self._renew_lots(self._claimed(claim).run_id, 0, claim)

    def begin_lot(self, run_id: str, lot: Lot, worker: str) -> Lot:
        """See `LotService`."""
        main = self._store.main
        main.fence = patiently(lambda: begin_lot(main.client, run_id, lot.number, worker, lot.handed_over))
        return main.fence.lot

    def check_lot(self) -> None:
        """See `LotService`."""
        self._store.main.check_fence()

    def end_lot(self, state: State) -> bool:
        """See `LotService`."""
        fence = self._fence()
        return patiently(lambda: fence.end(state))

    def read_lots(self, run_id: str) -> tuple[list[Lot], int]:
        """See `LotService`."""
        tags = patiently(lambda: self._store.main.client.get_run(run_id).data.tags)
        return lots_of(tags), next_epoch(tags)

    def add_lots(self, first: int, files: Sequence[str], epoch: int, engine: str) -> None:
        """See `LotService`."""
        fence = self._fence()
        self._store.main.check_fence()  # before it writes over the files of a successor
        texts = {lot_file(number): text for number, text in enumerate(files, start=first)}
        SummaryRun.of_stored(self._store.main.client, fence.run_id).write_files(texts)
        numbers = range(first, first + len(files))
        patiently(lambda: add_lots(fence, numbers, epoch, engine))

    def confirm_lots(self, engine: str) -> bool:
        """See `LotService`."""
        fence = self._fence()
        return patiently(lambda: confirm_lots(fence, engine))

    def _fence(self) -> Fence:
        fence = self._store.main.fence
        if fence is None:
            raise SwathError("no lot has been begun")
        return fence

    def settle_arithmetic(self, run_id: str, fingerprint: str, digest: str) -> str:
        """See `LotService`."""
        client, tag = self._store.main.client, f"{schema.CANARY}{fingerprint}"
        return patiently(lambda: settle(client, run_id, tag, digest))

    def give_up(self, run_id: str, claim: str) -> None:
        """See `LotService`."""
        check_claim(self._store.main.client.get_run(run_id).data.tags, claim)
        end_open(self._store.uri, run_id, None)

    def take_over(self, run_id: str) -> None:
        """See `LotService`."""
        self._store.main.sweep = SummaryRun.of_stored(self._store.main.client, run_id)

    def _claimed(self, claim: str) -> SummaryRun:
        """The started sweep, if this command still has the claim to it."""
        main = self._store.main
        assert main.sweep is not None
        if claim:
            with self._unless_claimed_by_another():
                check_claim(main.client.get_run(main.sweep.run_id).data.tags, claim)
        return main.sweep

    def _renew_lots(self, run_id: str, count: int, claim: str, *engine: Any) -> str:
        with self._unless_claimed_by_another():
            return patiently(lambda: renew_lots(self._store.main.client, run_id, count, claim, *engine))

    @contextlib.contextmanager
    def _unless_claimed_by_another(self) -> Iterator[None]:
        try:
            yield
        except NotClaimedError:
            self._store.main.sweep = None  # it is the other's, and must not be ended here
            raise


def end_open(uri: str, run_id: str, find_best: FindBest | None) -> int:
    """End a sweep whose workers have been stopped: no lot of it can be written any more.

    Args:
      uri: address of the store.
      run_id: of the sweep's summary run.
      find_best: chooses the best finished run; None to record none.

    Returns:
      The number of lots that are left.
    """
    client = connect(uri)
    summary = client.get_run(run_id)
    ending = summary.data.tags.get(schema.ENDING)  # its worker may be deciding how a search goes on
    left = [lot for lot in lots_of(summary.data.tags) if lot.state != "done" or str(lot.number) == ending]
    for lot in left:
        begin_lot(client, run_id, lot.number, STOPPER).end("stopped")
    open_runs = [run for run in runs_of(client, summary) if run.info.status in OPEN_STATUSES]
    for run in open_runs:
        client.set_tag(run.info.run_id, schema.ERROR, "stopped")
        client.set_terminated(run.info.run_id, "KILLED")
    if schema.LAUNCHER in summary.data.tags:
        client.delete_tag(run_id, schema.LAUNCHER)
    end_interrupted(client, run_id, "KILLED" if left else "FINISHED", find_best)
    return len(left)
