"""A sweep whose lots are trained by workers, as the store shows it."""

import json
from dataclasses import dataclass

from swath.errors import UsageError
from swath.sweeps.lots import LotFile
from swath.tracking import (
    Lot,
    Reader,
    StoredRun,
    ends_sweep,
    is_alive,
    lot_file,
    lots_of,
    open_reader,
    read_bytes,
    schema,
)


@dataclass(frozen=True)
class LaunchedSweep:
    """A sweep that has lots.

    Attributes:
      summary: its summary run.
      lots: its lots, by number.
    """

    summary: StoredRun
    lots: tuple[Lot, ...]

    @property
    def sweep_id(self) -> str:
        """Its id."""
        return self.summary.tags[schema.SWEEP_ID]

    @property
    def name(self) -> str:
        """Its name."""
        return self.summary.tags.get(schema.SWEEP, "")

    @property
    def engine(self) -> tuple[str, str]:
        """The launcher that has its tasks, and the launcher's ids for them; empty before it was called."""
        name, _, ids = self.summary.tags.get(schema.ENGINE, "").partition(" ")
        return name, ids

    @property
    def launcher(self) -> str:
        """Who is handing the sweep to an engine, in words; empty once it has done so, or has died."""
        process = json.loads(self.summary.tags.get(schema.LAUNCHER, "{}"))
        if not process or not is_alive(process):
            return ""
        return f"process {process[schema.PID]} on {process[schema.HOST]}"

    @property
    def has_ended(self) -> bool:
        """Whether nothing more is trained."""
        return self.summary.status not in ("RUNNING", "SCHEDULED")

    @property
    def is_stopping(self) -> bool:
        """Whether `swath-stop` was called."""
        return schema.STOPPING in self.summary.tags

    @property
    def is_going_on(self) -> bool:
        """Whether a worker of a search has added lots, and may not have started their workers."""
        return schema.ENDING in self.summary.tags and any(lot.state != "done" for lot in self.lots)

    def is_ended_by(self, number: int) -> bool:
        """Whether the worker of this lot ends the sweep, or goes on with the search."""
        return ends_sweep(self.summary.tags, number) or self.summary.tags.get(schema.ENDING) == str(number)

    def lot(self, number: int) -> Lot:
        """A lot.

        Raises:
          UsageError: there is none with this number.
        """
        found = {lot.number: lot for lot in self.lots}
        if number not in found:
            raise UsageError(
                f"sweep {self.sweep_id} has no lot {number}; it has lots 0 to {len(self.lots) - 1}"
            )
        return found[number]

    def file(self, number: int) -> LotFile:
        """The file of a lot.

        Raises:
          SwathError: it cannot be read, or was written by another version of swath.
        """
        return LotFile.of(read_bytes(self.summary, lot_file(number)), number)


def find_launched(uri: str | None, which: str, reader: Reader | None = None) -> LaunchedSweep:
    """A sweep whose lots are trained by workers.

    Args:
      uri: address of the store; None for MLflow's default.
      which: its id, or its name for the latest of this name.
      reader: reads the store, if one is open.

    Raises:
      UsageError: there is none.
    """
    reader = reader or open_reader(uri)
    sweeps = [run for run in reader.runs({schema.SWEEP_ID: which}) if run.tags.get(schema.KIND) == "sweep"]
    if not sweeps:
        named = reader.runs({schema.SWEEP: which})
        sweeps = [run for run in named if run.tags.get(schema.KIND) == "sweep"]
    if not sweeps:
        raise UsageError(f"{which}: the store has no such sweep; swath-compare lists those that it has")
    lots = tuple(lots_of(sweeps[-1].tags))
    if not lots:
        raise UsageError(
            f"sweep {which} was trained by its own command and has no workers; swath-compare {which} shows it"
        )
    return LaunchedSweep(sweeps[-1], lots)
