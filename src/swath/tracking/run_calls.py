"""Calls of runs that wait together: their steps in one transaction, or several runs side by side."""

from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby

from swath.tracking.address import is_server
from swath.tracking.offline import OfflineFallbackStore
from swath.tracking.rpc import Call, Outcome
from swath.tracking.store import is_of_all
from swath.tracking.tracker import TrackingService

CONNECTIONS = 8
"""Runs that are sent to a server at a time."""

_STEPS = TrackingService.log_steps.__qualname__


class RunCalls:
    """Carries out calls of runs that wait together; see `CarriesOutMany`.

    Nobody waits in order that calls come together: while some are carried out, those of the other lanes
    arrive, and they are the next. A database gets the steps of all of them in one transaction. A server gets
    the calls of several runs side by side, those of one run in their order; steps of a run that wait one
    after the other are sent together.
    """

    methods: Collection[str] = (
        TrackingService.start_run.__qualname__,
        _STEPS,
        TrackingService.end_run.__qualname__,
    )

    def __init__(self, store: OfflineFallbackStore) -> None:
        self._store = store
        self._pool = ThreadPoolExecutor(CONNECTIONS, "swath-server")  # starts no thread before it is used

    def carry_out(self, calls: Sequence[Call], one: Callable[[Call], Outcome]) -> list[Outcome]:
        """See `CarriesOutMany`."""
        if is_server(self._store.uri):
            return self._side_by_side(calls, one)
        return self._grouped(calls, one, self._store.main.stores_together)

    def _grouped(
        self, calls: Sequence[Call], one: Callable[[Call], Outcome], steps_together: bool
    ) -> list[Outcome]:
        outcomes: list[Outcome] = []
        for method, found in groupby(calls, lambda call: call.method):
            group = list(found)
            if method == _STEPS and len(group) > 1 and steps_together:
                outcomes += self._together(group, one)
            else:
                outcomes += map(one, group)
        return outcomes

    def _together(self, calls: Sequence[Call], one: Callable[[Call], Outcome]) -> list[Outcome]:
        try:
            self._store.log_steps_of_many([(call.arguments[0], call.arguments[1]) for call in calls])
        except Exception as error:
            if is_of_all(error) or len({call.arguments[0] for call in calls}) == 1:
                return [(None, error)] * len(calls)
            return [one(call) for call in calls]  # the fault of one run
        return [(None, None)] * len(calls)

    def _side_by_side(self, calls: Sequence[Call], one: Callable[[Call], Outcome]) -> list[Outcome]:
        by_run: dict[int, list[int]] = {}
        for index, call in enumerate(calls):
            by_run.setdefault(call.arguments[0], []).append(index)
        outcomes: list[Outcome] = [(None, None)] * len(calls)

        def carry_out_of_run(indices: list[int]) -> None:
            found = self._grouped([calls[index] for index in indices], one, steps_together=True)
            for index, outcome in zip(indices, found, strict=True):
                outcomes[index] = outcome

        list(self._pool.map(carry_out_of_run, by_run.values()))
        return outcomes
