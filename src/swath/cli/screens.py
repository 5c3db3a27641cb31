"""Progress reporters: progress bars in a terminal, plain lines elsewhere, all on standard error."""

import sys
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import IO, Protocol, TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import Progress as Bars
from rich.progress import ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.table import Column
from rich.text import Text

from swath.cli.output import Output, is_animated
from swath.cli.progress import GroupProgress, Progress
from swath.execution import (
    Event,
    GroupEnded,
    Note,
    Planned,
    RunEnded,
    SearchStanding,
    SegmentDone,
    Starting,
    StepsDone,
)
from swath.tracking import schema

LINE_EVERY_S = 10.0
"""Seconds between two progress lines without a terminal."""


class ProgressReporter(AbstractContextManager["ProgressReporter"], Protocol):
    """An observer that prints progress; as a context manager, it stops printing at exit."""

    def __call__(self, event: Event) -> None:
        """Report an event."""


class QuietReporter(AbstractContextManager["QuietReporter"]):
    """Prints nothing."""

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, event: Event) -> None:
        """Ignore an event."""


class SingleRunReporter(AbstractContextManager["SingleRunReporter"]):
    """Lines of a single run: training accuracy at intervals, test accuracy, total time."""

    def __init__(self, print_every_steps: int, output: Output | None = None) -> None:
        self._every_steps = print_every_steps
        self._output = output or Output()
        animated = is_animated(sys.stderr) and not self._output.quiet
        console = Console(file=sys.stderr)
        loading = "Loading TensorFlow ..."
        self._spinner = console.status(loading, spinner=spinner_of(sys.stderr)) if animated else None

    def __exit__(self, *_: object) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()

    def __call__(self, event: Event) -> None:
        """Print the steps that are due, and the results of the run."""
        match event:
            case Starting() if self._spinner is not None:
                self._spinner.start()
            case StepsDone(_, first_step, accuracies):
                self._stop()
                every = self._every_steps
                for step in range(-(-first_step // every) * every, first_step + len(accuracies), every):
                    self._print(f"Step {step:5d}: training accuracy {accuracies[step - first_step]:g}")
            case RunEnded(result):
                self._stop()
                for split in schema.SPLITS:
                    if schema.accuracy(split) in result.metrics:
                        value = result.metrics[schema.accuracy(split)]
                        self._print(f"{split.capitalize()} accuracy {value:g}")
                if schema.TOTAL_S in result.metrics:
                    self._print(f"Total time: {result.metrics[schema.TOTAL_S]:5.2f}s")
            case Note(text, transient) if not transient:
                self._stop()
                self._output.say(text)

    def _print(self, line: str) -> None:
        """Print a line of data; beside JSON it is progress."""
        if self._output.as_json:
            self._output.say(line)
        elif not (self._output.quiet and line.startswith("Step")):
            self._output.show(line)


class PlainReporter(AbstractContextManager["PlainReporter"]):
    """Plain lines: failures when they happen, and the progress at intervals."""

    def __init__(
        self,
        progress: Progress,
        output: TextIO | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._progress = progress
        self._output = output or sys.stderr
        self._clock = clock
        self._last_line = clock()

    def __exit__(self, *_: object) -> None:
        pass

    def __call__(self, event: Event) -> None:
        """Print failures and notes, and the progress if it is due."""
        self._progress.update(event)
        match event:
            case Starting(loads):
                self._print(self._progress.starting(loads))
            case Note(text, transient) if not transient or self._due():
                self._print(text)
            case RunEnded(result):
                if line := self._progress.failure_line(result):
                    self._print(line)
            case SegmentDone() | GroupEnded() if self._due():
                for line in self._progress.lines():
                    self._print(line)

    def _due(self) -> bool:
        return self._clock() - self._last_line >= LINE_EVERY_S

    def _print(self, line: str) -> None:
        self._last_line = self._clock()
        print(line, file=self._output, flush=True)


REFRESHES_PER_S = 4

LEAST_BAR = 10
"""Narrowest bar, in cells."""

BELOW = "  "
"""Indentation of the line below the bars."""


def is_unicode(stream: IO[str]) -> bool:
    """Whether a stream can show every character."""
    return (getattr(stream, "encoding", None) or "").lower().replace("-", "").startswith("utf")


def spinner_of(stream: IO[str]) -> str:
    """Name of a spinner whose characters a stream can show."""
    return "dots" if is_unicode(stream) else "line"


class Bar(ProgressColumn):
    """A bar over the width there is: heavy where work is done, light where it is not, in no colour.

    Rich's own bar tells the two apart by colour, and its dark grey outweighs the rest on a light terminal.
    """

    def __init__(self, stream: IO[str]) -> None:
        super().__init__(Column(ratio=1, min_width=LEAST_BAR, no_wrap=True))
        self._done, self._left = ("\u2501", "\u2500") if is_unicode(stream) else ("=", "-")

    def render(self, task: Task) -> RenderableType:
        """The bar of a task; empty while its total is unknown."""
        return _BarText(task, self._done, self._left)


class _BarText:
    def __init__(self, task: Task, done: str, left: str) -> None:
        self._task, self._done, self._left = task, done, left

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterable[Text]:
        if self._task.total is None:
            return
        width = options.max_width
        done = min(width, int(width * self._task.completed / max(self._task.total, 1e-9)))
        yield Text.assemble((self._done * done, "bold"), (self._left * (width - done), "dim"))


class _Bars(Bars):
    """Progress bars with lines of text below them."""

    below: tuple[str, ...] = ()

    def get_renderables(self) -> Iterable[RenderableType]:
        """The bars, then the lines."""
        yield from super().get_renderables()
        for line in self.below:
            yield Text(f"{BELOW}{line}", no_wrap=True, overflow="ellipsis")


class BarReporter(AbstractContextManager["BarReporter"]):
    """Progress bars at the bottom of the terminal; other output and logs are printed above them.

    Each bar is one line, however narrow the terminal is.
    """

    def __init__(self, name: str, progress: Progress, console: Console) -> None:
        """Prepare the bars; they appear with the first event.

        Args:
          name: name of the sweep.
          progress: progress of the sweep, still empty.
          console: a terminal.
        """
        self._progress = progress
        self._console = console
        short = Column(no_wrap=True, overflow="ellipsis")
        self._bars = _Bars(
            SpinnerColumn(spinner_of(console.file), style=""),
            TextColumn("{task.description}", markup=False, table_column=short),
            Bar(console.file),
            TextColumn("{task.fields[note]}", markup=False, table_column=short),
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
                self._bars.below = (self._progress.starting(loads),)
            case Note(text, transient):
                if transient:
                    self._bars.below = (text,)
                else:
                    self._console.print(text, highlight=False, markup=False, soft_wrap=True)
            case Planned() | StepsDone() | SearchStanding():
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
        best = self._progress.best_so_far(self._console.width - len(BELOW))
        self._bars.below = tuple(filter(None, (self._progress.rungs(), best)))
        self._bars.update(
            self._total, total=1.0, completed=self._progress.fraction_done, note=self._progress.summary()
        )

    def _show_group(self, entry: GroupProgress) -> None:
        key, steps = id(entry.group), entry.group.max_steps
        if key not in self._groups:
            name = self._progress.group_name(entry.group)
            self._groups[key] = self._bars.add_task(f"  {name}", total=steps, note="")
        self._bars.update(self._groups[key], completed=entry.steps, note=f"step {entry.steps:,} of {steps:,}")
