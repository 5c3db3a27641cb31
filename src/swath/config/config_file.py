"""A config file as it stands: where its keys are, and mistakes in its fields."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from swath.config.earlier_fields import removed_key
from swath.config.folders import config_groups
from swath.config.mistakes import NODES, unknown_field, value_mistakes
from swath.config.schema import FIELDS

_WHOLE_FILE = ("hydra", "defaults")

Keys = tuple[str, ...]


@dataclass(frozen=True)
class Default:
    """An entry of a file's defaults.

    Attributes:
      line: where it is.
      group: config group; empty for a config beside the file.
      name: the chosen config.
      override: whether it replaces the choice of a config that is included.
    """

    line: int
    group: str
    name: str
    override: bool = False


class ConfigFile:
    """A config file, read without Hydra.

    Args:
      path: of the file.

    Attributes:
      lines: line of each key, by the keys that lead to it.
      values: as plain dicts; empty if the file cannot be read.
      mistakes: why it cannot be read, with file and line.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: dict[Keys, int] = {}
        self.values: dict[Any, Any] = {}
        self.mistakes: list[str] = []
        try:
            text = path.read_text(encoding="utf-8")
            node = yaml.compose(text, Loader=yaml.SafeLoader)
            if node is not None and not isinstance(node, yaml.MappingNode):
                line = node.start_mark.line + 1
                self.mistakes.append(f"{self.at(line)}: expected lines FIELD: VALUE")
            if isinstance(node, yaml.MappingNode):
                self._walk(node, ())
            if not self.mistakes and node is not None:
                plain = OmegaConf.to_container(OmegaConf.create(text), resolve=False)
                assert isinstance(plain, dict)
                self.values = plain
        except yaml.MarkedYAMLError as error:
            self.mistakes.append(syntax_mistake(error, path))
        except (UnicodeDecodeError, yaml.reader.ReaderError):
            self.mistakes.append(f"{path}: expected YAML in UTF-8")
        except OSError as error:
            self.mistakes.append(f"{path}: cannot be read ({error.strerror})")
        except (OmegaConfBaseException, ValueError, RecursionError) as error:
            self.mistakes.append(f"{path}: {str(error).splitlines()[0]}")

    def at(self, line: int | None) -> str:
        """The place of a line, as the beginning of a message."""
        return str(self.path) if line is None else f"{self.path}, line {line}"

    def _walk(self, node: yaml.MappingNode, above: Keys) -> None:
        for key, value in node.value:
            here, line = (*above, str(key.value)), key.start_mark.line + 1
            if here in self.lines and key.value != "<<":
                name = ".".join(here)
                self.mistakes.append(
                    f"{self.at(line)}: {name} is there already, in line {self.lines[here]}; keep one of them"
                )
            self.lines.setdefault(here, line)
            if isinstance(value, yaml.MappingNode):
                self._walk(value, here)
            elif isinstance(value, yaml.SequenceNode):
                for number, entry in enumerate(value.value):
                    self.lines[(*here, str(number))] = entry.start_mark.line + 1

    @cached_property
    def defaults(self) -> list[Default]:
        """The entries of the defaults list."""
        found = []
        entries = self.values.get("defaults")
        for number, entry in enumerate(entries if isinstance(entries, list) else []):
            line = self.lines[("defaults", str(number))]
            group, name = next(iter(entry.items())) if isinstance(entry, dict) and entry else ("", entry)
            words = str(group).split()
            group = words[-1].partition("@")[0].lstrip("/") if words else ""
            for each in name if isinstance(name, list) else [name]:
                if isinstance(each, str):
                    each = each.removeprefix("optional ").partition("@")[0].lstrip("/").removesuffix(".yaml")
                    found.append(Default(line, group, each, "override" in words))
        return found

    def field_mistakes(self) -> Iterator[str]:
        """Mistakes in the names and values of fields."""
        yield from self._field_mistakes(self.values, ())

    def _field_mistakes(self, values: dict[Any, Any], above: Keys) -> Iterator[str]:
        for key, value in values.items():
            here = (*above, str(key))
            if not above and key in _WHOLE_FILE:
                continue
            name, place = ".".join(here), self.at(self.lines.get(here))
            if (removed := removed_key(name)) is not None:
                yield f"{place}: {removed}"
            elif name in NODES and isinstance(value, dict):
                yield from self._field_mistakes(value, here)
            elif name in NODES and name in config_groups():
                yield f"{place}: {name}={value} is chosen in defaults; write there: override {name}: {value}"
            elif name in NODES:
                field = next(field for field in FIELDS if field.startswith(f"{name}."))
                yield f"{place}: {name}: expected lines below it, such as {field.rpartition('.')[2]}: ..."
            elif name in FIELDS and len(here) <= name.count("."):
                group, _, leaf = name.rpartition(".")
                yield f"{place}: {name} is written in two lines: {group}: and, indented, {leaf}: {value}"
            elif name in FIELDS and isinstance(value, dict):
                yield f"{place}: {name}: expected {FIELDS[name].expected}"
            elif name in FIELDS and value != "???":
                yield from (f"{place}: {line}" for line in value_mistakes(name, value, in_file=True))
            elif name not in FIELDS:
                line = unknown_field(name)
                yield f"{place}: {line if name in line else f'{name}: {line}'}"


def syntax_mistake(error: yaml.MarkedYAMLError, path: Path | None = None) -> str:
    """The line about a file that is no YAML.

    Args:
      error: what YAML's parser says.
      path: of the file; None if the error knows it.
    """
    mark, begun = error.problem_mark or error.context_mark, error.context_mark
    what = re.sub("^while \\w+ ", "", error.context or "")
    where = f", in {what} that begins in line {begun.line + 1}" if what and begun else ""
    name = path if path is not None or mark is None else mark.name
    place = name if mark is None else f"{name}, line {mark.line + 1}"
    hint = next((hint for problem, hint in _HINTS.items() if problem in str(error.problem)), "")
    return f"{place}: no YAML: {error.problem}{where}{hint}"


_HINTS = {
    "'\\t'": "; indent with blanks",
    "mapping values are not allowed": "; a value with a colon needs quotes",
    "expected ',' or": "; close the bracket",
}
"""What to do about a problem of YAML."""
