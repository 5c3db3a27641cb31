"""An observer for events of several threads."""

import logging
import threading

from swath import execution

_log = logging.getLogger("swath")


class SynchronizedObserver:
    """Passes events from any thread to an observer, one at a time.

    An observer that raises is dropped, for example a screen whose pipe is closed; the training continues.
    """

    def __init__(self, observer: execution.Observer) -> None:
        self._observer: execution.Observer | None = observer
        self._lock = threading.Lock()

    def __call__(self, event: execution.Event) -> None:
        """Pass an event to the observer."""
        with self._lock:
            if self._observer is not None:
                try:
                    self._observer(event)
                except Exception:
                    self._observer = None
                    _log.debug("the observer has failed", exc_info=True)
