"""Calls of several runs that wait together: their steps are stored in one transaction."""

from collections.abc import Callable, Collection, Sequence

from swath.tracking.offline import OfflineFallbackStore
from swath.tracking.rpc import Call, Outcome
from swath.tracking.store import is_of_all
from swath.tracking.tracker import TrackingService

_STEPS = TrackingService.log_steps.__qualname__


class RunCalls:
    """Carries out calls of runs that wait together; see `CarriesOutMany`.

    Nobody waits in order that calls come together: while one transaction is carried out, the steps of the
    other lanes arrive, and the next transaction holds them all.
    """

    methods: Collection[str] = (_STEPS,)

    def __init__(self, store: OfflineFallbackStore) -> None:
        self._store = store

    def carry_out(self, calls: Sequence[Call], one: Callable[[Call], Outcome]) -> list[Outcome]:
        """See `CarriesOutMany`."""
        if self._store.main.stores_together:
            return self._in_one_transaction(calls, one)
        return [one(call) for call in calls]

    def _in_one_transaction(self, calls: Sequence[Call], one: Callable[[Call], Outcome]) -> list[Outcome]:
        try:
            self._store.log_steps_of_many([(call.arguments[0], call.arguments[1]) for call in calls])
        except Exception as error:
            if is_of_all(error):
                return [(None, error)] * len(calls)
            return [one(call) for call in calls]  # the fault of one run
        return [(None, None)] * len(calls)
