"""Writes the measurements as a page: medians, ratios of medians, and the method of each measurement."""

import platform
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import archspec.cpu
import psutil

from benchmarks import model_sections, process_sections, step_sections
from benchmarks.commands_section import commands_section
from benchmarks.comparing_section import comparing_section
from benchmarks.growth_section import growth_section
from benchmarks.many_section import many_section
from benchmarks.search_worth_section import search_worth_section
from benchmarks.searching_section import searching_section
from benchmarks.table import Found

HEAD = """\
# Benchmarks

Written by `make benchmark`. The sides of a comparison are measured in turn by one command; the figures are
medians. Machines differ and are noisy: compare the ratios, not the seconds.
"""


def report(found: Found) -> str:
    """The page docs/benchmarks.md, with a section for each part that has been measured."""
    writers: dict[str, Callable[[Any], str]] = {
        "grid": process_sections.grid_section,
        "where": process_sections.where_section,
        "commands": commands_section,
        "growing": growth_section,
        "lanes": step_sections.lanes_section,
        "compiling": step_sections.compiling_section,
        "counts": step_sections.counts_section,
        "many": many_section,
        "jobs": step_sections.jobs_section,
        "steps": step_sections.steps_section,
        "processes": process_sections.processes_section,
        "comparing": comparing_section,
        "checkpoints": process_sections.checkpoints_section,
        "storing": process_sections.storing_section,
        "arithmetic": model_sections.arithmetic_section,
        "networks": model_sections.networks_section,
        "unrolled": model_sections.unrolled_section,
        "network_sweep": model_sections.network_sweep_section,
        "searching": searching_section,
        "worth": search_worth_section,
    }
    written = [write(found[name]) for name, write in writers.items() if name in found]
    parts = [HEAD, found["machine"], *written]
    return "\n".join(part.strip("\n") + "\n" for part in parts)


def machine() -> str:
    """Hardware and software of the measurements."""
    packages = ", ".join(
        f"{name} {version(name)}" for name in ("tensorflow", "keras", "numpy", "mlflow", "hydra-core")
    )
    return (
        f"Measured on {psutil.cpu_count()} cores of an {archspec.cpu.brand_string()}, {platform.system()},\n"
        f"Python {platform.python_version()}, {packages}."
    )
