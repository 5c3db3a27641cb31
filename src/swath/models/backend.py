"""TensorFlow, set up so that results depend only on the configuration, the data and the machine's arithmetic.

All code imports TensorFlow from here (`from swath.models import tf`). It runs on the CPU with a fixed number
of threads. Its import takes seconds, so it is loaded when `tf` is first used; the settings are available
without it.
"""

import contextlib
import importlib.metadata
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from swath.errors import SwathError

if TYPE_CHECKING:
    tf: Any

ONEDNN_VARIABLE = "TF_ENABLE_ONEDNN_OPTS"

INTRA_OP_THREADS = 1
"""One thread computes each matrix product: with more threads, the order of additions would depend on their
number. Another thread draws and converts the next batches meanwhile."""

INTER_OP_THREADS = 2


@dataclass(frozen=True)
class Runtime:
    """Settings of TensorFlow that may affect results.

    Attributes:
      tensorflow: version of TensorFlow.
      onednn: whether oneDNN's kernels are used.
      intra_op_threads: threads within one operation.
      inter_op_threads: number of operations that run at the same time.
      device: always `cpu`.
    """

    tensorflow: str
    onednn: bool
    intra_op_threads: int
    inter_op_threads: int
    device: str


def runtime() -> Runtime:
    """Settings of TensorFlow in this process, whether or not it is loaded."""
    return Runtime(
        importlib.metadata.version("tensorflow"),
        os.environ.get(ONEDNN_VARIABLE, "1") == "1",
        INTRA_OP_THREADS,
        INTER_OP_THREADS,
        "cpu",
    )


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether TensorFlow or Python ran out of memory."""
    if isinstance(error, MemoryError):
        return True
    tensorflow = sys.modules.get("tensorflow")  # if it is not loaded, the error is not from TensorFlow
    return tensorflow is not None and isinstance(error, tensorflow.errors.ResourceExhaustedError)


@contextlib.contextmanager
def _discard_native_stderr() -> Iterator[None]:
    """Discard messages about CUDA that TensorFlow's C++ code writes to stderr before it has a logger."""
    saved = os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


_importing = threading.Lock()


@cache
def _import_tensorflow() -> Any:
    """Import TensorFlow with defaults for its environment variables; values set by the user are kept."""
    os.environ.setdefault(ONEDNN_VARIABLE, "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Hide all GPUs, so that a machine with a GPU gets the same results as one without; CUDA is not started.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    with _discard_native_stderr():
        import tensorflow
    _pin(tensorflow)
    return tensorflow


def _pin(tensorflow: Any) -> None:
    threading = tensorflow.config.threading
    try:
        threading.set_intra_op_parallelism_threads(INTRA_OP_THREADS)
        threading.set_inter_op_parallelism_threads(INTER_OP_THREADS)
        tensorflow.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        raise SwathError(
            "TensorFlow was used in this process, with other numbers of threads, before swath loaded it; "
            "use tf of swath.models first"
        ) from error


def __getattr__(name: str) -> Any:
    if name == "tf":
        with _importing:
            return _import_tensorflow()
    raise AttributeError(f"module {__name__} has no attribute {name}")
