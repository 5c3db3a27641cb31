"""Imports in `src/swath`: through the faces of rooms, downwards, and of packages only where allowed."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[2] / "src" / "swath"

ROOMS = (
    "api",
    "cli",
    "searching",
    "sweeps",
    "execution",
    "plotting",
    "analysis",
    "training",
    "planning",
    "tracking",
    "config",
    "models",
    "datasets",
    "system",
)
"""Rooms from top to bottom. A room imports only those after it."""

MODULES = ("metrics", "errors", "lazy")
"""Modules outside the rooms, which every room may import."""

ALLOWED = {
    "mlflow": ("tracking/",),
    "tensorflow": ("models/", "training/"),
    "hydra": ("config/compose.py", "config/jobs.py", "config/overrides.py", "cli/"),
}
"""Places that may import a package."""

PURE = ("planning",)
"""Rooms that must not import heavy packages."""

HEAVY = ("tensorflow", "numpy", "mlflow", "hydra")

ENTRY_POINTS = {"__main__.py": "swath.cli.entry"}
"""Files that start a command, and the module that they import to do so, like the console scripts."""

FILES = sorted(SOURCE.rglob("*.py"))


PARTS = ("swath.execution.launchers",)
"""Parts of a room that have a face of their own."""


def imported(path: Path) -> Iterator[tuple[int, str, str]]:
    """Line, module and name of every import in a file, including those inside functions."""
    package = ("swath", *path.relative_to(SOURCE).parent.parts)
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, ""
        elif isinstance(node, ast.ImportFrom):
            parents = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join(filter(None, [*parents, node.module]))
            for alias in node.names:
                yield node.lineno, module, alias.name


def room_of(path: Path) -> str:
    """The room of a file; the module name for a module outside the rooms, empty for the package itself."""
    first = path.relative_to(SOURCE).parts[0]
    return "" if first in ("__init__.py", "__main__.py") else first.removesuffix(".py")


def own_imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Line, room, and whether the import goes through the room's face, for each import of swath's modules."""
    for line, module, name in imported(path):
        parts = module.split(".")
        if parts[0] != "swath":
            continue
        if ENTRY_POINTS.get(str(path.relative_to(SOURCE))) == module:
            continue
        if len(parts) == 1:
            if name in (*ROOMS, *MODULES):
                yield line, name, True
            continue
        yield line, parts[1], len(parts) == 2 or module in PARTS


def test_rooms_are_the_folders_of_the_package() -> None:
    folders = {path.name for path in SOURCE.iterdir() if (path / "__init__.py").exists()}
    assert folders == set(ROOMS)
    modules = {path.stem for path in SOURCE.glob("*.py")} - {"__init__", "__main__"}
    assert modules == set(MODULES)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_another_room_is_imported_through_its_face(path: Path) -> None:
    room = room_of(path)
    wrong = [line for line, other, through_face in own_imports(path) if other != room and not through_face]
    assert not wrong, f"lines {wrong} import a file of another room"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_down(path: Path) -> None:
    room = room_of(path)
    if room not in ROOMS:
        below: tuple[str, ...] = ROOMS if room == "" else ()
    else:
        below = ROOMS[ROOMS.index(room) :]
    wrong = [(line, other) for line, other, _ in own_imports(path) if other not in (*below, *MODULES)]
    assert not wrong


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_packages_are_imported_where_they_belong(path: Path) -> None:
    place = str(path.relative_to(SOURCE))
    packages = [(line, module.split(".")[0]) for line, module, _ in imported(path)]
    wrong = [
        (line, package)
        for line, package in packages
        if not place.startswith(ALLOWED.get(package, ("",))) or (package in HEAVY and room_of(path) in PURE)
    ]
    assert not wrong


LIBRARY_NAMES = {"pil": "pillow", "sklearn": "scikit-learn", "yaml": "pyyaml"}
"""Libraries whose distribution name differs from their module name."""


@pytest.mark.parametrize("room", ROOMS)
def test_architecture_names_the_libraries_of_each_room(room: str) -> None:
    text = (SOURCE.parents[1] / "docs" / "architecture.md").read_text(encoding="utf-8")
    row = next(line for line in text.splitlines() if line.startswith(f"| `{room}` |"))
    described = row.split("|")[3].partition(";")[0].partition(", and ")[0]
    found = {
        module.partition(".")[0].lower()
        for path in (SOURCE / room).rglob("*.py")
        for _, module, _ in imported(path)
        if module.partition(".")[0] not in {*sys.stdlib_module_names, "swath", "lazy_loader"}
    }
    assert {LIBRARY_NAMES.get(name, name) for name in found} == {
        name.strip().lower() for name in described.split(",")
    }
