"""How busy this machine is."""

import os

MOST = 3.0


def busy() -> float:
    """How many times longer work takes here now, 1 to 3: by the processes that share a processor."""
    return min(MOST, max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1)))
