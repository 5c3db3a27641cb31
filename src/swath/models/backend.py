"""TensorFlow, set up so that the bits of a result depend on nothing but config, data and arithmetic.

Whatever computes takes TensorFlow from here (`from swath.models import tf`), so it is the same everywhere:
on the CPU, with a fixed number of threads. The import takes seconds.
"""

import os
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from swath.errors import SwathError

ONEDNN_VARIABLE = "TF_ENABLE_ONEDNN_OPTS"


INTRA_OP_THREADS = 1
"""A matrix product that is cut up among threads adds its parts in another order for another number of
threads. So one thread computes each; another draws and converts the next batches meanwhile."""


INTER_OP_THREADS = 2


@dataclass(frozen=True)
class Runtime:
    """How TensorFlow computes in this process.

    Attributes:
      tensorflow: its version.
      onednn: whether oneDNN's kernels are used.
      intra_op_threads: threads within one operation.
      inter_op_threads: operations at a time.
      device: always `cpu`.
    """

    tensorflow: str
    onednn: bool
    intra_op_threads: int
    inter_op_threads: int
    device: str


class _NativeStderrDiscarded:
    """TensorFlow's C++ part writes notes about CUDA to the descriptor itself before any logger exists."""

    def __enter__(self) -> None:
        self._saved = os.dup(2)
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.dup2(self._saved, 2)
        os.close(self._saved)


def _import_tensorflow() -> Any:
    """Import TensorFlow with what it reads from the environment chosen; what the user set stays."""
    os.environ.setdefault(ONEDNN_VARIABLE, "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # A machine with a GPU gives the CPU's bits: CUDA sees no device, and is not even started.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    with _NativeStderrDiscarded():
        import tensorflow
    return tensorflow


def _pin(tensorflow: Any) -> Runtime:
    threading = tensorflow.config.threading
    try:
        threading.set_intra_op_parallelism_threads(INTRA_OP_THREADS)
        threading.set_inter_op_parallelism_threads(INTER_OP_THREADS)
        tensorflow.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        raise SwathError(
            "TensorFlow has been used in this process before swath was imported, with other numbers of "
            "threads; import swath.models.backend first"
        ) from error
    return Runtime(
        tensorflow.__version__,
        os.environ[ONEDNN_VARIABLE] == "1",
        threading.get_intra_op_parallelism_threads(),
        threading.get_inter_op_parallelism_threads(),
        "cpu",
    )


tf: Any = _import_tensorflow()


RUNTIME = _pin(tf)


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether TensorFlow or Python ran out of memory."""
    return isinstance(error, MemoryError | tf.errors.ResourceExhaustedError)
