"""The text of `swath --help`, drawn from the schema and the sweep files themselves."""

from collections.abc import Sequence
from pathlib import Path

from swath.config.fields import walk_schema
from swath.config.folders import config_folder
from swath.config.schema import RunConfig

_HEAD = """\
swath trains the softmax image classifier of a CIFAR-10 tutorial for one configuration or a grid of them,
and tracks each as an MLflow run.

Commands
  swath                                            the tutorial's run
  swath learning_rate=1e-6 max_steps=2000          one run with other values
  swath -m batch_size=50,100 learning_rate=1e-7,1e-6   a grid: every combination
  swath -cn NAME [FIELD=VALUE ...]                 a named sweep, with any field changed
  swath --cfg job [FIELD=VALUE ...]                show the configuration and run nothing
  swath --config-dir FOLDER -cn NAME               a config or sweep of your own
  swath --hydra-help                               what Hydra adds
  mlflow ui                                        compare the runs, in the folder where they were made
"""


def help_text() -> str:
    """Commands, fields with units and ranges, and the named sweeps with one line each."""
    lines = [_HEAD, "Fields that decide the numbers"]
    lines += _fields("computed")
    lines += ["", "Fields that decide how a run is carried out"]
    lines += _fields("run")
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


def _fields(role: str) -> list[str]:
    lines = []
    for name, _, doc in walk_schema(RunConfig):
        if doc.role == role:
            lines.append(f"  {name:22} {doc.doc}")
            lines.append(f"  {'':22}   {doc.expected}")
    return lines
