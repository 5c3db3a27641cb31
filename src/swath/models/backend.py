"""TensorFlow, set up so that results depend only on the configuration, the data and the machine's arithmetic.

All code imports TensorFlow from here (`from swath.models import tf`). It runs on the CPU with a fixed number
of threads. Its import takes seconds, so it is loaded when `tf` is first used; the settings are available
without it.
"""

import contextlib
import hashlib
import importlib
import importlib.metadata
import logging
import os
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.errors import SwathError
from swath.system import leaving_out, loading_later

if TYPE_CHECKING:
    tf: Any

ONEDNN_VARIABLE = "TF_ENABLE_ONEDNN_OPTS"

INTRA_OP_THREADS = 1
"""One thread computes each matrix product: with more threads, the order of additions would depend on their
number. Another thread draws and converts the next batches meanwhile."""

INTER_OP_THREADS = 2


XLA_VARIABLES = ("TF_XLA_FLAGS", "TF_FUNCTION_JIT_COMPILE_DEFAULT", "XLA_FLAGS")
"""Turn on XLA, whose sums have another order, or change it. They are removed before TensorFlow is loaded, so
XLA is off."""

PREFIXES = ("TF_", "XLA_", "ONEDNN_", "DNNL_")
"""Beginnings of the names of variables that TensorFlow and oneDNN read."""

HARMLESS = (
    "TF_CPP_",  # what is logged
    "TF_GPU_",
    "TF_CUDNN_",
    "TF_FORCE_GPU_",
    "ONEDNN_VERBOSE",
    "DNNL_VERBOSE",
    # Terraform's, which may hold secrets.
    "TF_CLI_",
    "TF_DATA_DIR",
    "TF_IGNORE",
    "TF_INPUT",
    "TF_IN_AUTOMATION",
    "TF_LOG",
    "TF_PLUGIN_",
    "TF_REATTACH_",
    "TF_REGISTRY_",
    "TF_STATE_",
    "TF_TOKEN_",
    "TF_VAR_",
    "TF_WORKSPACE",
)
"""Beginnings of the names of variables that cannot change a number on the CPU."""

READ = (
    "TF_ALLOW_",
    "TF_CPU_",
    "TF_DETERMINISTIC_",
    "TF_DISABLE_",
    "TF_ENABLE_",
    "TF_FUNCTION_JIT_",
    "TF_INTER_OP_",
    "TF_INTRA_OP_",
    "TF_MKL_",
    "TF_NUM_",
    "TF_OVERRIDE_",
    "TF_USE_",
    "TF_XLA_",
    "XLA_",
    "ONEDNN_",
    "DNNL_",
)
"""Beginnings of the names that TensorFlow and oneDNN are known to read. Other tools use `TF_` too, so the
value of any other variable may be a secret, and only its digest is stored."""

SECRET_WORDS = ("PASSWORD", "PASSWD", "SECRET", "TOKEN", "CREDENTIAL", "KEY", "USERNAME")
"""A variable with such a word in its name is not TensorFlow's; nothing of it is stored."""

PROGRAM_TRACED = "compile_program.<locals>.run_steps"
"""What TensorFlow calls the program of a lane group in its warning about retracing."""

MOST_ISA_VARIABLES = ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA")
"""Variables that keep oneDNN from using newer instruction sets; the first that is set counts."""

OFF = ("0", "false")
"""Values that TensorFlow reads as off, in any case; it reads all others as its default."""


def is_onednn_on() -> bool:
    """Whether TensorFlow uses oneDNN's kernels, as it reads its variable itself; on by default here."""
    return os.environ.get(ONEDNN_VARIABLE, "1").lower() not in OFF


def compute_variables() -> str:
    """Variables of this process that may change how TensorFlow computes: `NAME=VALUE`, sorted, or `unset`.

    Of a variable that TensorFlow is not known to read, the digest stands for the value. Those with a tag or a
    setting of their own, such as oneDNN's switch, are left out.
    """
    own = {ONEDNN_VARIABLE, *MOST_ISA_VARIABLES}
    if "tensorflow" not in sys.modules or set_variables():
        own.update(XLA_VARIABLES)  # were removed, or will be
    found = [
        f"{name}={value if name.startswith(READ) else _digest(value)}"
        for name, value in sorted(os.environ.items())
        if name.startswith(PREFIXES)
        and not name.startswith(HARMLESS)
        and name not in own
        and not any(word in name for word in SECRET_WORDS)
    ]
    return " ".join(found) or "unset"


def _digest(value: str) -> str:
    return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:12]}"


@dataclass(frozen=True)
class Runtime:
    """Settings of TensorFlow that may affect results.

    Attributes:
      tensorflow: version of TensorFlow.
      onednn: whether oneDNN's kernels are used.
      intra_op_threads: threads within one operation.
      inter_op_threads: number of operations that run at the same time.
      device: always `cpu`.
      variables: see `compute_variables`.
    """

    tensorflow: str
    onednn: bool
    intra_op_threads: int
    inter_op_threads: int
    device: str
    variables: str


