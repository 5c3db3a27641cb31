"""Where a number came from: host, software, processor, source commit, process."""

import getpass
import importlib.metadata
import os
import re
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import archspec.cpu
import psutil

from swath.tracking import schema

PROVENANCE_TAGS = {
    schema.DATA_DIGEST: "data",
    schema.TENSORFLOW: "TensorFlow",
    schema.NUMPY: "NumPy",
    schema.MLFLOW: "MLflow",
    schema.CPU: "processor",
    schema.CPU_INSTRUCTION_SETS: "instruction sets",
    schema.ONEDNN: "oneDNN",
    schema.VERSION: "swath",
    schema.COMMIT: "source commit",
    schema.DIRTY: "uncommitted changes",
}
"""Tags that say what a run was made of and with."""


RESULT_AFFECTING = (
    schema.DATA_DIGEST,
    schema.TENSORFLOW,
    schema.CPU,
    schema.CPU_INSTRUCTION_SETS,
    schema.ONEDNN,
)
"""Those whose change can change a bit of what is computed."""


def provenance_of(tags: dict[str, str]) -> dict[str, str]:
    """The facts among tags, by tag."""
    return {name: tags[name] for name in PROVENANCE_TAGS if name in tags}


def environment_tags() -> dict[str, str]:
    """Tags that are the same for all runs of this process and that TensorFlow is not needed for."""
    processor = archspec.cpu.host()
    facts = {
        schema.HOST: socket.gethostname(),
        schema.VERSION: importlib.metadata.version("swath"),
        schema.NUMPY: importlib.metadata.version("numpy"),
        schema.MLFLOW: importlib.metadata.version("mlflow"),
        schema.CPU: archspec.cpu.brand_string() or processor.name,
        schema.CPU_INSTRUCTION_SETS: " ".join(sorted(processor.features)),
        schema.CPU_COUNT: str(os.cpu_count()),
        schema.USER: _user(),
        schema.SOURCE_NAME: "swath",
        schema.SOURCE_TYPE: "LOCAL",
    }
    commit = _git("rev-parse", "HEAD")
    if commit:
        facts[schema.COMMIT] = commit
        facts[schema.DIRTY] = str(bool(_git("status", "--porcelain"))).lower()
        facts[schema.SOURCE_COMMIT] = commit
    return facts


def installed_packages() -> str:
    """Every installed package as `name==version`, sorted: nothing that tells a path or an address."""
    packages = {
        re.sub(r"[-_.]+", "-", distribution.metadata["Name"]).lower(): distribution.version
        for distribution in importlib.metadata.distributions()
    }
    return "".join(f"{name}=={version}\n" for name, version in sorted(packages.items()))


def _git(*arguments: str) -> str | None:
    """What git says of the checkout that this code runs from; None where it runs from no checkout."""
    source = Path(__file__).resolve().parent
    if "site-packages" in source.parts:  # installed from a wheel: a checkout around it is another project's
        return None
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=source, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return str(os.getuid())


ROLES = (schema.PID, schema.TRACKER_PID)
"""Tags that name the process that trains and the one that stores; each has its start beside it."""


SAME_START_S = 2.0
"""Seconds by which a process's start may seem to have moved: it is worked out from the clock."""


HOST = schema.HOST


def process_tags(role: str) -> dict[str, str]:
    """This process, as tags; `role` is one of `ROLES`."""
    process = psutil.Process()
    return {role: str(process.pid), f"{role}_start": f"{process.create_time():.2f}"}


def is_elsewhere(tags: Mapping[str, str]) -> bool:
    """Whether a run was made on another machine, where nobody can look from here."""
    return tags.get(HOST) != socket.gethostname()


def is_alive(tags: Mapping[str, str]) -> bool:
    """Whether one of the processes that make a run is there; of another machine's, yes is the safe answer."""
    return is_elsewhere(tags) or any(_is_there(tags, role) for role in ROLES)


def wait_for_end(tags: Mapping[str, str], patience_s: float) -> bool:
    """Wait for a process that still stores what a dead one has handed to it; whether it has ended."""
    until = time.monotonic() + patience_s
    while _is_there(tags, ROLES[1]) and not _is_there(tags, ROLES[0]):
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return not is_alive(tags)


def _is_there(tags: Mapping[str, str], role: str) -> bool:
    pid, start = tags.get(role, ""), tags.get(f"{role}_start", "")
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
