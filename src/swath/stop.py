"""The word to end."""

import threading


class Stop:
    """Says to groups that are being trained that they shall end, and why."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.reason = ""

    def set(self, reason: str) -> None:
        """Have them end after their present segments; the first reason counts."""
        if not self._event.is_set():
            self.reason = reason
            self._event.set()

    def is_set(self) -> bool:
        """Whether they shall end."""
        return self._event.is_set()
