"""Says in one line, with file and line of a config, what Hydra could not compose."""

import re
from pathlib import Path

from yaml import MarkedYAMLError

from swath.config.config_file import ConfigFile, syntax_mistake
from swath.config.config_files import ConfigFiles
from swath.config.earlier_fields import removed_choice, removed_key
from swath.config.folders import config_folder, user_folders
from swath.config.mistakes import unknown_field
from swath.config.schema import FIELDS


def composition_mistake(config_name: str, error: Exception) -> str:
    """The line about an error of Hydra, OmegaConf or YAML while a config was composed.

    Args:
      config_name: the primary config.
      error: what was raised.
    """
    if isinstance(error, MarkedYAMLError):
        return syntax_mistake(error)
    text = str(error)
    missing = re.search(r"Could not find '([\w/]+)/(\w+)'", text)
    if missing is not None and (line := removed_choice(missing[1], missing[2])):
        return f"{config_name}: {line}"
    options = re.search(r"Available options in '[^']+':((?:\s+\w+$)+)", text, flags=re.MULTILINE)
    if missing is not None and options is not None:
        return f"{missing[1]}={missing[2]}: expected one of {', '.join(options[1].split())}"
    return _in_file(config_name, one_line(error))


def _in_file(config_name: str, line: str) -> str:
    """An error with the file and line of what it is about, in place of Hydra's name of the config."""
    raised = re.match(r"In '([^']+)': (?:\w+ raised while composing config:; )?(.+)", line)
    found = re.search(r"full_key: (\S+)", line)
    key = found[1] if found is not None else ""
    if key and "ConfigKeyError" in line:
        place = _place(raised[1] if raised is not None else config_name, key)
        if key.startswith("hydra."):
            return f"{place}: no setting of Hydra: {key}; to see them, run: swath --cfg hydra"
        return removed_key(key) or f"{place}: {unknown_field(key)}"
    if raised is None:
        return line
    cause = re.sub(r"; full_key: \S*", "", raised[2])
    if key in FIELDS:
        cause = f"expected {FIELDS[key].expected}"
    return f"{_place(raised[1], key)}: {f'{key}: ' if key else ''}{cause}"


def _place(config_name: str, key: str) -> str:
    """File and line in which a config, or one that it includes, sets a key; the config's name without a file.

    Args:
      config_name: with its config group, such as `data/mine`.
      key: dotted name; the file of a group need not contain the name of the group.
    """
    keys = tuple(key.split("."))
    for folder in (*user_folders(), config_folder("sweeps"), config_folder("conf")):
        path = Path(folder) / f"{config_name}.yaml"
        if path.is_file():
            lines = ConfigFile(path).lines
            inside = keys[config_name.count("/") :]
            included = ConfigFiles(config_name, user_folders()).place(keys)
            return f"{path}, line {lines[inside]}" if inside in lines else included or str(path)
    return config_name


def one_line(error: Exception) -> str:
    """An error of Hydra or OmegaConf as one line, with its cause."""
    causes = [str(part) for part in (error, error.__cause__) if part is not None]
    lines = [line.strip() for line in "\n".join(causes).splitlines() if line.strip()]
    return "; ".join(line for line in lines if not line.startswith(("reference_type", "object_type")))
