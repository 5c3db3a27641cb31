"""Environment variables that change how TensorFlow computes: what is on, what is recorded, what is a key."""

import functools
import os
import sys
import types
from pathlib import Path

import pytest
from support.small import run_config

from swath.datasets import DATASETS
from swath.models import backend, compute_variables, is_onednn_on
from swath.planning import read_verified, remember_verified, width_key


@pytest.fixture(autouse=True)
def no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(backend.PREFIXES):
            monkeypatch.delenv(name)


@pytest.fixture
def tensorflow_not_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "tensorflow", raising=False)
    monkeypatch.setattr(backend, "set_variables", functools.cache(backend.set_variables.__wrapped__))


@pytest.mark.parametrize("value", ["0", "false", "FALSE", "False", "fAlSe"])
def test_onednn_is_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", value)
    assert not is_onednn_on()


@pytest.mark.parametrize("value", ["1", "true", "TRUE", "nonsense", "", "00", "off", "no", " 0", "-1", None])
def test_onednn_is_on(monkeypatch: pytest.MonkeyPatch, value: str | None) -> None:
    if value is not None:
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", value)
    assert is_onednn_on()


def test_no_variables_are_unset() -> None:
    assert compute_variables() == "unset"


def test_variables_are_listed_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_DETERMINISTIC_OPS", "1")
    monkeypatch.setenv("ONEDNN_DEFAULT_FPMATH_MODE", "BF16")
    assert compute_variables() == "ONEDNN_DEFAULT_FPMATH_MODE=BF16 TF_DETERMINISTIC_OPS=1"


@pytest.mark.parametrize(
    "name",
    [
        "TF_ENABLE_ONEDNN_OPTS",
        "ONEDNN_MAX_CPU_ISA",  # the kernels have a tag of their own
        "DNNL_MAX_CPU_ISA",
        "TF_CPP_MIN_LOG_LEVEL",
        "TF_CPP_VMODULE",
        "TF_GPU_ALLOCATOR",
        "TF_CUDNN_DETERMINISTIC",
        "ONEDNN_VERBOSE",
        "DNNL_VERBOSE",
        "TF_VAR_password",
        "TF_TOKEN_app_terraform_io",
        "TF_CLI_ARGS_plan",
        "TF_CLI_CONFIG_FILE",
        "TF_DATA_DIR",
        "TF_LOG",
        "TF_WORKSPACE",
        "TFX_SOMETHING",
        "MY_TF_FLAG",
        "OMP_NUM_THREADS",
    ],
)
def test_other_variables_are_left_out(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "secret")
    assert compute_variables() == "unset"
    monkeypatch.setenv("TF_DETERMINISTIC_OPS", "1")
    assert compute_variables() == "TF_DETERMINISTIC_OPS=1"


def test_value_of_an_unknown_variable_is_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_HTTP_ADDRESS", "https://me:hunter2@example.org")
    monkeypatch.setenv("TF_HTTP_PASSWORD", "hunter2")
    monkeypatch.setenv("TF_PASSWORD", "hunter2")
    found = compute_variables()
    assert found.startswith("TF_HTTP_ADDRESS=sha256:")
    assert "PASSWORD" not in found
    monkeypatch.setenv("TF_HTTP_ADDRESS", "https://me:other@example.org")
    assert compute_variables() != found


@pytest.mark.usefixtures("tensorflow_not_loaded")
@pytest.mark.parametrize("name", ["TF_XLA_FLAGS", "XLA_FLAGS", "TF_FUNCTION_JIT_COMPILE_DEFAULT"])
def test_xla_is_left_out_before_tensorflow_is_loaded(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "1")
    assert compute_variables() == "unset"


@pytest.mark.usefixtures("tensorflow_not_loaded")
def test_xla_is_listed_if_another_program_has_loaded_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "set_variables", functools.cache(backend.set_variables.__wrapped__))
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=2")
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    assert compute_variables() == "TF_XLA_FLAGS=--tf_xla_auto_jit=2"


@pytest.mark.usefixtures("tensorflow_not_loaded")
def test_xla_is_left_out_once_swath_has_loaded_tensorflow(monkeypatch: pytest.MonkeyPatch) -> None:
    assert backend.set_variables()
    monkeypatch.setitem(sys.modules, "tensorflow", types.ModuleType("tensorflow"))
    monkeypatch.setenv("TF_XLA_FLAGS", "--tf_xla_auto_jit=2")  # has no effect any more
    assert compute_variables() == "unset"


@pytest.fixture
def verified_width(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A width that was verified without any variable."""
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path))
    remember_verified(width_key(run_config(), 7, DATASETS["cifar10"]), False)
    key = width_key(run_config(), 7, DATASETS["cifar10"])
    assert read_verified() == {key: False}
    return key


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ONEDNN_MAX_CPU_ISA", "SSE41"),
        ("ONEDNN_DEFAULT_FPMATH_MODE", "BF16"),
        ("DNNL_MAX_CPU_ISA", "AVX2"),
        ("TF_ENABLE_ONEDNN_OPTS", "False"),
        ("TF_ENABLE_ONEDNN_OPTS", "0"),
        ("TF_DETERMINISTIC_OPS", "1"),
    ],
)
def test_width_is_verified_again_with_other_variables(
    monkeypatch: pytest.MonkeyPatch, verified_width: str, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert read_verified() == {}
    monkeypatch.delenv(name)
    assert read_verified() == {verified_width: False}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TF_CPP_MIN_LOG_LEVEL", "0"),
        ("TF_ENABLE_ONEDNN_OPTS", "1"),
        ("TF_ENABLE_ONEDNN_OPTS", "true"),
        ("ONEDNN_VERBOSE", "1"),
        ("TF_VAR_region", "x"),
    ],
)
def test_width_stays_verified_with_variables_that_change_no_number(
    monkeypatch: pytest.MonkeyPatch, verified_width: str, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert read_verified() == {verified_width: False}


def test_spellings_of_off_share_their_widths(verified_width: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    remember_verified(width_key(run_config(), 7, DATASETS["cifar10"]), True)
    for spelling in ("false", "False", "FALSE"):
        monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", spelling)
        assert read_verified() == {verified_width: True}
