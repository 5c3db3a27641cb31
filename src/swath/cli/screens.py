"""Progress reporters: progress bars in a terminal, plain lines elsewhere."""

import sys
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column

from swath.cli.progress import GroupProgress, Progress
from swath.execution import Event, GroupEnded, Note, Planned, RunEnded, SegmentDone, Starting, StepsDone
from swath.tracking import schema

LINE_EVERY_S = 10.0
"""Seconds between two progress lines without a terminal."""


class ProgressReporter(AbstractContextManager["ProgressReporter"], Protocol):
    """An observer that prints progress; as a context manager, it stops printing at exit."""

    def __call__(self, event: Event) -> None:
        """Report an event."""


class SingleRunReporter(AbstractContextManager["SingleRunReporter"]):
    """Lines of a single run: training accuracy at intervals, test accuracy, total time."""

    def __init__(self, print_every_steps: int, output: TextIO | None = None) -> None:
        self._every_steps = print_every_steps
        self._output = output or sys.stdout
        self._spinner = Console(file=self._output).status("Loading TensorFlow and MLflow ...")

    def __exit__(self, *_: object) -> None:
        self._spinner.stop()

    def __call__(self, event: Event) -> None:
        """Print the steps that are due, and the results of the run."""
        match event:
            case Starting() if self._output.isatty():
                self._spinner.start()
            case StepsDone(_, first_step, accuracies):
                self._spinner.stop()
                every = self._every_steps
                for step in range(-(-first_step // every) * every, first_step + len(accuracies), every):
                    self._print(f"Step {step:5d}: training accuracy {accuracies[step - first_step]:g}")
            case RunEnded(result):
                self._spinner.stop()
                for split in schema.SPLITS:
                    if schema.accuracy(split) in result.metrics:
                        value = result.metrics[schema.accuracy(split)]
                        self._print(f"{split.capitalize()} accuracy {value:g}")
                if schema.TOTAL_S in result.metrics:
                    self._print(f"Total time: {result.metrics[schema.TOTAL_S]:5.2f}s")
            case Note(text, transient) if not transient:
                self._spinner.stop()
                self._print(text)

    def _print(self, line: str) -> None:
        print(line, file=self._output, flush=True)


class PlainReporter(AbstractContextManager["PlainReporter"]):
    """Plain lines: failures when they happen, and the progress at intervals."""

    def __init__(
        self,
        progress: Progress,
        output: TextIO | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._progress = progress
        self._output = output or sys.stdout
        self._clock = clock
        self._last_line = clock()

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, event: Event) -> None:
        """Print failures and notes, and the progress if it is due."""
        self._progress.update(event)
        match event:
            case Starting(loads):
                of = f" of {self._progress.count} configurations" if self._progress.count else ""
                self._print(f"Sweep{of}; loading {loads} ...")
            case Note(text, transient) if not transient or self._due():
                self._print(text)
            case RunEnded(result):
                if line := self._progress.failure_line(result):
                    self._print(line)
            case SegmentDone() | GroupEnded() if self._due():
                self._print(self._progress.summary())

    def _due(self) -> bool:
        return self._clock() - self._last_line >= LINE_EVERY_S

    def _print(self, line: str) -> None:
        self._last_line = self._clock()
        print(line, file=self._output, flush=True)


REFRESHES_PER_S = 4


class BarReporter(AbstractContextManager["BarReporter"]):
    """Progress bars at the bottom of the terminal; other output and logs are printed above them."""

    def __init__(self, name: str, progress: Progress, console: Console) -> None:
        """Prepare the bars; they appear with the first event.

        Args:
          name: name of the sweep.
          progress: progress of the sweep, still empty.
          console: a terminal.
        """
        self._progress = progress
        self._console = console
        self._bars = Bars(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=16),
            TextColumn("{task.fields[note]}", markup=False, table_column=Column(ratio=1)),
            console=console,
            expand=True,
            transient=True,
            refresh_per_second=REFRESHES_PER_S,
        )
        self._total = self._bars.add_task(name, total=None, note="")
        self._groups: dict[int, TaskID] = {}

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Report an event."""
        self._progress.update(event)
        match event:
            case Starting(loads):
                self._bars.start()
                self._bars.update(self._total, note=f"loading {loads} ...")
            case Note(text, transient):
                if transient:
                    self._bars.update(self._total, note=text)
                else:
                    self._console.print(text, highlight=False, markup=False, soft_wrap=True)
            case Planned() | StepsDone():
                self._update()
            case SegmentDone(group):
                self._show_group(self._progress.running[id(group)])
                self._update()
            case GroupEnded(group):
                if id(group) in self._groups:
                    self._bars.remove_task(self._groups.pop(id(group)))
                self._update()
            case RunEnded(result):
                if line := self._progress.failure_line(result):
                    self._console.print(line, highlight=False, markup=False, soft_wrap=True)
                self._update()

    def _update(self) -> None:
        self._bars.update(
            self._total, total=1.0, completed=self._progress.fraction_done, note=self._progress.summary()
        )

    def _show_group(self, entry: GroupProgress) -> None:
        key, steps = id(entry.group), entry.group.max_steps
        if key not in self._groups:
            name = self._progress.group_name(entry.group)
            self._groups[key] = self._bars.add_task(f"  {name}", total=steps, note="")
        lanes = f"{entry.lanes} lanes" if entry.lanes > 1 else "1 lane"
        self._bars.update(
            self._groups[key], completed=entry.steps, note=f"{lanes}, step {entry.steps} of {steps}"
        )
