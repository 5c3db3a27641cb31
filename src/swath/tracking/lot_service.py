"""Carries out the calls about lots in the tracking process, and ends a sweep whose workers were stopped."""

from collections.abc import Sequence

from mlflow.tracking import MlflowClient

from swath.errors import SwathError
from swath.tracking import schema
from swath.tracking.lot_records import DECISIONS, Lot, State, decisions_of, lot_file, lots_of
from swath.tracking.lots import STOPPER, add_lots, begin_lot, settle
from swath.tracking.mlflow_runs import FindBest, end_interrupted, runs_of
from swath.tracking.offline import OfflineFallbackStore
from swath.tracking.patience import patiently
from swath.tracking.stored_runs import OPEN_STATUSES


class LotStore:
    """Lots in the opened store; see `LotService`."""

    def __init__(self, store: OfflineFallbackStore) -> None:
        self._store = store

    def hand_over(self, files: Sequence[str], *, is_search: bool = False) -> None:
        """See `LotService`."""
        texts = {lot_file(number): text for number, text in enumerate(files)}
        self._store.main.hand_over(texts, len(files), is_search=is_search)

    def add_lots(self, run_id: str, first: int, files: Sequence[str]) -> None:
        """See `LotService`."""
        main = self._store.main
        fence = main.fence
        if fence is None:
            raise SwathError("the decisions of the search have not been begun")
        texts = {lot_file(number): text for number, text in enumerate(files, start=first)}
        main.write_files(run_id, texts)
        patiently(lambda: add_lots(fence, first, len(files)))

    def read_lots(self, run_id: str) -> list[Lot]:
        """See `LotService`."""
        return patiently(lambda: lots_of(self._store.main.client.get_run(run_id).data.tags))

    def drop_lots(self) -> None:
        """See `LotService`."""
        self._store.main.drop_lots()

    def begin_lot(self, run_id: str, lot: Lot, worker: str) -> Lot:
        """See `LotService`."""
        main = self._store.main
        main.fence = patiently(lambda: begin_lot(main.client, run_id, lot.number, worker, lot.handed_over))
        return main.fence.lot

    def check_lot(self) -> None:
        """See `LotService`."""
        self._store.main.check_fence()

    def end_lot(self, state: State) -> list[Lot]:
        """See `LotService`."""
        main = self._store.main
        fence = main.fence
        if fence is None:
            raise SwathError("no lot has been begun")
        patiently(lambda: fence.end(state))
        return lots_of(main.client.get_run(fence.run_id).data.tags)

    def settle_arithmetic(self, run_id: str, fingerprint: str, digest: str) -> str:
        """See `LotService`."""
        client, tag = self._store.main.client, f"{schema.CANARY}{fingerprint}"
        return patiently(lambda: settle(client, run_id, tag, digest))

    def give_up(self, run_id: str) -> None:
        """See `LotService`."""
        end_open(self._store.uri, run_id, None)

    def take_over(self, run_id: str) -> None:
        """See `LotService`."""
        self._store.main.take_over(run_id)


def end_open(uri: str, run_id: str, find_best: FindBest | None) -> int:
    """End a sweep whose workers have been stopped: no lot of it can be written any more.

    Args:
      uri: address of the store.
      run_id: of the sweep's summary run.
      find_best: chooses the best finished run; None to record none.

    Returns:
      The number of lots that are left.
    """
    client = MlflowClient(tracking_uri=uri)
    summary = client.get_run(run_id)
    left = [lot for lot in lots_of(summary.data.tags) if lot.state != "done"]
    decisions = decisions_of(summary.data.tags)
    if decisions is not None:  # a search that has not ended has something left, whatever its lots say
        left.insert(0, decisions)
    for lot in left:
        begin_lot(client, run_id, lot.number, STOPPER).end("stopped")
    open_runs = [run for run in runs_of(client, summary) if run.info.status in OPEN_STATUSES]
    for run in open_runs:
        client.set_tag(run.info.run_id, schema.ERROR, "stopped")
        client.set_terminated(run.info.run_id, "KILLED")
    end_interrupted(client, run_id, "KILLED" if left else "FINISHED", find_best)
    return sum(lot.number != DECISIONS for lot in left)
