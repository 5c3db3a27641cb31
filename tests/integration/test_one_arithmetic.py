"""The same bits with the kernels for AVX2 and for AVX-512, at every width."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import archspec.cpu
import pytest

TESTS = Path(__file__).resolve().parents[1]
FEATURES = archspec.cpu.host().features

with_fma = pytest.mark.skipif(
    not {"avx2", "fma"} <= FEATURES, reason="this processor is no x86-64 with AVX2 and FMA"
)
with_both = pytest.mark.skipif("avx512f" not in FEATURES, reason="this processor has no AVX-512")

BATCHES = "1,2,7,16,50,96,97,100,200,252,253,331,500,1000"
WIDTHS = "1,2,3,6,11,17,24,27,28,36,48,61,64"


@cache
def digests(kernels: str | None, *cases: str) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if "MAX_CPU_ISA" not in name}
    if kernels is not None:
        environment["ONEDNN_MAX_CPU_ISA"] = kernels
    done = subprocess.run(
        [sys.executable, "-m", "support.arithmetic_digests", *cases],
        cwd=TESTS,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@with_fma
@pytest.mark.parametrize("kernels", ["AVX2", pytest.param(None, marks=with_both)])
def test_bits_are_the_same_at_every_width(kernels: str | None) -> None:
    found = digests(kernels, BATCHES, WIDTHS, "mean_image", "0")
    by_lane: dict[tuple[str, str], set[str]] = {}
    for key, digest in found.items():
        batch, _, lane = key.split()
        by_lane.setdefault((batch, lane), set()).add(digest)
    assert {key: len(values) for key, values in by_lane.items() if len(values) > 1} == {}
    assert len(by_lane) == 14 * (4 + 10), "the first four lanes, and the last of the wider groups"


@with_fma
@with_both
@pytest.mark.parametrize(
    ("batches", "widths", "preprocessing", "every"),
    [
        (BATCHES, WIDTHS, "mean_image", "0"),
        ("7,100,253", "1,24,36", "standardize", "0"),
        ("7,100,253", "1,24,36", "none", "0"),
        ("16,500", "1,24,36", "mean_image", "2"),
    ],
)
def test_bits_are_the_same_with_both_instruction_sets(
    batches: str, widths: str, preprocessing: str, every: str
) -> None:
    cases = (batches, widths, preprocessing, every)
    first, second = digests("AVX2", *cases), digests(None, *cases)
    assert [key for key in first if first[key] != second[key]] == []
    assert len(first) > 20
