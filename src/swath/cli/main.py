"""The command `swath`: help, checks, and what to run."""

import difflib
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from swath.cli.arguments import keep_password, read_arguments
from swath.config import KINDS, config_folder, help_lines, question_of, sweep_sentence
from swath.errors import ConfigError

if TYPE_CHECKING:
    from swath.tracking import Tracker

_HEAD = """\
Train an image classifier with one configuration or a grid of configurations. Configurations
of a grid train together in one TensorFlow program; each is recorded as an MLflow run.

Commands
  swath [FIELD=VALUE ...]                 train one configuration
  swath -m FIELD=V1,V2 [FIELD=V1,V2 ...]  train a grid: all combinations of the values
  swath -m FIELD=interval(A,B) ...        search: propose values, stop most trials early
  swath -cn NAME [FIELD=VALUE ...]        train a named sweep; optionally change fields
  swath --config-dir FOLDER -cn NAME      train your own config or sweep
  swath --cfg job [FIELD=VALUE ...]       print the configuration and exit
  swath --version, swath --hydra-help     print the version, or the options that Hydra adds
  swath-compare [SWEEP]                   rank the runs of a sweep
  swath-reproduce RUN_ID                  train a run again and compare the results bit by bit
  swath ... executor=processes            let workers train a sweep: or slurm, ray; then
  swath-watch SWEEP                       show how far they have come
  swath-stop SWEEP                        stop them; resume=yes goes on
  swath-worker STORE SWEEP_ID LOT         train a lot of a sweep: what engines start
  mlflow ui                               browse the runs; start it in the folder of mlflow.db

Examples
  swath learning_rate=1e-6 max_steps=2000
  swath -m batch_size=50,100 learning_rate=1e-7,1e-6
  swath -cn search search.trials=24
  swath -cn grid resume=yes
"""


_HYDRA = """\
Folders of Hydra (may be deleted at any time)
  hydra.run.dir=FOLDER      of a single run: its config and its log
  hydra.sweep.dir=FOLDER    of a sweep, with a folder for each configuration
  hydra.launcher.folders=N  a sweep of more configurations has none for each, and one log (1000)"""


def help_text() -> str:
    """Commands, fields with their allowed values, and named sweeps."""
    lines = [_HEAD, "Hyperparameters (can be swept)"]
    lines += help_lines("identity")
    lines += ["", "Settings (one value per command)"]
    lines += help_lines("sweep")
    lines += addition_lines()
    lines += ["", *_HYDRA.splitlines(), "", "Named sweeps"]
    sweeps = sorted(config_folder("sweeps").glob("*.yaml"))
    width = max((len(path.stem) for path in sweeps), default=0)
    lines += [f"  {path.stem:{width}}  {sweep_sentence(path)}" for path in sweeps]
    return "\n".join(lines)


def addition_lines() -> list[str]:
    """The models and data sets of packages with their sentences, and why some cannot be used."""
    lines = []
    for kind in KINDS:
        texts = {
            name: f"{addition.declaration.help} [{addition.package}]".lstrip()
            for name, addition in kind.added.items()
        }
        texts |= {name: f"cannot be used: {reason}" for name, reason in kind.broken.items()}
        lines += ["", f"{kind.what.capitalize()}s of packages"] if texts else []
        width = max(map(len, texts), default=0)
        for name, text in texts.items():
            first, *others = textwrap.wrap(text, 96 - width)
            lines.append(f"  {name:{width}}  {first}")
            lines += [f"  {'':{width}}  {line}" for line in others]
    return lines


def run(arguments: list[str], tracker: "Tracker | None" = None) -> int:
    """Run one command; returns its exit status.

    Args:
      arguments: arguments of the command.
      tracker: records the runs; None for MLflow.

    Raises:
      SwathError: an error to report to the user.
    """
    # Each part is imported where it is known to be needed: help and a mistake are answered at once.
    from swath.config import primary_configs, register

    args = read_arguments(arguments)
    register(args.user_folders)
    if args.flags.help:
        print(help_text())
        return 0
    known = primary_configs(args.user_folders)
    if args.config_name not in known:
        similar = difflib.get_close_matches(args.config_name, known, n=1)
        hint = f"; did you mean {similar[0]}?" if similar else ""
        for folder in (*args.user_folders, Path.cwd()):
            if (folder / f"{args.config_name}.yml").is_file():
                hint = f"; rename {args.config_name}.yml to {args.config_name}.yaml"
        raise ConfigError([f"-cn {args.config_name}: expected one of {', '.join(known)}{hint}"])
    from swath.cli.with_hydra import run_nothing, run_with_hydra

    if args.flags.shell_completion or args.flags.hydra_help:
        return run_with_hydra(args, (), run_nothing)
    from swath.cli.validation import check_command

    checked = check_command(args.config_name, list(args.overrides), args.flags.multirun, args.user_folders)
    password_overrides = keep_password(checked.sweep.tracking.uri)
    if not args.trains:
        return run_with_hydra(args, password_overrides, run_nothing)
    if checked.sweep.dry_run and args.output.as_json:
        raise ConfigError(["--format json: not supported with dry_run=true"])
    if checked.sweep.dry_run:
        from swath.cli.dry_run import print_plan

        print_plan(checked, args.output)
        return 0
    from swath.cli.hydra_checks import callback_mistakes

    if mistakes := list(callback_mistakes(checked.base)):
        raise ConfigError(mistakes)
    question = question_of(args.config_name, args.user_folders) if checked.multirun else ""
    from swath.cli.command import run_command

    return run_command(args, checked, password_overrides, question, tracker)
