"""Variables of TensorFlow and oneDNN: XLA stays off, and the others are recorded and named."""

import contextlib
from pathlib import Path

import archspec.cpu
import pytest
from support.command import error_lines, swath, swath_reproduce
from support.stores import open_read_only

GRID = (
    "-m",
    "data=digits",
    "max_steps=20",
    "batch_size=50",
    "learning_rate=1e-6,1e-5,1e-4",
    "lanes.verify=2",
)


def tags(folder: Path) -> dict[str, dict[str, str]]:
    """The tags of each configuration's run, by the fingerprint."""
    found = {}
    with contextlib.closing(open_read_only(folder)) as database:
        for (run_id,) in database.execute(
            "select run_uuid from tags where key = 'swath.kind' and value = 'run'"
        ).fetchall():
            entry = dict(database.execute("select key, value from tags where run_uuid = ?", (run_id,)))
            found[entry["swath.fingerprint"]] = {**entry, "run_id": run_id}
    return found


def bits(folder: Path) -> dict[str, str]:
    return {fingerprint: entry["swath.bits"] for fingerprint, entry in tags(folder).items()}


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The digests of a sweep without variables, by fingerprint."""
    folder = tmp_path_factory.mktemp("plain")
    done = swath(folder, *GRID)
    assert done.returncode == 0, done.stderr
    assert {entry["swath.compute_variables"] for entry in tags(folder).values()} == {"unset"}
    assert len(set(bits(folder).values())) == 3
    return bits(folder)


@pytest.mark.parametrize(
    "variables",
    [
        {"TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit"},
        {"TF_XLA_FLAGS": "--tf_xla_auto_jit=fusible --tf_xla_cpu_global_jit=true"},
        {"TF_XLA_FLAGS": " --tf_xla_cpu_global_jit=1 --tf_xla_auto_jit=1 --tf_xla_min_cluster_size=1"},
        {"TF_FUNCTION_JIT_COMPILE_DEFAULT": "1", "XLA_FLAGS": "--xla_cpu_enable_fast_math=true"},
    ],
)
def test_xla_is_off_whatever_its_variables_say(
    tmp_path: Path, plain: dict[str, str], variables: dict[str, str]
) -> None:
    done = swath(tmp_path, *GRID, real=True, **variables)
    assert done.returncode == 0, done.stderr
    assert bits(tmp_path) == plain
    assert {entry["swath.compute_variables"] for entry in tags(tmp_path).values()} == {"unset"}


def test_kernels_for_an_older_processor_are_named(tmp_path: Path, plain: dict[str, str]) -> None:
    done = swath(tmp_path, *GRID, real=True, ONEDNN_MAX_CPU_ISA="SSE41")
    assert done.returncode == 0, done.stderr
    assert bits(tmp_path).keys() == plain.keys()
    (kernels,) = {entry["swath.kernels"] for entry in tags(tmp_path).values()}
    assert ", at most SSE41: " in kernels
    resumed = swath(tmp_path, *GRID, "resume=yes")
    assert resumed.returncode != 0
    assert any("kernels" in line for line in error_lines(resumed.stderr)), resumed.stderr


@pytest.mark.skipif("avx2" not in archspec.cpu.host().features, reason="this processor has no AVX2")
def test_kernels_for_avx2_give_the_same_results(tmp_path: Path, plain: dict[str, str]) -> None:
    done = swath(tmp_path, *GRID, real=True, ONEDNN_MAX_CPU_ISA="AVX2")
    assert done.returncode == 0, done.stderr
    assert bits(tmp_path) == plain
    resumed = swath(tmp_path, *GRID, "resume=yes")
    assert resumed.returncode == 0, resumed.stderr
    assert "already finished" in resumed.stderr


@pytest.mark.parametrize(("name", "value"), [("ONEDNN_DEFAULT_FPMATH_MODE", "BF16")])
def test_variable_is_recorded_and_named(tmp_path: Path, plain: dict[str, str], name: str, value: str) -> None:
    done = swath(tmp_path, *GRID, real=True, **{name: value, "TF_VAR_password": "hunter2"})
    assert done.returncode == 0, done.stderr
    assert bits(tmp_path).keys() == plain.keys()
    assert {entry["swath.compute_variables"] for entry in tags(tmp_path).values()} == {f"{name}={value}"}
    assert b"hunter2" not in (tmp_path / "mlflow.db").read_bytes()

    resumed = swath(tmp_path, *GRID, "resume=yes")
    assert resumed.returncode != 0
    assert any("TensorFlow's variables" in line for line in error_lines(resumed.stderr)), resumed.stderr

    repeated = swath_reproduce(tmp_path, next(iter(tags(tmp_path).values()))["run_id"])
    text = repeated.stdout + repeated.stderr
    assert "modified" not in text
    if repeated.returncode == 0:
        assert "identical, bit for bit" in text
    else:
        assert repeated.returncode == 1
        assert f"TensorFlow's variables {name}={value}, now unset" in text
