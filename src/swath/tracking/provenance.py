"""Provenance of a run: machine, software, processor, source commit, process."""

import getpass
import importlib.metadata
import os
import re
import socket
import subprocess
import time
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

import archspec.cpu
import psutil

from swath.config import TrainConfig, computed_values
from swath.models import ARITHMETIC, code_of, kernels, model_of, runtime
from swath.tracking import schema

PROVENANCE_TAGS = {
    schema.DATA_DIGEST: "data",
    schema.MODEL_CODE: "code of the model",
    schema.TENSORFLOW: "TensorFlow",
    schema.NUMPY: "NumPy",
    schema.MLFLOW: "MLflow",
    schema.ARITHMETIC: "arithmetic",
    schema.KERNELS: "kernels",
    schema.CPU: "processor",
    schema.CPU_INSTRUCTION_SETS: "instruction sets",
    schema.ONEDNN: "oneDNN",
    schema.COMPUTE_VARIABLES: "TensorFlow's variables",
    schema.VERSION: "swath",
    schema.COMMIT: "source commit",
    schema.DIRTY: "uncommitted changes",
}
"""Provenance tags, with the word for each on a screen."""


RESULT_AFFECTING = (
    schema.DATA_DIGEST,
    schema.MODEL_CODE,
    schema.TENSORFLOW,
    schema.ARITHMETIC,
    schema.KERNELS,
    schema.ONEDNN,
    schema.COMPUTE_VARIABLES,
)
"""Provenance tags whose change can change a result."""


def provenance_of(tags: dict[str, str]) -> dict[str, str]:
    """The provenance tags among `tags`."""
    found = {name: tags[name] for name in PROVENANCE_TAGS if name in tags}
    return {**found, schema.ARITHMETIC: schema.arithmetic_of(tags)} if schema.VERSION in tags else found


def environment_tags() -> dict[str, str]:
    """Provenance tags of this process that do not need TensorFlow."""
    processor = archspec.cpu.host()
    tags = {
        schema.HOST: socket.gethostname(),
        schema.VERSION: importlib.metadata.version("swath"),
        schema.NUMPY: importlib.metadata.version("numpy"),
        schema.MLFLOW: importlib.metadata.version("mlflow"),
        schema.ARITHMETIC: ARITHMETIC,
        schema.KERNELS: kernels(),
        schema.CPU: archspec.cpu.brand_string() or processor.name,
        schema.CPU_INSTRUCTION_SETS: " ".join(sorted(processor.features)),
        schema.CPU_COUNT: str(os.cpu_count()),
        schema.USER: current_user(),
        schema.SOURCE_NAME: "swath",
        schema.SOURCE_TYPE: "LOCAL",
    }
    commit = _git("rev-parse", "HEAD")
    if commit:
        tags[schema.COMMIT] = commit
        tags[schema.DIRTY] = str(bool(_git("status", "--porcelain"))).lower()
        tags[schema.SOURCE_COMMIT] = commit
    return tags


def model_code_tags(configs: Iterable[TrainConfig]) -> dict[str, str]:
    """The tag with the code of the models that are not swath's; none if all are."""
    found = {code_of(model_of(computed_values(config))) for config in configs} - {""}
    return {schema.MODEL_CODE: " ".join(sorted(found))} if found else {}


_NAME_AND_VERSION = re.compile(r"^(Name|Version):[ \t]*(.*?)[ \t]*$", re.MULTILINE)


def installed_packages() -> str:
    """Every installed package as `name==version`, sorted, without paths and addresses."""
    packages = {}
    for distribution in importlib.metadata.distributions():
        # Its `metadata` parses the whole text as an e-mail, which takes ten times as long for all packages.
        texts = (distribution.read_text(name) for name in ("METADATA", "PKG-INFO", ""))
        head = next(filter(None, texts), "").partition("\n\n")[0]
        fields = dict(reversed(_NAME_AND_VERSION.findall(head)))  # the first of each counts
        if "Name" in fields and "Version" in fields:  # not in the rest of a package that was removed
            packages[re.sub(r"[-_.]+", "-", fields["Name"]).lower()] = fields["Version"]
    return "".join(f"{name}=={version}\n" for name, version in sorted(packages.items()))


def _git(*arguments: str) -> str | None:
    """Output of a git command in the checkout of this code; None outside a checkout."""
    source = Path(__file__).resolve().parent
    if "site-packages" in source.parts:  # installed: a surrounding checkout is another project's
        return None
    # In a hook, git sets variables that name another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(
            ["git", "--no-optional-locks", *arguments],
            cwd=source,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
            env=environment,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def current_user() -> str:
    """The name of the user, or the number of one without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return str(os.getuid())


START_TAGS = {schema.PID: schema.PID_START, schema.TRACKER_PID: schema.TRACKER_PID_START}
"""For the training process and the tracking process: the tag with its start time, by the tag with its id."""


SAME_START_S = 2.0
"""Tolerance of a process's start time, which is computed from the clock, in seconds."""


def process_tags(role: str) -> dict[str, str]:
    """Tags that identify this process; `role` is a key of `START_TAGS`."""
    process = psutil.Process()
    return {role: str(process.pid), START_TAGS[role]: f"{process.create_time():.2f}"}


def this_process() -> dict[str, str]:
    """Tags that identify this process on all machines."""
    return {schema.HOST: socket.gethostname(), **process_tags(schema.PID)}


def is_elsewhere(tags: Mapping[str, str]) -> bool:
    """Whether a run was made on another machine, whose processes cannot be checked."""
    return tags.get(schema.HOST) != socket.gethostname()


def is_alive(tags: Mapping[str, str]) -> bool:
    """Whether a process of a run is alive; runs of another machine always count as alive."""
    return is_elsewhere(tags) or any(_exists(tags, role) for role in START_TAGS)


def wait_for_end(tags: Mapping[str, str], timeout_s: float) -> bool:
    """Wait until the tracking process of a dead training process has ended.

    Args:
      tags: tags of a run.
      timeout_s: longest wait in seconds.

    Returns:
      Whether all processes of the run have ended.
    """
    until = time.monotonic() + timeout_s
    while _exists(tags, schema.TRACKER_PID) and not _exists(tags, schema.PID):
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return not is_alive(tags)


def _exists(tags: Mapping[str, str], role: str) -> bool:
    pid, start = tags.get(role, ""), tags.get(START_TAGS[role], "")
    try:
        process = psutil.Process(int(pid))
        started, status = process.create_time(), process.status()
    except (ValueError, psutil.NoSuchProcess):
        return False
    except psutil.AccessDenied:
        return True
    if status == psutil.STATUS_ZOMBIE:
        return False
    try:
        return bool(abs(started - float(start)) < SAME_START_S)
    except ValueError:
        return True


@cache
def runtime_tags() -> dict[str, str]:
    """Tags of all runs of this process: the process, and how TensorFlow computes in it."""
    computes = runtime()
    return {
        **process_tags(schema.PID),
        schema.TENSORFLOW: computes.tensorflow,
        schema.ONEDNN: str(computes.onednn).lower(),
        schema.COMPUTE_VARIABLES: computes.variables,
        schema.INTRA_OP_THREADS: str(computes.intra_op_threads),
        schema.INTER_OP_THREADS: str(computes.inter_op_threads),
        schema.DEVICE: computes.device,
    }
