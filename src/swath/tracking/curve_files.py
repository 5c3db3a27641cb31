"""Files of curves: Parquet, one row for each step, one column for each metric."""

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from swath.tracking import schema

STEP = "step"

Steps = tuple[NDArray[np.int64], dict[str, NDArray[np.float64]]]
"""Steps, int64 [n], ascending, and the values of each metric at these steps, float64 [n]."""


def encode(steps: NDArray[np.int64], values: Mapping[str, NDArray[np.float64]]) -> bytes:
    """The content of a file.

    Args:
      steps: int64 [n], ascending.
      values: float64 [n] of each metric.
    """
    import pyarrow
    import pyarrow.parquet  # few commands need it

    table = pyarrow.table({STEP: steps, **values})
    file = io.BytesIO()
    # An accuracy has few values: a batch has few images. A loss has many, whose first bytes are alike.
    few = [name for name in values if schema.is_accuracy(name)]
    encodings = {name: "BYTE_STREAM_SPLIT" for name in values if name not in few}
    pyarrow.parquet.write_table(
        table,
        file,
        compression="zstd",
        use_dictionary=few,
        column_encoding={STEP: "DELTA_BINARY_PACKED", **encodings},
        write_statistics=False,
        store_schema=False,
        write_page_checksum=True,
    )
    return file.getvalue()


def decode(content: bytes) -> Steps:
    """The steps of a file, and the values of each metric.

    Raises:
      ValueError: it is damaged.
    """
    import pyarrow
    import pyarrow.parquet

    try:
        # In this thread: threads of its own take longer to start than a file takes to read.
        table = pyarrow.parquet.ParquetFile(io.BytesIO(content), page_checksum_verification=True).read(
            use_threads=False
        )
        columns = {name: table[name].to_numpy() for name in table.column_names}
        steps = columns.pop(STEP).astype(np.int64, copy=False)
        return steps, {name: column.astype(np.float64, copy=False) for name, column in columns.items()}
    except (pyarrow.ArrowException, OSError, KeyError, ValueError) as error:
        raise ValueError(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
