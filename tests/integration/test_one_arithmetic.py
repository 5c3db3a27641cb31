"""The same bits with the kernels for AVX2 and for AVX-512, at every width."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import archspec.cpu
import pytest

TESTS = Path(__file__).resolve().parents[1]
FEATURES = archspec.cpu.host().features

with_fma = pytest.mark.skipif(
    not {"avx2", "fma"} <= FEATURES, reason="this processor is no x86-64 with AVX2 and FMA"
)
with_both = pytest.mark.skipif("avx512f" not in FEATURES, reason="this processor has no AVX-512")

BATCHES = [1, 2, 7, 16, 50, 96, 97, 100, 200, 252, 253, 331, 500, 1000]
WIDTHS = [1, 2, 3, 11, 24, 27, 28, 36, 61, 64]


def case(batches: list[int], widths: list[int], **fields: Any) -> dict[str, Any]:
    return {"batches": batches, "widths": widths, "fields": fields}


SOFTMAX = [
    case(BATCHES, WIDTHS),
    case([7, 100, 253], [1, 24, 36], preprocessing="standardize"),
    case([7, 100, 253], [1, 24, 36], preprocessing="none"),
    case([7, 100, 253], [1, 24, 36], preprocessing="scale", augment="mirror"),
    case([16, 500], [1, 24, 36], evaluate_every_steps=2),
    case([50, 300], [1, 5, 24], optimizer=["momentum", 0.9], l2=0.1, schedule="cosine"),
    case([50, 300], [1, 5, 24], optimizer=["nesterov", 0.5], schedule="step", warmup_steps=3),
    case([50, 300], [1, 5, 24], optimizer=["adam", None], l2=0.1),
]

MLP = [
    case([1, 7, 31, 100, 252, 253, 400, 1000], [1, 2, 3, 5, 8], model=[120], preprocessing="scale", l2=0.1),
    case([7, 100], [1, 2, 12, 24], model=[30], preprocessing="scale"),
    case([31, 253], [1, 3], model=[256, 128], preprocessing="scale"),
    case([31, 253], [1, 3], model=[300, 7], optimizer=["adam", None]),
    case([100], [1, 4], model=[64, 32, 16], optimizer=["momentum", 0.9], augment="mirror"),
]

MODELS = {"softmax": SOFTMAX, "mlp": MLP}


@cache
def digests(model: str, kernels: str | None) -> dict[str, str]:
    environment = {name: value for name, value in os.environ.items() if "MAX_CPU_ISA" not in name}
    if kernels is not None:
        environment["ONEDNN_MAX_CPU_ISA"] = kernels
    done = subprocess.run(
        [sys.executable, "-m", "support.arithmetic_digests", json.dumps(MODELS[model])],
        cwd=TESTS,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    return found


@with_fma
@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("kernels", ["AVX2", pytest.param(None, marks=with_both)])
def test_bits_are_the_same_at_every_width(model: str, kernels: str | None) -> None:
    by_lane: dict[tuple[str, ...], set[str]] = {}
    for key, digest in digests(model, kernels).items():
        fields, batch, _, lane = key.split("|")
        by_lane.setdefault((fields, batch, lane), set()).add(digest)
    assert {key: len(values) for key, values in by_lane.items() if len(values) > 1} == {}
    assert len(by_lane) > 70


@with_fma
@with_both
@pytest.mark.parametrize("model", MODELS)
def test_bits_are_the_same_with_both_instruction_sets(model: str) -> None:
    first, second = digests(model, "AVX2"), digests(model, None)
    assert [key for key in first if first[key] != second[key]] == []
    assert len(first) > 100
