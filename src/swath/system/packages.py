"""What installed Python packages add to swath, by their entry points."""

import importlib
import importlib.metadata
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

NAME = re.compile("[a-z][a-z0-9_]*")
"""Names of what packages and programs declare, and of its fields."""


@dataclass(frozen=True)
class Offer:
    """An object that an installed package offers under a name.

    Attributes:
      name: of the entry point.
      package: name and version of the package: `swath-convnet 0.1`.
      module: the module that the entry point names.
      value: the object; None if it could not be imported.
      fault: why it could not be imported, in one line; empty if it was.
    """

    name: str
    package: str
    module: str
    value: Any = None
    fault: str = ""


def offers(group: str, prepare: Callable[[], object]) -> Iterator[Offer]:
    """Import what installed packages offer, in the order of the packages' names.

    Packages are found by their metadata, as pip installs it; not in the working folder, where Python may look
    too. A package that fails is an offer with a fault, so that it stops no command that does not need it.

    Args:
      group: of entry points, such as `swath.models`.
      prepare: called before the first package is imported.
    """
    found = {
        (point.dist.name, point.dist.version, point.name): point
        for point in reversed(importlib.metadata.entry_points(group=group))
        if point.dist is not None and not _is_here(point.dist)
    }  # of a package that is there twice, the one that Python finds first
    if found:
        prepare()
    for (package, version, name), point in sorted(found.items()):
        described = f"{package} {version}"
        loaded = "tensorflow" in sys.modules
        try:
            value = point.load()
        except (Exception, SystemExit) as error:
            reason = " ".join(f"{type(error).__name__}: {error}".split())
            yield Offer(name, described, point.module, fault=f"{point.value} cannot be imported ({reason})")
            continue
        if not loaded and "tensorflow" in sys.modules:
            # TensorFlow takes seconds, and swath has to set it up before it is loaded.
            fault = f"importing {point.module} imports TensorFlow; import it inside functions"
            yield Offer(name, described, point.module, fault=fault)
            continue
        yield Offer(name, described, point.module, value)


def _is_here(package: importlib.metadata.Distribution) -> bool:
    """Whether the metadata of a package is in the working folder."""
    try:
        return Path(str(package.locate_file(""))).resolve() == Path.cwd()
    except OSError:  # the working folder has been deleted
        return False


def check_names(*names: object) -> None:
    """Check the names in a declaration.

    Raises:
      ValueError: one cannot be typed.
    """
    for name in names:
        if not isinstance(name, str) or not NAME.fullmatch(name):
            raise ValueError(f"{name!r}: expected a name of lower-case letters, digits and _")


def loaded(declared: Any) -> Any:
    """The function that a declaration gives, or names as `module:function`; then its module is imported."""
    if not isinstance(declared, str):
        return declared
    module, _, function = declared.partition(":")
    return getattr(importlib.import_module(module), function)
