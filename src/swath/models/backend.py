"""TensorFlow, set up so that results depend only on the configuration, the data and the machine's arithmetic.

All code imports TensorFlow from here (`from swath.models import tf`). It runs on the CPU with a fixed number
of threads. The import takes seconds.
"""

import contextlib
import os
from collections.abc import Iterator
from typing import Any

from swath.errors import SwathError
from swath.models.runtime import INTER_OP_THREADS, INTRA_OP_THREADS, ONEDNN_VARIABLE


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


def _import_tensorflow() -> Any:
    """Import TensorFlow with defaults for its environment variables; values set by the user are kept."""
    os.environ.setdefault(ONEDNN_VARIABLE, "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Hide all GPUs, so that a machine with a GPU gets the same results as one without; CUDA is not started.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    with _discard_native_stderr():
        import tensorflow
    return tensorflow


def _pin(tensorflow: Any) -> None:
    threading = tensorflow.config.threading
    try:
        threading.set_intra_op_parallelism_threads(INTRA_OP_THREADS)
        threading.set_inter_op_parallelism_threads(INTER_OP_THREADS)
        tensorflow.config.set_visible_devices([], "GPU")
    except RuntimeError as error:
        raise SwathError(
            "TensorFlow was used in this process, with other numbers of threads, before swath was imported; "
            "import swath.models.backend first"
        ) from error


tf: Any = _import_tensorflow()
_pin(tf)
