"""Settings of TensorFlow in the processes of swath, available without loading it."""

import importlib.metadata
import os
import sys
from dataclasses import dataclass

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
