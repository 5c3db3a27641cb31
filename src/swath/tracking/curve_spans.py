"""Which files of a run make up its curves: what each writer says of its own files, and whom to believe.

A writer is one process that trains a run, from its start or resume to its end. It has a folder of its own and
a tag of its own, so that nobody changes what another has written. The tag is stored in the transaction that
stores the rows of the same steps, under the same fence; a file that the tag does not count is read by nobody,
and is written again if storing failed.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from swath.errors import SwathError
from swath.tracking import schema


@dataclass(frozen=True)
class Span:
    """The steps that a writer has written.

    Attributes:
      key: of the writer; the name of its folder.
      first: its first step.
      end: the step after its last one.
      files: number of its files.
      epoch: of the lot that it trained; 0 without one.
      merged: how often the files before it were merged; it replaces spans with a smaller number.
    """

    key: str
    first: int
    end: int
    files: int
    epoch: int = 0
    merged: int = 0

    @property
    def tag(self) -> str:
        """Name of its tag."""
        return f"{schema.CURVE_SPAN}{self.key}"

    def text(self) -> str:
        """Value of its tag."""
        return json.dumps({name: value for name, value in vars(self).items() if name != "key"})

    def file(self, number: int) -> str:
        """Name of a file by its number, from 0; numbers go by step."""
        return f"{schema.CURVE_FILES}{self.key}/{number:06d}.parquet"


def spans_in(tags: Mapping[str, str]) -> list[Span]:
    """The spans of a run.

    Raises:
      SwathError: a tag is damaged.
    """
    found = []
    for name, value in tags.items():
        if name.startswith(schema.CURVE_SPAN):
            try:
                values = {each: int(number) for each, number in json.loads(value).items()}
                found.append(Span(name.removeprefix(schema.CURVE_SPAN), **values))
            except (ValueError, TypeError, AttributeError) as error:
                raise SwathError(f"the tag {name} is damaged: {value[:60]!r}; expected {EXAMPLE}") from error
    return found


EXAMPLE = Span("", 0, 250, 1).text()


def chain(spans: Iterable[Span]) -> list[tuple[Span, int]]:
    """What counts of each span, by step: the span, and the step after the last that counts.

    Who began later has seen what was stored before, and went on at its end. So a span ends where the next one
    begins: what its writer wrote there came too late. Of two that began at the same step, the one with the
    later epoch counts.
    """
    found: list[tuple[Span, int]] = []
    for span in sorted(spans, key=lambda each: (each.merged, each.first, each.epoch, each.end)):
        found = [(each, min(end, span.first)) for each, end in found if each.first < span.first]
        found.append((span, span.end))
    return found


def end_of(tags: Mapping[str, str]) -> int:
    """The step after the last one in the files of a run; 0 without files, or if their tags are damaged."""
    try:
        spans = chain(spans_in(tags))
    except SwathError:
        return 0
    return spans[-1][1] if spans else 0
