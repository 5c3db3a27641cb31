"""The registry of the names in a store: what each one names, since when, and its former name.

`schema` fills it, `format_document` prints it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal[
    "param",
    "param prefix",
    "tag",
    "tag prefix",
    "experiment tag",
    "metric",
    "metric prefix",
    "file",
    "logged model",
]


@dataclass(frozen=True)
class Entry:
    """One name of the format.

    Attributes:
      name: as it is in the store.
      kind: what it names.
      where: what carries it: `run`, `sweep` (a sweep's summary run), `both`, `model version`, ...
      meaning: one sentence.
      since: version of swath that first wrote it.
    """

    name: str
    kind: Kind
    where: str
    meaning: str
    since: str = "0.1"


ENTRIES: dict[tuple[Kind, str], Entry] = {}
"""Every name of the format, by kind and name, in the order in which they were declared."""

FORMER_TAGS: dict[str, str] = {}
"""The present name of each tag that had another name in stores of version 0.1."""

HIDDEN = "mlflow."
"""Beginning of the names of tags that MLflow's page does not show."""


def entry(kind: Kind, name: str, where: str, meaning: str, since: str = "0.1") -> str:
    """Declare a name; returns it."""
    ENTRIES[kind, name] = Entry(name, kind, where, meaning, since)
    return name


def tag(name: str, where: str, meaning: str, since: str = "0.1") -> str:
    """Declare a tag; returns its name."""
    return entry("tag", name, where, meaning, since)


def hidden_tag(former: str, where: str, meaning: str) -> str:
    """Declare a tag for programs, which had the name `former` in version 0.1; returns its name."""
    name = HIDDEN + former
    FORMER_TAGS[former] = name
    return tag(name, where, f"{meaning} `{former}` in stores of version 0.1.", "0.2")


def metric(name: str, meaning: str, since: str = "0.1") -> str:
    """Declare a metric of a run; returns its name."""
    return entry("metric", name, "run", meaning, since)


def file(name: str, where: str, meaning: str, since: str = "0.1") -> str:
    """Declare a file; returns its name."""
    return entry("file", name, where, meaning, since)


def entries(kind: Kind) -> Iterator[Entry]:
    """The entries of a kind, in the order in which they were declared."""
    return (found for found in ENTRIES.values() if found.kind == kind)


def with_present_names(tags: Mapping[str, str]) -> dict[str, str]:
    """Stored tags by their present names; a tag under its present name wins."""
    former = {FORMER_TAGS[name]: value for name, value in tags.items() if name in FORMER_TAGS}
    return former | {name: value for name, value in tags.items() if name not in FORMER_TAGS}


def former_names(name: str) -> list[str]:
    """The names that a tag has had in stores of earlier versions."""
    return [former for former, present in FORMER_TAGS.items() if present == name]
