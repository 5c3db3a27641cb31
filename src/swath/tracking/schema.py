"""The format of the store: every tag, metric, param and file name that swath writes or reads.

No other file spells such a name. Stores of earlier versions stay readable, so a name is never reused with
another meaning. `format_document` writes docs/store.md from it.
"""

import math
from collections.abc import Mapping

from swath.config import TrainConfig, walk_schema
from swath.tracking.format import ENTRIES, entry, file, hidden_tag, metric, tag

# Params: the fields that determine a run's numbers; the config room declares them.
for _name, _spec in walk_schema(TrainConfig):
    entry("param", _name, "run", _spec.help, "0.2" if _spec.is_later else "0.1")
BATCH_SIZE = ENTRIES["param", "batch_size"].name
LEARNING_RATE = ENTRIES["param", "learning_rate"].name
MAX_STEPS = ENTRIES["param", "max_steps"].name
SEED = ENTRIES["param", "seed"].name
INIT_SEED = ENTRIES["param", "init_seed"].name
OPTIMIZER = ENTRIES["param", "optimizer.name"].name
MODEL_NAME = ENTRIES["param", "model.name"].name
DATA_NAME = ENTRIES["param", "data.name"].name
VALIDATION_SIZE = ENTRIES["param", "data.validation_size"].name

LOG10 = entry(
    "param prefix",
    "log10 ",
    "run",
    "Followed by a param's name: its decimal logarithm, for MLflow's page. swath does not read it.",
    "0.2",
)

# Which runs these are.
KIND = tag(
    "swath.kind", "both", "`run` (a configuration), `sweep` (a sweep's summary run) or `reproduction`."
)
SWEEP = tag(
    "swath.sweep", "both", "Name of the sweep; `ad-hoc` for a grid typed in a shell, `single` for one run."
)
SWEEP_ID = tag("swath.sweep_id", "both", "Id of the sweep: 12 hexadecimal digits, unique for each command.")
SWEPT = tag("swath.swept", "both", "Fields that vary within the sweep, separated by spaces.")
FINGERPRINT = tag("swath.fingerprint", "run", "Identity of the configuration: 16 hexadecimal digits.")
DATA_DIGEST = tag("swath.data_digest", "both", "SHA-256 of all images and labels.")
DATA_SIZES = tag(
    "swath.data_sizes",
    "run",
    "Sizes of the data set as JSON: `shape` (channels, rows, columns), `classes`, `train`, `test` (images).",
    "0.2",
)
LANE = hidden_tag(
    "swath.lane", "run", "Identity of the training: the same for runs that differ in max_steps at most."
)
CONFIG_SCHEMA = hidden_tag("swath.config_schema", "run", "Version of the meaning of the config's fields.")
OVERRIDES = tag("swath.overrides", "run", "Overrides that were typed for the run, as a JSON list.")
EVERY_STEPS = tag("swath.every_steps", "run", "Steps from one stored value of a per-step metric to the next.")
CURVES = tag(
    "swath.curves",
    "run",
    "`file` or `both`: files of the run have every step. Missing: metrics have all that is stored.",
    "0.2",
)
CURVE_SPAN = entry(
    "tag prefix",
    "mlflow.swath.curve.",
    "run",
    "Followed by the key of a writer: which steps its files have, as JSON.",
    "0.2",
)
STEP_TIMES = tag(
    "swath.step_times",
    "run",
    "`start + step`: the time of a per-step value is the run's start plus 1 ms a step, so a value that is "
    "sent again is the same row. MLflow's page then shows a second for 1,000 steps on its time axes. Runs of "
    "servers have it; without it, the time is that of storing.",
    "0.2",
)
FROM_START = "start + step"
REPRODUCES = tag("swath.reproduces", "reproduction", "Id of the run that this one repeats.")

# How a run ended.
ERROR = tag("swath.error", "run", "Why the run did not finish, in one line.")
BITS = tag("swath.bits", "run", "Result digest: SHA-256 of everything that the run computed.")
FILES = hidden_tag(
    "swath.files", "both", "SHA-256 of each file of the run, as JSON; of a sweep, that of its manifest."
)
TRAIN_ACCURACY_TAG = tag(
    "swath.train_accuracy", "run", "Mean training accuracy of the last 100 steps, as Python prints a float."
)
RESUMED = tag("swath.resumed", "both", "How often the run has been resumed.")
REPRODUCED = tag("swath.reproduced", "both", "Verdict of the last recorded reproduction.")
AFTERWARDS = tag("swath.afterwards", "both", "`done` once plots and models are stored, or what went wrong.")

