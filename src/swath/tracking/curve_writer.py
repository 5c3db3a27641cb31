"""Writes the curves of a run into files, segment by segment."""

import os
import shutil
import uuid
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from swath.errors import AwayError, SwathError
from swath.tracking import schema
from swath.tracking.curve_files import encode
from swath.tracking.curve_spans import Span, chain, spans_in
from swath.tracking.locations import local_path
from swath.tracking.run_records import MetricBatch
from swath.tracking.stored_curves import read_files
from swath.tracking.stored_runs import StoredRun


class CurveWriter:
    """The files of one run, as this process writes them.

    Args:
      run: the run; its tags say what earlier writers have written. If a file of theirs cannot be read, a
        resume begins at step 0, and so does this writer.
      epoch: of the lot that this process trains; 0 without one.

    Attributes:
      span: what this writer has written; None at first. An earlier value takes back what came after it.

    Raises:
      AwayError: files of earlier writers cannot be read now.
      SwathError: a tag of the run is damaged.
    """

    def __init__(self, run: StoredRun, epoch: int) -> None:
        self._run = run
        self._earlier = self._tagged = spans_in(run.tags)
        self._merged = max((span.merged for span in self._earlier), default=0)
        self._lost: SwathError | None = None
        try:
            read_files(run, chain(self._earlier))
        except AwayError:
            raise
        except SwathError as error:
            self._lost, self._earlier, self._merged = error, [], self._merged + 1
        self._epoch = epoch
        self._key = self._new_key()
        self.span: Span | None = None

    def _new_key(self) -> str:
        return f"{self._epoch}-{uuid.uuid4().hex[:8]}"

    @property
    def tags(self) -> dict[str, str]:
        """The tag that makes the files of this writer count; empty as long as it has none."""
        return {} if self.span is None else {self.span.tag: self.span.text()}

    def write(self, folder: Path, batch: MetricBatch) -> None:
        """Write the steps of a batch that no file has yet.

        The file counts once `tags` are stored. Until then nobody reads it, so it needs no temporary name.

        Args:
          folder: the run's files, or what will be added to them.
          batch: values of all steps.

        Raises:
          SwathError: earlier steps could not be read when this writer began, and do not come again.
          OSError: the file cannot be written.
        """
        if self._lost is not None and self.span is None and batch.first_step:
            raise self._lost
        chained = chain(self._spans())
        first = max(batch.first_step, chained[-1][1] if chained else 0)
        end = batch.first_step + max(map(len, batch.values.values()), default=0)
        if first < end:
            values = {name: series[first - batch.first_step :] for name, series in batch.values.items()}
            known = self.span or Span(self._key, first, first, 0, self._epoch, self._merged)
            _write(folder / known.file(known.files), np.arange(first, end), values)
            self.span = replace(known, end=end, files=known.files + 1)

    def _spans(self) -> list[Span]:
        return [*self._earlier, *self._own()]

    def _own(self) -> list[Span]:
        return [] if self.span is None else [self.span]

    def merge(self) -> dict[str, str | None]:
        """Write one file with all steps, if there are several files and they are on this machine.

        Elsewhere they stay as they are: each would be fetched and sent again, and many places permit no
        deletion.

        Returns:
          The tags that make it count; None as a value removes a tag. `tidy` removes the other files then.

        Raises:
          SwathError: a file cannot be read.
          OSError: the file cannot be written.
        """
        folder, chained = local_path(self._run.artifact_uri), chain(self._spans())
        if folder is None or sum(span.files for span, _ in chained) < 2:
            return {}
        steps, values = read_files(self._run, chained)
        # A key of its own: as long as its tag is not stored, the files that it is made of count.
        first, end = int(steps[0]), int(steps[-1]) + 1
        merged = Span(self._new_key(), first, end, 1, self._epoch, self._merged + 1)
        _write(folder / merged.file(0), steps, values)
        return {**{span.tag: None for span in [*self._tagged, *self._own()]}, merged.tag: merged.text()}

    def tidy(self, stored: Mapping[str, str | None]) -> None:
        """Remove the files that were merged.

        Args:
          stored: the tags of `merge`, which are in the store.
        """
        folder = local_path(self._run.artifact_uri)
        kept = {name.removeprefix(schema.CURVE_SPAN) for name, value in stored.items() if value is not None}
        with suppress(OSError):  # nobody reads what is left
            for path in () if folder is None else (folder / schema.CURVE_FILES).iterdir():
                if path.name not in kept:
                    shutil.rmtree(path, ignore_errors=True)


def _write(path: Path, steps: NDArray[np.int64], values: Mapping[str, NDArray[np.float64]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(encode(steps, values))
        file.flush()
        os.fsync(file.fileno())  # rows and tags survive a power failure, so the file must
