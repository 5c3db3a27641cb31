"""The verdict of `swath-reproduce` on the decisions of a search."""

from swath import tracking
from swath.analysis import Verdict, not_reproducible
from swath.config import config_groups, hydra_ready, register
from swath.errors import ConfigError, SwathError


def verdict_on_decisions(reader: tracking.Reader, sweep_id: str) -> Verdict | None:
    """Decide a search again, without training; None if the sweep is no search.

    Args:
      reader: reader of its store.
      sweep_id: id of the sweep.
    """
    from swath.searching import plan_of_record, replay
    from swath.sweeps import read_search

    try:
        stored = read_search(reader, sweep_id)
        if stored is None:
            return None
        register()
        with hydra_ready():
            found = replay(plan_of_record(stored.record, config_groups()), stored)
    except ConfigError as error:
        return not_reproducible(f"its decisions cannot be repeated: {'; '.join(error.mistakes)}")
    except SwathError as error:
        return not_reproducible(f"its decisions cannot be repeated: {error}")
    return Verdict("differs" if found.fault else "identical", found.text)