# Trials of a search.
SEARCH_TRIAL = tag("swath.search.trial", "run", "Number of the trial in its search, from 0.", "0.2")
SEARCH_ROUND = tag("swath.search.round", "run", "Round in which the trial was proposed, from 0.", "0.2")
SEARCH_POINT = tag("swath.search.point", "run", "What was proposed, as JSON: overrides by field.", "0.2")
SEARCH_WHY = tag("swath.search.why", "run", "Why the trial ended at its last step.", "0.2")
SEARCH_STAGE = tag("swath.search.stage", "run", "`trial`, or `confirm`: a finalist with another seed.", "0.2")
TRIAL, CONFIRM = "trial", "confirm"

# Where the numbers came from.
VERSION = tag("swath.version", "both", "Version of swath.")
TENSORFLOW = tag("swath.tensorflow", "both", "Version of TensorFlow.")
NUMPY = tag("swath.numpy", "both", "Version of NumPy.")
MLFLOW = tag("swath.mlflow", "both", "Version of MLflow.")
CPU = tag("swath.cpu", "both", "Name of the processor.")
CPU_INSTRUCTION_SETS = tag("swath.cpu_instruction_sets", "both", "Instruction sets of the processor.")
CPU_COUNT = hidden_tag("swath.cpu_count", "both", "Number of processors of the machine.")
ONEDNN = tag("swath.onednn", "both", "Whether TensorFlow used oneDNN: `true` or `false`.")
COMPUTE_VARIABLES = tag(
    "swath.compute_variables",
    "both",
    "Environment variables that may change how TensorFlow computes, `NAME=VALUE`, or `unset`.",
    "0.2",
)
ARITHMETIC = tag(
    "swath.arithmetic",
    "both",
    "Version of swath's arithmetic: runs of different versions differ in their last bits. Missing: `1`.",
    "0.2",
)
KERNELS = tag(
    "swath.kernels",
    "both",
    "Kernels that decide bits: `x86-64 with FMA`, or the name and instruction sets of another processor.",
    "0.2",
)
INTRA_OP_THREADS = hidden_tag("swath.intra_op_threads", "both", "Threads within one TensorFlow operation.")
INTER_OP_THREADS = hidden_tag("swath.inter_op_threads", "both", "TensorFlow operations at a time.")
DEVICE = hidden_tag("swath.device", "both", "Device that computed; always `cpu`.")
MODEL_CODE = tag(
    "swath.model_code",
    "both",
    "`NAME:DIGEST` of the source of a model that is not swath's; a sweep may have several.",
    "0.2",
)
COMMIT = tag("swath.commit", "both", "Commit of the source, where swath ran from a checkout.")
DIRTY = tag("swath.dirty", "both", "Whether that checkout had uncommitted changes: `true` or `false`.")

# Which processes work on it.
HOST = tag("swath.host", "both", "Name of the machine.")
PID = hidden_tag("swath.pid", "both", "Process that trains.")
PID_START = hidden_tag("swath.pid_start", "both", "When that process started, in seconds since 1970.")
TRACKER_PID = hidden_tag("swath.tracker_pid", "both", "Process that writes the store.")
TRACKER_PID_START = hidden_tag(
    "swath.tracker_pid_start", "both", "When that process started, in seconds since 1970."
)

# A sweep as a whole.
COMMAND = tag("swath.command", "sweep", "The command that was typed, without passwords.")
QUESTION = tag("swath.question", "sweep", "Question that the named sweep answers.", "0.2")
GRID = tag("swath.grid", "sweep", "Values of each field that varies; empty for a search.")
SPACE = tag(
    "swath.space", "sweep", "What another sweeper of Hydra chooses from, as JSON: a list of overrides.", "0.2"
)
ASKED_FOR = tag("swath.asked_for", "sweep", "Number of configurations of the sweep.")
FINISHED_COUNT = tag("swath.finished", "sweep", "Number of configurations that finished.")
FAILED_COUNT = tag("swath.failed", "sweep", "Number of configurations that failed.")
KILLED_COUNT = tag("swath.killed", "sweep", "Number of configurations that were interrupted.")
WALL_S = tag("swath.wall_s", "sweep", "Duration of the command in seconds.")
STEPS_PER_S = tag("swath.steps_per_s", "sweep", "Steps of all configurations per second.")
BEST_RUN_ID = tag("swath.best_run_id", "sweep", "Id of the best run.")
RANKED_BY = tag("swath.ranked_by", "sweep", "Metric that ranks the runs.")

