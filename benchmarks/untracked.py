"""swath without a store: `python -m benchmarks.untracked -cn grid` trains what `swath -cn grid` trains.

All runs are composed, trained, evaluated and ranked. Nothing is stored, and no tracking process is started.
"""

from swath.cli.entry import swath
from swath.tracking import NullTracker

if __name__ == "__main__":
    swath(NullTracker())
