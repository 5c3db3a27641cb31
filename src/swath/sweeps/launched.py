"""A sweep whose lots are trained by workers, as the store shows it."""

from dataclasses import dataclass

from swath.errors import UsageError
from swath.sweeps.lots import LotFile
from swath.tracking import (
    Lot,
    Reader,
    StoredRun,
    decisions_of,
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
      decisions: the lot of a search in which its decisions are taken; None for other sweeps.
    """

    summary: StoredRun
    lots: tuple[Lot, ...]
    decisions: Lot | None = None

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
    def has_ended(self) -> bool:
        """Whether nothing more is trained."""
        return self.summary.status not in ("RUNNING", "SCHEDULED")

    @property
    def is_stopping(self) -> bool:
        """Whether `swath-stop` was called."""
        return schema.STOPPING in self.summary.tags

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
    return LaunchedSweep(sweeps[-1], lots, decisions_of(sweeps[-1].tags))