def runtime() -> Runtime:
    """Settings of TensorFlow in this process, whether or not it is loaded."""
    return Runtime(
        importlib.metadata.version("tensorflow"),
        is_onednn_on(),
        INTRA_OP_THREADS,
        INTER_OP_THREADS,
        "cpu",
        compute_variables(),
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
    try:
        saved = os.dup(2)
    except OSError:  # standard error is closed
        yield
        return
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 2)
    os.close(null)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)


KERAS = ("keras.src.optimizers", "tf_keras.src.optimizers")
"""What TensorFlow imports of Keras, so that files with models of Keras can be loaded, and does without.

That is half the time of its import: Keras imports scikit-learn, pandas and Matplotlib. It is loaded when it
is used.
"""

API = "tensorflow._api.v2"
"""The package of `tf.nn`, `tf.data`, `tf.compat` and their like. They import everything that TensorFlow has,
which is a third of the time of its import; each is loaded when it is used.
"""

FOLDERS = ("distribute", "lite")
"""Parts of the API that are also folders of TensorFlow."""

NEEDS_FOLDER = "tensorflow.python.distribute.experimental.rpc.rpc_ops"
"""The module that must find TensorFlow's folder, not the part of the API, when it looks for `distribute`.
Only the parts in `LOADS_IT` load it; a program that imports it by itself must use one of them first."""

LOADS_IT = ("compat", "distribute")

WRITES = "tensorflow.python.profiler.internal._pywrap_profiler_plugin"
"""A native library that writes about CUDA to stderr when it is loaded; parts of the API load it."""

_importing = threading.Lock()

_renaming = threading.RLock()


@cache
def set_variables() -> bool:
    """Turn XLA off, and set defaults for TensorFlow's other variables; other values are kept.

    Returns:
      whether that was in time: TensorFlow was not loaded yet. `compute_variables` says so.
    """
    in_time = "tensorflow" not in sys.modules
    if in_time:
        for name in XLA_VARIABLES:
            os.environ.pop(name, None)
    os.environ.setdefault(ONEDNN_VARIABLE, "1")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Hide all GPUs, so that a machine with a GPU gets the same results as one without; CUDA is not started.
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    return in_time


@cache
def _import_tensorflow() -> Any:
    """Import TensorFlow as swath needs it."""
    set_variables()
    with (
        _discard_native_stderr(),
        leaving_out(*KERAS),
        loading_later(API, dict.fromkeys(LOADS_IT, _load_what_needs_a_folder)),
    ):
        import tensorflow

        _keep_names(tensorflow)
        with contextlib.suppress(ModuleNotFoundError):  # of another version of TensorFlow
            importlib.import_module(WRITES)
    _pin(tensorflow)
    # A session that trains many sweeps traces a program for each; TensorFlow takes that for a mistake.
    logging.getLogger("tensorflow").addFilter(lambda record: PROGRAM_TRACED not in record.getMessage())
    return tensorflow


def _keep_names(tensorflow: Any) -> None:
    """Load the folders of TensorFlow that share their name with a part of its API, which keeps the name.

    Else the first import of a module in such a folder, by a part that is loaded later, would give the name to
    the folder. The folders themselves are empty.
    """
    for name in FOLDERS:
        part = vars(tensorflow).get(name)
        if part is not None and (Path(tensorflow.__file__).parent / name).is_dir():
            importlib.import_module(f"tensorflow.{name}")
            setattr(tensorflow, name, part)


def _load_what_needs_a_folder() -> None:
    tensorflow, part = sys.modules["tensorflow"], sys.modules.get(f"{API}.distribute")
    folder = sys.modules.get("tensorflow.distribute")
    with _renaming:
        if part is None or folder is None or NEEDS_FOLDER in sys.modules:
            return
        vars(folder)["__getattr__"] = partial(getattr, part)  # for other threads, meanwhile
        vars(tensorflow)["distribute"] = folder
        try:
            with contextlib.suppress(ModuleNotFoundError):  # of another version of TensorFlow
                importlib.import_module(NEEDS_FOLDER)
        finally:
            vars(tensorflow)["distribute"] = part


def _pin(tensorflow: Any) -> None:
    threading = tensorflow.config.threading
    try:
        threading.set_intra_op_parallelism_threads(INTRA_OP_THREADS)
        threading.set_inter_op_parallelism_threads(INTER_OP_THREADS)
        tensorflow.config.set_visible_devices([], "GPU")
        # Graphs are computed as they are written: rewriting them would fuse, reorder or transpose products,
        # and what is rewritten depends on the number of lanes.
        tensorflow.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
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