RUN_LOT = tag(
    "swath.lot",
    "run",
    "Number of the lot in which a worker trains the run; an engine watches the worker.",
    "0.2",
)
LOT = entry(
    "tag prefix",
    "swath.lot.",
    "sweep",
    "Followed by the number of a lot: its epoch, its state and its worker, as JSON.",
    "0.2",
)
LOT_EPOCH = tag(
    "swath.lot_epoch",
    "sweep",
    "Epoch with which the lots were handed over: above those of all lots before.",
    "0.2",
)
LAUNCHER = tag(
    "swath.launcher",
    "sweep",
    "Process that is handing the sweep to an engine or taking it back, as JSON; removed once it is done.",
    "0.2",
)
ENGINE = tag(
    "swath.engine",
    "sweep",
    "What carries out the lots: the name of the launcher, and its id for them.",
    "0.2",
)
LOTS_ARITHMETIC = tag(
    "swath.lots_arithmetic", "run", "Digest of the steps that its worker has trained first.", "0.2"
)
CANARY = entry(
    "tag prefix",
    "swath.canary.",
    "sweep",
    "Followed by a fingerprint: digest of its first steps, as the first worker has trained them.",
    "0.2",
)
ENDING = tag(
    "swath.ending",
    "sweep",
    "Number of the lot whose worker ends the sweep, or goes on with the search.",
    "0.2",
)
STOPPING = tag("swath.stopping", "sweep", "When `swath-stop` was called, in milliseconds since 1970.", "0.2")
COUNTS: Mapping[str, str] = {"FINISHED": FINISHED_COUNT, "FAILED": FAILED_COUNT, "KILLED": KILLED_COUNT}
"""The tag that counts the configurations with a status."""

# Offline runs.
SERVER_RUN_ID = tag(
    "swath.spool.run_id", "offline run", "Id of the run in the store that this one continues."
)
OFFLINE_RUN_ID = tag("swath.spool.id", "run", "Id that a synchronised run had in the offline store.")

# Registered models.
WHY = tag("swath.why", "model version", "Why this run was registered.")

# MLflow's own names.
NOTE = tag("mlflow.note.content", "sweep", "Description that MLflow's page shows.")
RUN_NAME = "mlflow.runName"
"""Tag in which MLflow repeats the name of a run."""

USER = tag("mlflow.user", "both", "User who ran the command.")
SOURCE_NAME = tag("mlflow.source.name", "both", "Program that made the run: `swath`.")
RUN_COLOR = tag("mlflow.runColor", "run", "Colour on MLflow's page: by the field that explains most.", "0.2")
SOURCE_TYPE = tag("mlflow.source.type", "both", "`LOCAL`.")
SOURCE_COMMIT = tag(
    "mlflow.source.git.commit", "both", "The same as `swath.commit`, where MLflow's page looks for it."
)
DATA_CONTEXT = tag("mlflow.data.context", "dataset input", "`training`.")
OWN_NOTE = entry(
    "experiment tag",
    "swath.note",
    "experiment",
    "The description as swath last wrote it; one that was edited is kept.",
)
DATABASE = entry(
    "experiment tag",
    "swath.database",
    "experiment",
    "Path of the SQLite file that the experiment belongs to; a copy of the file has another path.",
)
EXPERIMENT_KIND = entry(
    "experiment tag",
    "mlflow.experimentKind",
    "experiment",
    "`custom_model_development`: the page opens on runs.",
)
SHARED_VIEW_PREFIX = entry(
    "experiment tag",
    "mlflow.sharedViewState.",
    "experiment",
    "Followed by a sweep id: what the page of the sweep shows.",
)

# Metrics. A split is `train`, `validation` or `test`.
TRAIN_ACCURACY = metric("train/accuracy", "Share of a step's batch that was classified correctly, 0..1.")
TRAIN_LOSS = metric("train/loss", "Mean cross-entropy of a step's batch, in nats.")
VALIDATION_ACCURACY = metric("validation/accuracy", "Accuracy on the validation images, 0..1.")
VALIDATION_LOSS = metric("validation/loss", "Mean cross-entropy on the validation images, in nats.")
TEST_ACCURACY = metric("test/accuracy", "Accuracy on the test images, 0..1.")
TEST_LOSS = metric("test/loss", "Mean cross-entropy on the test images, in nats.")
RUNG_ACCURACY = metric("rung/accuracy", "Validation accuracy at a rung of a search; not in the bits.", "0.2")
RUNG_LOSS = metric("rung/loss", "Validation loss at a rung of a search; not in the digest.", "0.2")
RUNGS = (RUNG_ACCURACY, RUNG_LOSS)
TRAIN_S = metric("runtime/train_s", "The run's share of its lane group's training time, in seconds.")
EVALUATE_S = metric("runtime/evaluate_s", "The run's share of the evaluation time, in seconds.")
GROUP_S = metric("runtime/group_s", "Training time of the whole lane group, in seconds.")
LANES = metric("runtime/lanes", "Number of lanes of the group.")
TOTAL_S = metric("runtime/total_s", "Time from the start of the run to its end, in seconds.")
TRACK_S = metric("runtime/track_s", "Time that writing the run to the store took, in seconds.")
RUNTIME = entry("metric prefix", "runtime/", "run", "Measured times; never the same twice.")
SYSTEM = entry(
    "metric prefix",
    "system/",
    "sweep",
    "MLflow's system metrics, if its variable asks for them; of a single run, on that run.",
    "0.2",
)
SEARCH_BEST = entry(
    "metric",
    "search/best",
    "sweep",
    "Of a search: best value of the objective so far; the step is the number of the trial.",
    "0.2",
)
SEARCH_STEPS = entry(
    "metric",
    "search/steps",
    "sweep",
    "Of a search: training steps of all trials so far; the step is the number of the trial.",
    "0.2",
)
BEST = entry("metric prefix", "best/", "sweep", "Followed by a metric's name: its value in the best run.")

