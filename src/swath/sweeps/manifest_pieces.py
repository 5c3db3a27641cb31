"""The configurations of a large sweep, as files beside its manifest: pieces of a thousand each.

A piece is named after its content. So a sweep that is resumed writes what is new, and nothing else.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from swath.errors import SwathError
from swath.tracking import schema

PIECE = 1_000
"""Configurations of a piece; a manifest of no more has them itself."""


def pieces_of(configurations: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The content of each piece, by its name; empty if the manifest itself has the configurations.

    Args:
      configurations: entries of a manifest, which JSON can hold.
    """
    if len(configurations) <= PIECE:
        return {}
    texts = (
        json.dumps(configurations[first : first + PIECE], separators=(",", ":"))
        for first in range(0, len(configurations), PIECE)
    )
    return {f"{schema.MANIFEST_PIECES}{_digest(text.encode())}.json": text for text in texts}


def read_pieces(names: Sequence[str], read: Callable[[str], bytes]) -> list[dict[str, Any]]:
    """The configurations of pieces, in order.

    Args:
      names: of the pieces.
      read: name -> content.

    Raises:
      SwathError: a piece cannot be read, or is not the one that was stored.
    """
    found: list[dict[str, Any]] = []
    for name in names:
        content = read(name)
        if _digest(content) not in name:
            raise SwathError(f"{name} is not the file that was stored: its digest differs")
        found += json.loads(content)
    return found


def missing(pieces: Mapping[str, str], stored: Sequence[str]) -> dict[str, str]:
    """The pieces that are to be written."""
    there = set(stored)
    return {name: text for name, text in pieces.items() if name not in there}


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:32]
