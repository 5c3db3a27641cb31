"""Where a number came from: host, software, processor and source commit."""

import getpass
import importlib.metadata
import os
import re
import socket
import subprocess
from pathlib import Path

import archspec.cpu


def environment_facts() -> dict[str, str]:
    """Tags that are the same for all runs of this process and that TensorFlow is not needed for."""
    processor = archspec.cpu.host()
    facts = {
        "swath.host": socket.gethostname(),
        "swath.version": importlib.metadata.version("swath"),
        "swath.numpy": importlib.metadata.version("numpy"),
        "swath.mlflow": importlib.metadata.version("mlflow"),
        "swath.cpu": archspec.cpu.brand_string() or processor.name,
        "swath.cpu_instruction_sets": " ".join(sorted(processor.features)),
        "swath.cpu_count": str(os.cpu_count()),
        "mlflow.user": _user(),
        "mlflow.source.name": "swath",
        "mlflow.source.type": "LOCAL",
    }
    commit = _git("rev-parse", "HEAD")
    if commit:
        facts["swath.commit"] = commit
        facts["swath.dirty"] = str(bool(_git("status", "--porcelain"))).lower()
        facts["mlflow.source.git.commit"] = commit
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
