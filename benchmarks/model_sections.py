"""Sections of docs/benchmarks.md about the arithmetic and the multilayer perceptron."""

import statistics
import textwrap

from benchmarks.arithmetic import FORMER, KERNELS, SHAPES
from benchmarks.network_sweep import CONFIGURATIONS, KERAS, STEPS, SWATH
from benchmarks.networks import NETWORKS
from benchmarks.table import Found, table
from benchmarks.unrolled import CONVNET, KERAS_MLP, LANES, MLP, UNITS

TARGETS = {("native", 1): "1.35", ("native", 6): "1.20", ("native", 24): "1.10", ("AVX2", 24): "1.00"}
"""Highest ratio that was aimed at, by kernels and lanes."""

ARITHMETIC = f"""\
## One arithmetic

CPU milliseconds of a step of softmax regression on CIFAR-10, with arithmetic 1 (commit `{FORMER}`) and
with arithmetic 2, each version in processes of its own, in turn. *Ratio* is the median of the ratios of
neighbouring processes. AVX2: the same processor with `ONEDNN_MAX_CPU_ISA=AVX2`.
"""

NETWORK_LANES = """\
## Lanes of the multilayer perceptron

CPU milliseconds of a step for each lane, in one program. *Shared*: lanes share the product of the first
layer, up to 512 columns. *Unrolled*: each lane has a product of its own.
"""

UNROLLED = """\
## Lanes of a model of one's own

CPU milliseconds of a step for each lane, in one program with operations for each lane; batches of 100
images, plain gradient descent. In brackets the CPU seconds of the first step, which compiles the program.
"""

UNROLLED_MODELS = {
    CONVNET: "`convnet` of `examples/own_model`",
    KERAS_MLP: f"{UNITS} hidden units, by Keras",
    MLP: f"{UNITS} hidden units, `mlp` of swath (shared)",
}


def arithmetic_section(times: Found) -> str:
    """Both arithmetics."""
    rows = []
    for kernels in KERNELS:
        for batch_size, lanes in SHAPES:
            former, present = (times[f"{kernels} {version} {batch_size} {lanes}"] for version in "12")
            ratio = statistics.median(after / before for before, after in zip(former, present, strict=True))
            medians = [f"{statistics.median(side):.2f}" for side in (former, present)]
            rows.append(
                (
                    kernels,
                    str(batch_size),
                    str(lanes),
                    *medians,
                    f"{ratio:.2f}",
                    TARGETS.get((kernels, lanes), ""),
                )
            )
    headings = ("kernels", "batch", "lanes", "arithmetic 1", "arithmetic 2", "ratio", "target at most")
    return "\n".join([ARITHMETIC, table(headings, rows), ""])


def networks_section(times: Found) -> str:
    """Shared products and unrolled lanes."""
    rows = []
    for units, batch_size, lanes in NETWORKS:
        shared, unrolled = (
            statistics.median(times[f"{how} {units} {batch_size} {lanes}"]) / lanes
            for how in ("shared", "unrolled")
        )
        rows.append((str(units), str(batch_size), str(lanes), f"{shared:.2f}", f"{unrolled:.2f}"))
    headings = ("hidden units", "batch", "lanes", "shared (ms)", "unrolled (ms)")
    return "\n".join([NETWORK_LANES, table(headings, rows), ""])


def unrolled_section(times: Found) -> str:
    """Models of one's own."""
    rows = []
    for name, shown in UNROLLED_MODELS.items():
        cells = [
            f"{statistics.median(times[f'{name} {lanes}']) / lanes:.2f} ({compiling[0]:.1f} s)"
            for lanes in LANES
            if (compiling := times[f"compile {name} {lanes}"])
        ]
        rows.append((shown, *cells))
    headings = ("model", "alone", *(f"{lanes} lanes" for lanes in LANES[1:]))
    return "\n".join([UNROLLED, table(headings, rows), ""])


def network_sweep_section(times: Found) -> str:
    """A tracked sweep of networks."""
    keras, swath = (statistics.median(times[side]) for side in (KERAS, SWATH))
    text = (
        f"{CONFIGURATIONS} multilayer perceptrons with 120 hidden units and `l2`, {STEPS} steps of 100 "
        f"images, every step and the weights tracked: {KERAS} takes {keras:.0f} s (three configurations were "
        f"trained, and the time of one more was taken 21 times), swath {swath:.1f} s, so Keras takes "
        f"{keras / swath:.1f} times as long (target: at least 6). Medians of {len(times[SWATH])} repeats. "
        f"Peak resident memory of swath with its tracking process: {max(times['GB']):.2f} GB."
    )
    return textwrap.fill(text, 105, break_long_words=False) + "\n"
