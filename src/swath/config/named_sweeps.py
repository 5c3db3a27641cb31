"""The files of named sweeps: what their first line says."""

from collections.abc import Sequence
from pathlib import Path

from swath.config.folders import config_folder


def sweep_sentence(path: Path) -> str:
    """The first line of a sweep file: a comment that describes the sweep."""
    with path.open(encoding="utf-8") as lines:
        return next(lines, "").lstrip("# ").strip()


def question_of(name: str, user_folders: Sequence[Path]) -> str:
    """The question that a named sweep answers; empty if its file does not begin with a question."""
    for folder in (*user_folders, config_folder("sweeps")):
        path = Path(folder) / f"{name}.yaml"
        if path.is_file():
            sentence = sweep_sentence(path)
            return sentence if sentence.endswith("?") else ""
    return ""
