"""The arguments of `swath`, parsed by Hydra's parser."""

import os
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hydra._internal.utils import get_args_parser

from swath.cli.one_line_parser import OneLineParser
from swath.cli.output import Output
from swath.config import overridden
from swath.errors import ConfigError
from swath.system import hide_password, passwords_in
from swath.tracking import TRACKING_VARIABLE


@dataclass(frozen=True)
class Arguments:
    """The parsed arguments of the command.

    Attributes:
      flags: options, as parsed by Hydra's parser.
      config_name: the primary config.
      overrides: FIELD=VALUE, in the given order.
      user_folders: folders given with `--config-dir`.
      output: what the command prints.
      tags: the user's own tags, from `tags.NAME=VALUE`.
      description: the user's description, from `description=TEXT`.
    """

    flags: Namespace
    config_name: str
    overrides: tuple[str, ...]
    user_folders: tuple[Path, ...]
    output: Output = field(default_factory=Output)
    tags: Mapping[str, str] = field(default_factory=dict)
    description: str = ""

    @property
    def trains(self) -> bool:
        """Whether the command trains configurations, rather than only printing something."""
        flags = self.flags
        return not (flags.help or flags.hydra_help or flags.cfg or flags.shell_completion or flags.info)

    def for_hydra(self, shown_uri: tuple[str, ...] = ()) -> list[str]:
        """Arguments for Hydra, without `--config-dir`: its folder is already in the search path.

        Args:
          shown_uri: result of `keep_password`; replaces an override that contains a password, because Hydra
            writes overrides to its files.
        """
        flags = self.flags
        arguments = ["--config-name", self.config_name]
        for name in ("multirun", "run", "resolve", "shell_completion", "hydra_help"):
            if getattr(flags, name):
                arguments.append("--" + name.replace("_", "-"))
        for name in ("cfg", "package", "info"):
            if getattr(flags, name):
                arguments += ["--" + name, getattr(flags, name)]
        kept = [text for text in self.overrides if not (shown_uri and overridden(text) == "tracking.uri")]
        return [*arguments, *kept, *shown_uri]


def read_arguments(arguments: list[str]) -> Arguments:
    """Parse the arguments of a command.

    Raises:
      ConfigError: an option or a folder does not exist.
    """
    parser = get_args_parser()
    parser.__class__ = OneLineParser
    parser.prog = "swath"
    parser.add_argument("--format", choices=FORMATS, default=FORMATS[0])
    parser.add_argument("--quiet", "-q", action="store_true")
    flags = parser.parse_intermixed_args(arguments)  # overrides may precede or follow options
    if flags.config_path is not None or flags.experimental_rerun is not None:
        raise ConfigError(["--config-path and --experimental-rerun are not supported; use --config-dir"])
    if mistakes := list(_flag_mistakes(flags)):
        raise ConfigError(mistakes)
    folders: tuple[Path, ...] = ()
    if flags.config_dir is not None:
        folders = (Path(flags.config_dir).expanduser().resolve(),)
        if not folders[0].is_dir():
            raise ConfigError([f"--config-dir {flags.config_dir}: no such folder"])
    name = (flags.config_name or "config").removesuffix(".yaml")
    output = Output(flags.format == "json", flags.quiet)
    overrides, tags, description = _without_texts(flags.overrides)
    found = Arguments(flags, name, overrides, folders, output, tags, description)
    if output.as_json and not found.trains:
        raise ConfigError(["--format json: requires a command that trains"])
    return found


_TASKS = ("run", "multirun", "cfg", "shell_completion", "info")
"""Flags of which Hydra carries out one."""


def _flag_mistakes(flags: Namespace) -> Iterator[str]:
    """Flags that do nothing, or that Hydra refuses once it has started."""
    if flags.help or flags.hydra_help:
        return
    given = [f"--{name.replace('_', '-')}" for name in _TASKS if getattr(flags, name)]
    if len(given) > 1:
        yield f"{' and '.join(given)}: expected one of them"
    for name in ("package", "resolve"):
        if getattr(flags, name) and not flags.cfg:
            value = f" {flags.package}" if name == "package" else ""
            yield f"--{name}{value}: expected together with --cfg job, hydra or all"


TAG_PREFIX = "tags."

OWN_PREFIXES = ("swath.", "mlflow.")
"""Beginnings of tags that swath and MLflow write."""


def _without_texts(overrides: Sequence[str]) -> tuple[tuple[str, ...], dict[str, str], str]:
    """Overrides without tags and description, which no run's numbers depend on; the tags; the description.

    They are taken as typed, so that they need no quotes of Hydra's grammar.

    Raises:
      ConfigError: a tag has no name, or the name of one of swath's or MLflow's tags.
    """
    kept, tags, description, mistakes = [], {}, "", []
    for text in overrides:
        key, equals, value = text.partition("=")
        if equals and key == "description":
            description = value
        elif equals and key.startswith(TAG_PREFIX):
            name = key.removeprefix(TAG_PREFIX)
            if not name or name.startswith(OWN_PREFIXES):
                mistakes.append(f"{text}: expected tags.NAME=VALUE, with a name of your own")
            tags[name] = value
        else:
            kept.append(text)
    if mistakes:
        raise ConfigError(mistakes)
    return tuple(kept), tags, description


FORMATS = ("table", "json")
"""Formats of the result on standard output."""


def keep_password(uri: str | None) -> tuple[str, ...]:
    """Keep an address that contains a password in the process environment only, so that no file contains it.

    Returns:
      Overrides that replace the address by one without the password, in Hydra's files and in every run;
      empty if there is no password.
    """
    if uri is None or not passwords_in(uri):
        return ()
    os.environ[TRACKING_VARIABLE] = uri
    quoted = hide_password(uri, uri).replace("\\", "\\\\").replace("'", "\\'")
    return (f"tracking.uri='{quoted}'",)
