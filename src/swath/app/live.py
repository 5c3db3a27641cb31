"""What a terminal shows while a sweep is trained: a bar for the sweep, one for each running group."""

from contextlib import AbstractContextManager

from rich.console import Console
from rich.progress import BarColumn, SpinnerColumn, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column

from swath.app.progress import GroupProgress, Progress
from swath.events import Event, GroupEnded, Note, Planned, RunEnded, SegmentDone, Starting, StepsDone

REFRESHES_PER_S = 4


class LiveSweepScreen(AbstractContextManager["LiveSweepScreen"]):
    """Bars at the lower end of the screen; what else is printed, logs too, goes on above them."""

    def __init__(self, name: str, progress: Progress, console: Console) -> None:
        """Prepare; the bars come with the first event.

        Args:
          name: of the sweep.
          progress: of the sweep, still empty.
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
        self._whole = self._bars.add_task(name, total=None, note="")
        self._groups: dict[int, TaskID] = {}

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def __call__(self, event: Event) -> None:
        """Show what has happened."""
        self._progress.see(event)
        match event:
            case Starting():
                self._bars.start()
                self._bars.update(self._whole, note="loading TensorFlow and MLflow ...")
            case Note(text, passing):
                if passing:
                    self._bars.update(self._whole, note=text)
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
            self._whole, total=1.0, completed=self._progress.part_done, note=self._progress.summary()
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
