"""Identity of the code of a model that a package or a program brings, to notice that it has changed."""

from typing import TYPE_CHECKING, Any

from swath.system import object_digest, package_digest

if TYPE_CHECKING:
    from swath.models.model import ModelSpec

UNKNOWN = "unknown"
"""Stands for the digest of code of which nobody can say whether it has changed."""


def code_of(spec: "ModelSpec") -> str:
    """`NAME:DIGEST` of a model: of its package's Python files, or of the object that a program gave.

    Empty for a model of swath, whose version says it; `NAME:unknown` where a change would not be noticed.
    """
    if spec.own is None:
        return ""
    if not spec.package:
        return f"{spec.name}:{spec.program_code}"
    try:
        return f"{spec.name}:{package_digest(spec.module)}"
    except (OSError, ImportError, ValueError):
        return f"{spec.name}:{UNKNOWN}"


def program_code(source: Any) -> str:
    """Digest of the object with which a program declares a model, as it is now."""
    try:
        return object_digest(source)
    except (TypeError, ValueError, AttributeError, RecursionError, ImportError):
        return UNKNOWN
