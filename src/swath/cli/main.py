"""The command `swath`."""

import difflib
import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from hydra._internal.utils import get_args_parser

from swath.config import config_folder, help_lines
from swath.errors import ConfigError
from swath.system import hide_password, passwords_in
from swath.tracking import TRACKING_VARIABLE

if TYPE_CHECKING:
    from swath.tracking import Tracker


@dataclass(frozen=True)
class Arguments:
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
    def trains(self) -> bool:
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


def read_arguments(arguments: list[str]) -> Arguments:
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
    return Arguments(flags, name, tuple(flags.overrides), folders)


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


_HEAD = """\
Train a softmax image classifier for one configuration or a grid of them, many in one TensorFlow
program, and track each as an MLflow run.

Commands
  swath [FIELD=VALUE ...]                 train one configuration
  swath -m FIELD=V1,V2 [FIELD=V1,V2 ...]  train a grid: every combination of the values
  swath -cn NAME [FIELD=VALUE ...]        train a named sweep, with some fields changed
  swath --config-dir FOLDER -cn NAME      train your own config or sweep
  swath --cfg job [FIELD=VALUE ...]       print the configuration and exit
  swath --version, swath --hydra-help     print the version, or the options that Hydra adds
  swath-compare [SWEEP]                   rank the runs of a sweep
  swath-reproduce RUN_ID                  train a run again and compare the results bit by bit
  mlflow ui                               browse the runs, in the folder where they were made

Examples
  swath learning_rate=1e-6 max_steps=2000
  swath -m batch_size=50,100 learning_rate=1e-7,1e-6
  swath -cn grid resume=true
"""


def help_text() -> str:
    """Commands, fields with their allowed values, and the named sweeps with one line each."""
    lines = [_HEAD, "Hyperparameters (can be swept)"]
    lines += help_lines("identity")
    lines += ["", "Settings (one value per command)"]
    lines += help_lines("sweep")
    lines += ["", "Named sweeps"]
    sweeps = sorted(config_folder("sweeps").glob("*.yaml"))
    width = max((len(path.stem) for path in sweeps), default=0)
    lines += [f"  {path.stem:{width}}  {sweep_sentence(path)}" for path in sweeps]
    return "\n".join(lines)


def sweep_sentence(path: Path) -> str:
    """The first line of a sweep file, which says what the sweep asks."""
    with path.open(encoding="utf-8") as lines:
        return next(lines, "").lstrip("# ").strip()


def question_of(name: str, user_folders: Sequence[Path]) -> str:
    """What a named sweep asks; empty where its file does not begin with a question."""
    for folder in (*user_folders, config_folder("sweeps")):
        path = Path(folder) / f"{name}.yaml"
        if path.is_file():
            sentence = sweep_sentence(path)
            return sentence if sentence.endswith("?") else ""
    return ""


def run(arguments: list[str], tracker: "Tracker | None" = None) -> int:
    """Run one command; returns its exit status.

    Args:
      arguments: arguments of the command.
      tracker: keeps the runs; None for a store of MLflow.

    Raises:
      SwathError: what went wrong, in words for the person who typed it.
    """
    from swath.cli.command import hand_to_hydra, run_command, run_nothing
    from swath.cli.validation import check_command
    from swath.config import primary_configs, register

    words = read_arguments(arguments)
    register(words.user_folders)
    if words.flags.help:
        print(help_text())
        return 0
    known = primary_configs(words.user_folders)
    if words.config_name not in known:
        near = difflib.get_close_matches(words.config_name, known, n=1)
        question = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError([f"-cn {words.config_name}: expected one of {', '.join(known)}{question}"])
    if words.flags.shell_completion or words.flags.hydra_help:
        return hand_to_hydra(words, (), run_nothing)
    checked = check_command(
        words.config_name, list(words.overrides), words.flags.multirun, words.user_folders
    )
    password_overrides = keep_password(checked.sweep.tracking.uri)
    if not words.trains:
        return hand_to_hydra(words, password_overrides, run_nothing)
    if checked.sweep.dry_run:
        from swath.cli.dry_run import print_plan

        print_plan(checked)
        return 0
    return run_command(words, checked, password_overrides, tracker)
