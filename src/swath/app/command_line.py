"""The words of a command: Hydra's flags and overrides, read before Hydra reads them."""

import os
from argparse import ArgumentParser, Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from hydra._internal.utils import get_args_parser

from swath.errors import ConfigError
from swath.tracking.secrets import hide_password, passwords_in

TRACKING_VARIABLE = "MLFLOW_TRACKING_URI"


@dataclass(frozen=True)
class Words:
    """What was typed.

    Attributes:
      flags: as Hydra's own parser reads them.
      config_name: the primary config.
      overrides: FIELD=VALUE, in order.
      user_folders: what `--config-dir` names.
    """

    flags: Namespace
    config_name: str
    overrides: tuple[str, ...]
    user_folders: tuple[Path, ...]

    @property
    def runs_something(self) -> bool:
        """Whether configurations are to be trained, rather than something shown."""
        flags = self.flags
        return not (flags.help or flags.hydra_help or flags.cfg or flags.shell_completion or flags.info)

    def for_hydra(self, shown_uri: tuple[str, ...] = ()) -> list[str]:
        """The words to hand to Hydra: without `--config-dir`, which the search path has taken care of.

        Args:
          shown_uri: what `keep_password` returned; stands in for whatever was typed with the password,
            because Hydra keeps the overrides in its files.
        """
        flags = self.flags
        words = ["--config-name", self.config_name]
        for name in ("multirun", "run", "resolve", "shell_completion", "hydra_help"):
            if getattr(flags, name):
                words.append("--" + name.replace("_", "-"))
        for name in ("cfg", "package", "info"):
            if getattr(flags, name):
                words += ["--" + name, getattr(flags, name)]
        kept = [text for text in self.overrides if not (shown_uri and _sets(text, "tracking.uri"))]
        return [*words, *kept, *shown_uri]


def read_words(arguments: list[str]) -> Words:
    """Read the words of a command.

    Raises:
      ConfigError: a flag that does not exist, or a folder that is not there.
    """
    parser = get_args_parser()
    parser.__class__ = _OneLineParser
    flags = parser.parse_intermixed_args(arguments)  # overrides in front of flags, and behind them
    if flags.config_path is not None or flags.experimental_rerun is not None:
        raise ConfigError(["--config-path and --experimental-rerun are not used; --config-dir adds a folder"])
    folders: tuple[Path, ...] = ()
    if flags.config_dir is not None:
        folders = (Path(flags.config_dir).resolve(),)
        if not folders[0].is_dir():
            raise ConfigError([f"--config-dir {flags.config_dir}: there is no such folder"])
    name = (flags.config_name or "config").removesuffix(".yaml")
    return Words(flags, name, tuple(flags.overrides), folders)


class _OneLineParser(ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise ConfigError([f"{message}; swath --help lists what can be typed"])


def _sets(override: str, field: str) -> bool:
    return override.lstrip("+").partition("=")[0].strip() == field


def keep_password(uri: str | None) -> tuple[str, ...]:
    """Keep an address that holds a password where nothing writes it down: in the process environment.

    Returns:
      Overrides that put an address without the password in its place, for Hydra's files and for every run;
      none where there is no password.
    """
    if uri is None or not passwords_in(uri):
        return ()
    os.environ[TRACKING_VARIABLE] = uri
    quoted = hide_password(uri, uri).replace("\\", "\\\\").replace("'", "\\'")
    return (f"tracking.uri='{quoted}'",)
