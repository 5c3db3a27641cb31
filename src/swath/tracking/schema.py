"""The format of the store: every tag, metric, param and file name that swath writes or reads.

No other file spells such a name. Stores of earlier versions stay readable, so a name is never reused with
another meaning. `python -m swath.tracking.schema > docs/store.md` writes the documentation of the format.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from swath.config import TrainConfig, walk_schema

Kind = Literal[
    "param", "param prefix", "tag", "experiment tag", "metric", "metric prefix", "file", "logged model"
]


@dataclass(frozen=True)
class Entry:
    """One name of the format.

    Attributes:
      name: as it is in the store.
      kind: what it names.
      where: what carries it: `run`, `sweep` (a sweep's summary run), `both`, `model version`, ...
      meaning: one sentence.
      since: version of swath that first wrote it.
    """

    name: str
    kind: Kind
    where: str
    meaning: str
    since: str = "0.1"


ENTRIES: dict[tuple[Kind, str], Entry] = {}
"""Every name of the format, by kind and name, in the order of this file."""


def _entry(kind: Kind, name: str, where: str, meaning: str, since: str = "0.1") -> str:
    ENTRIES[kind, name] = Entry(name, kind, where, meaning, since)
    return name


def _tag(name: str, where: str, meaning: str) -> str:
    return _entry("tag", name, where, meaning)


FORMER_TAGS: dict[str, str] = {}
"""The present name of each tag that had another name in stores of version 0.1."""


def _hidden_tag(name: str, where: str, meaning: str) -> str:
    """A tag for programs: MLflow's page does not show tags whose names begin with `mlflow.`."""
    hidden = f"mlflow.{name}"
    FORMER_TAGS[name] = hidden
    return _entry("tag", hidden, where, f"{meaning} `{name}` in stores of version 0.1.", "0.2")


def _metric(name: str, meaning: str) -> str:
    return _entry("metric", name, "run", meaning)


def _file(name: str, where: str, meaning: str) -> str:
    return _entry("file", name, where, meaning)


# Params: the fields that determine a run's numbers; the config room declares them.
for _name, _spec in walk_schema(TrainConfig):
    _entry("param", _name, "run", _spec.help)
BATCH_SIZE = ENTRIES["param", "batch_size"].name
LEARNING_RATE = ENTRIES["param", "learning_rate"].name
MAX_STEPS = ENTRIES["param", "max_steps"].name
SEED = ENTRIES["param", "seed"].name
DATA_NAME = ENTRIES["param", "data.name"].name
VALIDATION_SIZE = ENTRIES["param", "data.validation_size"].name

LOG10 = _entry(
    "param prefix",
    "log10 ",
    "run",
    "Followed by a param's name: its decimal logarithm, for MLflow's page. swath does not read it.",
    "0.2",
)

# Which runs these are.
KIND = _tag(
    "swath.kind", "both", "`run` (a configuration), `sweep` (a sweep's summary run) or `reproduction`."
)
SWEEP = _tag(
    "swath.sweep", "both", "Name of the sweep; `ad-hoc` for a grid typed in a shell, `single` for one run."
)
SWEEP_ID = _tag("swath.sweep_id", "both", "Id of the sweep: 12 hexadecimal digits, unique for each command.")
SWEPT = _tag("swath.swept", "both", "Fields that vary within the sweep, separated by spaces.")
FINGERPRINT = _tag("swath.fingerprint", "run", "Identity of the configuration: 16 hexadecimal digits.")
DATA_DIGEST = _tag("swath.data_digest", "both", "SHA-256 of all images and labels.")
LANE = _hidden_tag(
    "swath.lane", "run", "Identity of the training: the same for runs that differ in max_steps at most."
)
CONFIG_SCHEMA = _hidden_tag("swath.config_schema", "run", "Version of the meaning of the config's fields.")
OVERRIDES = _tag("swath.overrides", "run", "Overrides that were typed for the run, as a JSON list.")
EVERY_STEPS = _tag(
    "swath.every_steps", "run", "Steps from one stored value of a per-step metric to the next."
)
REPRODUCES = _tag("swath.reproduces", "reproduction", "Id of the run that this one repeats.")

# How a run ended.
ERROR = _tag("swath.error", "run", "Why the run did not finish, in one line.")
BITS = _tag("swath.bits", "run", "Result digest: SHA-256 of everything that the run computed.")
FILES = _hidden_tag("swath.files", "run", "SHA-256 of each file of the run, as JSON.")
TRAIN_ACCURACY_TAG = _tag(
    "swath.train_accuracy", "run", "Mean training accuracy of the last 100 steps, as Python prints a float."
)
RESUMED = _tag("swath.resumed", "both", "How often the run has been resumed.")
REPRODUCED = _tag("swath.reproduced", "both", "Verdict of the last recorded reproduction.")
AFTERWARDS = _tag("swath.afterwards", "both", "`done` once plots and models are stored, or what went wrong.")

# Where the numbers came from.
VERSION = _tag("swath.version", "both", "Version of swath.")
TENSORFLOW = _tag("swath.tensorflow", "both", "Version of TensorFlow.")
NUMPY = _tag("swath.numpy", "both", "Version of NumPy.")
MLFLOW = _tag("swath.mlflow", "both", "Version of MLflow.")
CPU = _tag("swath.cpu", "both", "Name of the processor.")
CPU_INSTRUCTION_SETS = _tag("swath.cpu_instruction_sets", "both", "Instruction sets of the processor.")
CPU_COUNT = _hidden_tag("swath.cpu_count", "both", "Number of processors of the machine.")
ONEDNN = _tag("swath.onednn", "both", "Whether TensorFlow used oneDNN: `true` or `false`.")
COMPUTE_VARIABLES = _entry(
    "tag",
    "swath.compute_variables",
    "both",
    "Environment variables that may change how TensorFlow computes, `NAME=VALUE`, or `unset`.",
    "0.2",
)
INTRA_OP_THREADS = _hidden_tag("swath.intra_op_threads", "both", "Threads within one TensorFlow operation.")
INTER_OP_THREADS = _hidden_tag("swath.inter_op_threads", "both", "TensorFlow operations at a time.")
DEVICE = _hidden_tag("swath.device", "both", "Device that computed; always `cpu`.")
COMMIT = _tag("swath.commit", "both", "Commit of the source, where swath ran from a checkout.")
DIRTY = _tag("swath.dirty", "both", "Whether that checkout had uncommitted changes: `true` or `false`.")

# Which processes work on it.
HOST = _tag("swath.host", "both", "Name of the machine.")
PID = _hidden_tag("swath.pid", "both", "Process that trains.")
PID_START = _hidden_tag("swath.pid_start", "both", "When that process started, in seconds since 1970.")
TRACKER_PID = _hidden_tag("swath.tracker_pid", "both", "Process that writes the store.")
TRACKER_PID_START = _hidden_tag(
    "swath.tracker_pid_start", "both", "When that process started, in seconds since 1970."
)

# A sweep as a whole.
COMMAND = _tag("swath.command", "sweep", "The command that was typed, without passwords.")
QUESTION = _entry("tag", "swath.question", "sweep", "Question that the named sweep answers.", "0.2")
GRID = _tag("swath.grid", "sweep", "Values of each field that varies.")
ASKED_FOR = _tag("swath.asked_for", "sweep", "Number of configurations of the sweep.")
FINISHED_COUNT = _tag("swath.finished", "sweep", "Number of configurations that finished.")
FAILED_COUNT = _tag("swath.failed", "sweep", "Number of configurations that failed.")
KILLED_COUNT = _tag("swath.killed", "sweep", "Number of configurations that were interrupted.")
WALL_S = _tag("swath.wall_s", "sweep", "Duration of the command in seconds.")
STEPS_PER_S = _tag("swath.steps_per_s", "sweep", "Steps of all configurations per second.")
BEST_RUN_ID = _tag("swath.best_run_id", "sweep", "Id of the best run.")
RANKED_BY = _tag("swath.ranked_by", "sweep", "Metric that ranks the runs.")

COUNTS: Mapping[str, str] = {"FINISHED": FINISHED_COUNT, "FAILED": FAILED_COUNT, "KILLED": KILLED_COUNT}
"""The tag that counts the configurations with a status."""

# Offline runs.
SERVER_RUN_ID = _tag(
    "swath.spool.run_id", "offline run", "Id of the run on the server that this one continues."
)
OFFLINE_RUN_ID = _tag("swath.spool.id", "run", "Id that a synchronised run had in the offline store.")

# Registered models.
WHY = _tag("swath.why", "model version", "Why this run was registered.")

# MLflow's own names.
NOTE = _tag("mlflow.note.content", "sweep", "Description that MLflow's page shows.")
USER = _tag("mlflow.user", "both", "User who ran the command.")
SOURCE_NAME = _tag("mlflow.source.name", "both", "Program that made the run: `swath`.")
RUN_COLOR = _entry(
    "tag",
    "mlflow.runColor",
    "run",
    "Colour on MLflow's page: by the field that explains most.",
    "0.2",
)
SOURCE_TYPE = _tag("mlflow.source.type", "both", "`LOCAL`.")
SOURCE_COMMIT = _tag(
    "mlflow.source.git.commit", "both", "The same as `swath.commit`, where MLflow's page looks for it."
)
DATA_CONTEXT = _tag("mlflow.data.context", "dataset input", "`training`.")
OWN_NOTE = _entry(
    "experiment tag",
    "swath.note",
    "experiment",
    "The description as swath last wrote it; one that was edited is kept.",
)
DATABASE = _entry(
    "experiment tag",
    "swath.database",
    "experiment",
    "Path of the SQLite file that the experiment belongs to; a copy of the file has another path.",
)
EXPERIMENT_KIND = _entry(
    "experiment tag",
    "mlflow.experimentKind",
    "experiment",
    "`custom_model_development`: the page opens on runs.",
)
SHARED_VIEW_PREFIX = _entry(
    "experiment tag",
    "mlflow.sharedViewState.",
    "experiment",
    "Followed by a sweep id: what the page of the sweep shows.",
)

# Metrics. A split is `train`, `validation` or `test`.
TRAIN_ACCURACY = _metric("train/accuracy", "Share of a step's batch that was classified correctly, 0..1.")
TRAIN_LOSS = _metric("train/loss", "Mean cross-entropy of a step's batch, in nats.")
VALIDATION_ACCURACY = _metric("validation/accuracy", "Accuracy on the validation images, 0..1.")
VALIDATION_LOSS = _metric("validation/loss", "Mean cross-entropy on the validation images, in nats.")
TEST_ACCURACY = _metric("test/accuracy", "Accuracy on the test images, 0..1.")
TEST_LOSS = _metric("test/loss", "Mean cross-entropy on the test images, in nats.")
TRAIN_S = _metric("runtime/train_s", "The run's share of its lane group's training time, in seconds.")
EVALUATE_S = _metric("runtime/evaluate_s", "The run's share of the evaluation time, in seconds.")
GROUP_S = _metric("runtime/group_s", "Training time of the whole lane group, in seconds.")
LANES = _metric("runtime/lanes", "Number of lanes of the group.")
TOTAL_S = _metric("runtime/total_s", "Time from the start of the run to its end, in seconds.")
TRACK_S = _metric("runtime/track_s", "Time that writing the run to the store took, in seconds.")
RUNTIME = _entry("metric prefix", "runtime/", "run", "Measured times; never the same twice.")
SYSTEM = _entry(
    "metric prefix",
    "system/",
    "sweep",
    "MLflow's system metrics, if its variable asks for them; of a single run, on that run.",
    "0.2",
)
BEST = _entry("metric prefix", "best/", "sweep", "Followed by a metric's name: its value in the best run.")

# Files.
CONFIG_FILE = _file(
    "config.yaml", "run", "Configuration; `swath --config-dir . --config-name config` runs it."
)
OVERRIDES_FILE = _file("overrides.yaml", "run", "Overrides that were typed for the run.")
ENVIRONMENT_FILE = _file("environment.txt", "run", "Installed packages, `name==version`.")
WEIGHTS_FILE = _file("weights.npz", "run", "Learned arrays, and the statistics that normalise the pixels.")
PREDICTIONS_FILE = _file(
    "predictions.npz", "run", "Predicted and true classes of validation and test images."
)
WEIGHTS_IMAGE_FILE = _file("weights.png", "run", "The weights of each class as an image.")
CONFUSION_FILE = _file("confusion.json", "run", "Confusion matrix of the test images.")
TRACEBACK_FILE = _file("traceback.txt", "run", "Traceback of an unexpected error.")
MODEL = _entry("logged model", "model", "run", "The run's weights as an MLflow model: `runs:/RUN_ID/model`.")
REPORT_FILE = _entry("file", "report.html", "sweep", "Answer, ranking and pictures on one page.", "0.2")
# MLflow's page lists folders first, then files by name: the prefix keeps all others behind the report.
SWEEP_FILES = _entry("file", "sweep-", "sweep", "Followed by a file's name: plots, and the next two.", "0.2")
MANIFEST_FILE = _entry(
    "file",
    f"{SWEEP_FILES}manifest.json",
    "sweep",
    "Configurations of the sweep and their provenance. `manifest.json` in stores of version 0.1.",
    "0.2",
)
FORMER_MANIFEST_FILE = "manifest.json"
RANKING_FILE = _entry(
    "file",
    f"{SWEEP_FILES}ranking.csv",
    "sweep",
    "The configurations, best first. `ranking.csv` in stores of version 0.1.",
    "0.2",
)

SPLITS = ("validation", "test")
"""Images that a run is evaluated on."""

PER_STEP = (TRAIN_ACCURACY, TRAIN_LOSS)
"""Metrics that every step has."""

VALIDATION = (VALIDATION_ACCURACY, VALIDATION_LOSS)


def accuracy(split: str) -> str:
    """Name of the accuracy on a split."""
    return f"{split}/accuracy"


def loss(split: str) -> str:
    """Name of the loss on a split."""
    return f"{split}/loss"


def split_of(metric: str) -> str | None:
    """The split of `SPLITS` that a metric is the accuracy on; None for any other metric."""
    return next((split for split in SPLITS if metric == accuracy(split)), None)


def loss_beside(metric: str) -> str:
    """The loss on the images of an accuracy, which breaks ties; any other metric itself."""
    split, _, kind = metric.rpartition("/")
    return loss(split) if kind == "accuracy" else metric


def log10(field: str) -> str:
    """Name of the param with the decimal logarithm of a field."""
    return f"{LOG10}{field}"


def with_logarithms(params: Mapping[str, str]) -> dict[str, str]:
    """Params as they are stored: those that span decades, also as their decimal logarithm."""
    shown = {
        log10(name): f"{math.log10(float(params[name])):.6g}"
        for name, spec in walk_schema(TrainConfig)
        if spec.log_scale and name in params
    }
    return {**params, **shown}


def with_present_names(tags: Mapping[str, str]) -> dict[str, str]:
    """Stored tags by their present names; a tag under its present name wins."""
    former = {FORMER_TAGS[name]: value for name, value in tags.items() if name in FORMER_TAGS}
    return former | {name: value for name, value in tags.items() if name not in FORMER_TAGS}


def former_names(tag: str) -> list[str]:
    """The names that a tag has had in stores of earlier versions."""
    return [former for former, name in FORMER_TAGS.items() if name == tag]


def without_logarithms(params: Mapping[str, str]) -> dict[str, str]:
    """Stored params without those that only MLflow's page shows."""
    return {name: value for name, value in params.items() if not name.startswith(LOG10)}


def is_loss(metric: str) -> bool:
    """Whether a metric is a loss."""
    return metric.endswith("/loss")


def is_accuracy(metric: str) -> bool:
    """Whether a metric is an accuracy, on any images."""
    return metric.endswith("/accuracy")


def is_per_step(metric: str) -> bool:
    """Whether a metric is one of every step, of which a run may store each Nth only."""
    return metric in PER_STEP


def is_measured(metric: str) -> bool:
    """Whether a metric is a measurement of the machine rather than a computed number."""
    return metric.startswith((RUNTIME, SYSTEM))


def larger_is_better(metric: str) -> bool:
    """Whether larger values of a metric are better: not of losses and times."""
    return not (is_loss(metric) or is_measured(metric))


def best(metric: str) -> str:
    """Name, on a sweep's summary run, of the best run's value of a metric."""
    return f"{BEST}{metric}"


def entries(kind: Kind) -> Iterator[Entry]:
    """The entries of a kind, in the order of this file."""
    return (entry for entry in ENTRIES.values() if entry.kind == kind)


_HEAD = """\
# Store format

Everything that swath writes into an MLflow store. This page is generated from `src/swath/tracking/schema.py`:
`python -m swath.tracking.schema > docs/store.md`.
"""


def document() -> str:
    """The documentation of the format as Markdown: the text of `docs/store.md`."""
    lines = [_HEAD]
    for kind in get_args(Kind):
        plural = "es" if kind.endswith("x") else "s"
        lines += [
            f"## {kind.capitalize()}{plural}",
            "",
            "| name | on | since | meaning |",
            "|---|---|---|---|",
        ]
        lines += [f"| `{e.name}` | {e.where} | {e.since} | {e.meaning} |" for e in entries(kind)]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    print(document(), end="")