# Files.
CONFIG_FILE = file(
    "config.yaml", "run", "Configuration; `swath --config-dir . --config-name config` runs it."
)
OVERRIDES_FILE = file("overrides.yaml", "run", "Overrides that were typed for the run.")
ENVIRONMENT_FILE = file("environment.txt", "run", "Installed packages, `name==version`.")
WEIGHTS_FILE = file("weights.npz", "run", "Learned arrays, and the statistics that normalise the pixels.")
PREDICTIONS_FILE = file("predictions.npz", "run", "Predicted and true classes of validation and test images.")
OPTIMIZER_FILE = file(
    "optimizer.npz", "run", "State of the optimizer after the last step, if it has one: `STATE/ARRAY`.", "0.2"
)
WEIGHTS_IMAGE_FILE = file("weights.png", "run", "The weights of each class as an image.")
CONFUSION_FILE = file("confusion.json", "run", "Confusion matrix of the test images.")
CURVE_FILES = file(
    "curves/",
    "run",
    "Followed by the key of a writer, `/`, a number and `.parquet`: the per-step metrics of every step.",
    "0.2",
)
TRACEBACK_FILE = file("traceback.txt", "run", "Traceback of an unexpected error.")
MODEL = entry("logged model", "model", "run", "The run's weights as an MLflow model: `runs:/RUN_ID/model`.")
REPORT_FILE = file("report.html", "sweep", "Answer, ranking and pictures on one page.", "0.2")
# MLflow's page lists folders first, then files by name: the prefix keeps all others behind the report.
SWEEP_FILES = file("sweep-", "sweep", "Followed by a file's name: plots, and the next two.", "0.2")
MANIFEST_FILE = file(
    f"{SWEEP_FILES}manifest.json",
    "sweep",
    "Configurations of the sweep and their provenance. `manifest.json` in stores of version 0.1.",
    "0.2",
)
FORMER_MANIFEST_FILE = "manifest.json"
MANIFEST_PIECES = file(
    f"{SWEEP_FILES}manifest/",
    "sweep",
    "Followed by a digest and `.json`: a thousand configurations of a large sweep, which its manifest names.",
    "0.2",
)
RANKING_FILE = file(
    f"{SWEEP_FILES}ranking.csv",
    "sweep",
    "The configurations, best first. `ranking.csv` in stores of version 0.1.",
    "0.2",
)

LOT_FILES = file(
    f"{SWEEP_FILES}lots/",
    "sweep",
    "Followed by a number and `.json`: the configurations of a lot, and how a worker trains them.",
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
        if spec.log_scale and float(params.get(name, 0))  # zero has no logarithm
    }
    return {**params, **shown}


def without_logarithms(params: Mapping[str, str]) -> dict[str, str]:
    """Stored params without those that only MLflow's page shows."""
    return {name: value for name, value in params.items() if not name.startswith(LOG10)}


def may_be_declared(name: str) -> bool:
    """Whether a param is a field of the model or of the data set, which a package may have declared."""
    return name.startswith((MODEL_NAME.removesuffix("name"), DATA_NAME.removesuffix("name")))


def is_metric(name: str) -> bool:
    """Whether a name is that of a metric of a run."""
    return name.startswith(SYSTEM) or ("metric", name) in ENTRIES


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
    """Whether a metric belongs to the machine or to a search, rather than to the configuration of a run."""
    return metric.startswith((RUNTIME, SYSTEM)) or metric in RUNGS


def larger_is_better(metric: str) -> bool:
    """Whether larger values of a metric are better: not of losses and times."""
    return not (is_loss(metric) or is_measured(metric))


def arithmetic_of(tags: Mapping[str, str]) -> str:
    """The version of the arithmetic that a run was made with."""
    return tags.get(ARITHMETIC, "1")


def best(metric: str) -> str:
    """Name, on a sweep's summary run, of the best run's value of a metric."""
    return f"{BEST}{metric}"
