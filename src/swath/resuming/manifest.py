"""The manifest of a sweep: its configurations, and what they were begun with."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from swath.errors import SwathError
from swath.facts import FACTS, MAY_CHANGE_NUMBERS

NAME = "manifest.json"
SCHEMA = 1


@dataclass(frozen=True)
class Manifest:
    """What a sweep was when it began, or was last taken up.

    Attributes:
      sweep: its name.
      sweep_id: its id.
      command: what was typed, without passwords.
      facts: what it was made with, by tag; see `swath.facts`.
      every_steps: from one stored step to the next.
      configurations: of each `fingerprint`, `data_digest` and the `values` that decide its numbers.
      earlier: the facts of each time before.
    """

    sweep: str
    sweep_id: str
    command: str
    facts: dict[str, str]
    every_steps: int
    configurations: list[dict[str, Any]]
    earlier: list[dict[str, str]]

    @property
    def identities(self) -> set[tuple[str, str]]:
        """Fingerprint and data digest of each configuration."""
        return {(entry["fingerprint"], entry["data_digest"]) for entry in self.configurations}

    def taking_up(self, before: "Manifest | None") -> "Manifest":
        """This manifest with the configurations and facts of the one before it."""
        if before is None:
            return self
        known = self.identities
        others = [
            entry
            for entry in before.configurations
            if (entry["fingerprint"], entry["data_digest"]) not in known
        ]
        return Manifest(
            self.sweep,
            self.sweep_id,
            self.command,
            self.facts,
            self.every_steps,
            [*others, *self.configurations],
            [*before.earlier, before.facts],
        )

    def text(self) -> str:
        """As JSON."""
        return json.dumps({"schema": SCHEMA, **vars(self)}, indent=1) + "\n"


def read_manifest(text: str | bytes) -> Manifest:
    """The manifest that a text holds.

    Raises:
      SwathError: it is none.
    """
    try:
        values = json.loads(text)
        if values.pop("schema") != SCHEMA:
            raise SwathError(f"{NAME} was written by another version of swath")
        found = Manifest(**values)
        _ = found.identities
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SwathError(f"{NAME} is damaged ({error})") from error
    return found


def drift(before: dict[str, str], now: dict[str, str]) -> tuple[list[str], list[str]]:
    """What has changed: lines about what can change a number, and lines about the rest."""
    serious: list[str] = []
    others: list[str] = []
    for name in FACTS:
        first, second = before.get(name), now.get(name)
        if name in before and first != second:
            line = f"{FACTS[name]}: {_short(first)}, now {_short(second)}"
            (serious if name in MAY_CHANGE_NUMBERS else others).append(line)
    return serious, others


def _short(value: str | None) -> str:
    text = "(none)" if value is None else value
    return text if len(text) <= 60 else f"{text[:57]}..."


def configurations_of(
    identities: Sequence[tuple[str, str]], values: Sequence[dict[str, Any]]
) -> list[dict[str, Any]]:
    """The entries of a manifest."""
    return [
        {"fingerprint": fingerprint, "data_digest": digest, "values": entry}
        for (fingerprint, digest), entry in zip(identities, values, strict=True)
    ]
