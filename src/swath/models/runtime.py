"""How TensorFlow computes in swath's processes, known without loading it."""

import importlib.metadata
import os
import sys
from dataclasses import dataclass

ONEDNN_VARIABLE = "TF_ENABLE_ONEDNN_OPTS"

INTRA_OP_THREADS = 1
"""A matrix product that is split among threads adds its parts in an order that depends on their number. So
one thread computes each; another draws and converts the next batches meanwhile."""

INTER_OP_THREADS = 2


@dataclass(frozen=True)
class Runtime:
    """How TensorFlow computes.

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


def runtime() -> Runtime:
    """How TensorFlow computes, or will, in this process."""
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
    tensorflow = sys.modules.get("tensorflow")  # not loaded: the error is none of its own
    return tensorflow is not None and isinstance(error, tensorflow.errors.ResourceExhaustedError)
