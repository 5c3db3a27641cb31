"""The format of the store is defined in `tracking/schema.py` only, and documented from it."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from swath.config.search_config import OBJECTIVES
from swath.tracking import schema
from swath.tracking.format import ENTRIES, Kind, entries
from swath.tracking.format_document import document

ROOT = Path(__file__).resolve().parents[3]
SOURCE = ROOT / "src" / "swath"
FILES = sorted(path for path in SOURCE.rglob("*.py") if path != SOURCE / "tracking" / "schema.py")

PLACEHOLDER = "\0"
"""Stands for a value in a composed string."""

EXTENSION = re.compile(r"\.(yaml|txt|npz|png|json|csv)$")

NAMES = {entry.name: entry.kind for entry in ENTRIES.values() if entry.kind != "logged model"}
PREFIXES = tuple(
    name for name, kind in NAMES.items() if kind == "metric prefix" or name == schema.SHARED_VIEW_PREFIX
)
PARAMS = tuple(entry.name for entry in entries("param"))
WORDS = re.compile(
    r"(?<![\w./])("
    + "|".join(re.escape(name) for name, kind in NAMES.items() if "tag" in kind)
    + r")(?![\w/])"
)
"""A tag in a sentence."""


def text_of(node: ast.AST) -> str | None:
    """The string that an expression builds, with placeholders for values; None for other expressions."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if isinstance(node, ast.JoinedStr):
        return "".join(text_of(part) or PLACEHOLDER for part in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        left, right = text_of(node.left), text_of(node.right)
        if left is None and right is None:
            return None
        return (left or PLACEHOLDER) + (right or PLACEHOLDER)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod):
        left = text_of(node.left)
        return None if left is None else re.sub(r"%[-\d.]*\w", PLACEHOLDER, left)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        left = text_of(node.func.value)
        if left is not None and node.func.attr == "format":
            return re.sub(r"\{[^{}]*\}", PLACEHOLDER, left)
        if left is not None and node.func.attr == "join" and node.args:
            parts = node.args[0]
            if isinstance(parts, ast.List | ast.Tuple):
                return left.join(text_of(part) or PLACEHOLDER for part in parts.elts)
            return f"{PLACEHOLDER}{left}{PLACEHOLDER}"
    return None


def strings_in(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every string in a file, except docstrings."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.expr) and (text := text_of(node)) is not None:
            yield node.lineno, text
        yield from strings_in(node)


def names_in(text: str, names: dict[str, Kind]) -> list[str]:
    """Names that a string equals, contains as a word (tags), or could become."""
    if PLACEHOLDER not in text:
        found = [name for name in names if name == text]
        found += [name for name in PREFIXES if text.startswith(name)]
        return [*found, *WORDS.findall(text)]
    # A placeholder with a bare extension, or with a single character, could be anything.
    literal = EXTENSION.sub("", text).replace(PLACEHOLDER, "")
    found = [name for name in PREFIXES if text.startswith(name)] + WORDS.findall(text)
    if len(re.sub(r"\W", "", literal)) < 3:
        return found
    pattern = re.compile(".*".join(re.escape(part) for part in text.split(PLACEHOLDER)), re.DOTALL)
    return [*found, *(name for name in names if pattern.fullmatch(name))]


def reserved_names(path: Path) -> dict[str, Kind]:
    """Names that a file must not contain.

    The config room declares the fields that become params, and the metrics that may be a search's objective;
    bundled configs share the name of an artifact.
    Optimizers and models declare which fields they read.
    """
    exempt: tuple[str, ...] = ()
    declares = {"training/optimizers.py", "models/model.py", "models/registry.py"}
    if path.parent == SOURCE / "config":
        exempt = (*PARAMS, schema.CONFIG_FILE, *OBJECTIVES)
    elif path.relative_to(SOURCE).as_posix() in declares:
        exempt = PARAMS
    return {name: kind for name, kind in NAMES.items() if name not in exempt}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_names_of_the_store_occur_only_in_the_schema(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = reserved_names(path)
    found = [(line, name) for line, text in strings_in(tree) for name in names_in(text, names)]
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        "x = 'swath.bits'",
        "x = f'swath.{what}'",
        "x = 'swath.' + what",
        "x = '.'.join(['swath', 'bits'])",
        "x = 'swath.{}'.format(what)",
        "x = 'swath.%s' % what",
        "x = f'its tag swath.bits is damaged'",
        "x = f'{split}/accuracy'",
        "x = f'best/{metric}'",
        "x = 'weights.npz'",
        "x = 'weights' + suffix",
        "x = 'data.validation_size'",
        "x = f'{role}_start'",
        "def f():\n    return 'learning_rate'",
    ],
)
def test_name_in_a_string_is_found(code: str) -> None:
    assert [name for _, text in strings_in(ast.parse(code)) for name in names_in(text, NAMES)]


@pytest.mark.parametrize(
    "code",
    [
        "'''About `swath.bits`.'''",
        "x = f'{name}.yaml'",
        "x = f'{a}.{b}'",
        "x = 'swath.models.backend'",
        "x = a + b",
    ],
)
def test_other_strings_are_allowed(code: str) -> None:
    assert not [name for _, text in strings_in(ast.parse(code)) for name in names_in(text, NAMES)]


def test_documentation_of_the_store_is_up_to_date() -> None:
    written = (ROOT / "docs" / "store.md").read_text(encoding="utf-8")
    assert written == document(), "run: python -m swath.tracking.format_document > docs/store.md"
