"""The files that a primary config consists of: where a key is set, and mistakes in them with file and line.

They are read before Hydra reads them, because its errors name no line.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from swath.config.added_fields import added_names
from swath.config.config_file import ConfigFile, Default, Keys
from swath.config.earlier_fields import removed_choice
from swath.config.folders import config_folder, config_groups
from swath.config.mistakes import group_mistake, suggestion
from swath.config.schema import FIELDS, SCHEMA_NAME

FIRST_LINE = "defaults: [config, _self_]"
"""What the file of a sweep begins with."""


class ConfigFiles:
    """A primary config and the user's files that it includes.

    Args:
      name: of the primary config.
      user_folders: further folders that hold configs.
    """

    def __init__(self, name: str, user_folders: Sequence[Path]) -> None:
        self._folders = [*map(Path, user_folders), config_folder("sweeps"), config_folder("conf")]
        self._groups = config_groups(tuple(map(Path, user_folders)))
        self._files: dict[str, ConfigFile | None] = {}
        self._name, self._primary = name, self._file(name)
        self._included = list(self._reached(name, {}))

    def _file(self, name: str) -> ConfigFile | None:
        if name not in self._files:
            paths = [folder / f"{name}.yaml" for folder in self._folders]
            path = next(filter(Path.is_file, paths), None)
            self._files[name] = None if path is None else ConfigFile(path)
        return self._files[name]

    def _reached(self, name: str, seen: dict[str, None]) -> Iterator[tuple[str, ConfigFile]]:
        """The files that a config consists of, itself first, by name; files of groups are left out."""
        file = self._file(name)
        if file is None or name in seen:
            return
        seen[name] = None
        yield name, file
        for default in file.defaults:
            if not default.group and default.name != "_self_":
                yield from self._reached(default.name, seen)

    def place(self, keys: Keys) -> str | None:
        """File and line in which one of the files sets a key; None if none does."""
        for _, file in self._included:
            if keys in file.lines:
                return file.at(file.lines[keys])
        return None

    def sets(self, keys: Keys) -> bool:
        """Whether a file of a sweep or of the user sets a key; swath's own, and stored configs, set all."""
        return any(
            keys in file.lines and file.path.parent != config_folder("conf") and not _is_complete(file)
            for _, file in self._included
        )

    def mistakes(self) -> Iterator[str]:
        """Mistakes in the files, one line each, with file and line."""
        own = [file for _, file in self._included if file.path.parent != config_folder("conf")]
        for file in own:
            yield from file.mistakes
        if self._primary is None or any(file.mistakes for file in own) or self._is_cyclic(self._name, ()):
            return  # Hydra reports a config that includes itself
        yield from self._base_mistakes(self._primary)
        for file in own:
            yield from self._defaults_mistakes(file)
            yield from file.field_mistakes()

    def _is_cyclic(self, name: str, above: tuple[str, ...]) -> bool:
        file = self._file(name)
        return name in above or any(
            self._is_cyclic(default.name, (*above, name))
            for default in (file.defaults if file is not None else ())
            if not default.group
        )

    def _base_mistakes(self, file: ConfigFile) -> Iterator[str]:
        """A line if a config does not extend swath's own."""
        entries = file.values.get("defaults")
        if entries is None and _is_complete(file):
            return  # such as the config that Hydra keeps for a job
        if entries is None:
            yield f"{file.at(1)}: no defaults; write as the first line below comments: {FIRST_LINE}"
        elif not isinstance(entries, list):
            yield f"{file.at(file.lines[('defaults',)])}: defaults: expected a list; write: {FIRST_LINE}"
        elif not any(self._extends_schema(default) for default in file.defaults):
            yield f"{file.at(file.lines[('defaults',)])}: defaults without config; write: {FIRST_LINE}"

    def _extends_schema(self, default: Default) -> bool:
        if default.group or default.name == "_self_":
            return False
        reached = dict(self._reached(default.name, {}))
        known = self._file(default.name) is not None or default.name == SCHEMA_NAME
        return not known or any(
            each.name == SCHEMA_NAME for file in reached.values() for each in file.defaults
        )  # an unknown one is reported by itself

    def _defaults_mistakes(self, file: ConfigFile) -> Iterator[str]:
        for default in file.defaults:
            place = file.at(default.line)
            if "${" in default.name or "${" in default.group:
                continue
            if not default.group:
                yield from (f"{place}: {line}" for line in self._name_mistakes(default.name))
            elif default.group in self._groups:
                line = removed_choice(default.group, default.name)
                line = line or group_mistake(default.group, default.name, self._groups[default.group])
                if line is not None:
                    yield f"{place}: {line}"
                elif not default.override and self._chosen_elsewhere(file, default.group):
                    choice = f"{default.group}: {default.name}"
                    yield f"{place}: {default.group} is chosen already; write: override {choice}"
            elif (removed := removed_choice(default.group, default.name)) is not None:
                yield f"{place}: {removed}"
            elif not default.group.startswith("hydra") and not self._is_folder(default.group):
                near = suggestion(default.group, list(self._groups))
                yield f"{place}: {default.group}: expected a config group: {', '.join(self._groups)}{near}"

    def _name_mistakes(self, name: str) -> Iterator[str]:
        if name in ("_self_", SCHEMA_NAME) or self._file(name) is not None:
            return
        names = {path.stem for folder in self._folders for path in folder.glob("*.yaml")}
        near = suggestion(name, sorted(names))
        yield f"defaults: {name}: no such config; expected config or another one{near}"

    def _chosen_elsewhere(self, file: ConfigFile, group: str) -> bool:
        """Whether a config that a file includes chooses from a group."""
        others = [default.name for default in file.defaults if not default.group]
        files = {name: each for other in others for name, each in self._reached(other, {})}
        return any(
            default.group == group and not default.override
            for each in files.values()
            if each is not file
            for default in each.defaults
        )

    def _is_folder(self, group: str) -> bool:
        return any((folder / group).is_dir() for folder in self._folders)


def _is_complete(file: ConfigFile) -> bool:
    """Whether a file sets every field of swath, so that it needs no defaults."""
    added = added_names()
    return all(tuple(name.split(".")) in file.lines for name in FIELDS if name not in added)
