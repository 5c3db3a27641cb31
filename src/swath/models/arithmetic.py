"""Matrix products with the same bits at every width and on every x86-64 processor with FMA.

oneDNN computes an element of a product as chains of fused multiply-adds, one for each block of the inner
dimension, and adds the blocks in order (`gemm_driver.cpp` of oneDNN 3.7). Where it cuts the inner dimension,
and how it computes what is left of a tile, depends on the processor and on the shape. The products here keep
within sizes that every kernel treats alike, and make the cuts themselves (docs/decisions/one-arithmetic.md).
"""

import os
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

import archspec.cpu

from swath.models import backend
from swath.models.backend import MOST_ISA_VARIABLES, is_onednn_on
from swath.models.model import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

ARITHMETIC = "2"
"""Version of the arithmetic: runs of different versions differ in their last bits. Version 1, until swath
0.1, left the cuts to oneDNN, so its bits depended on the processor's kernels."""

INNER = 256
"""Longest inner dimension that all kernels compute as one chain, if neither factor is transposed."""

ROW_MULTIPLE = 6
"""Rows that the AVX2 kernel computes together; it rounds a remainder of 1 to 3 rows differently."""

MOST_ROWS = 252
"""Most images in one product: the largest multiple of `ROW_MULTIPLE` within `INNER`, because the images are
the inner dimension of a gradient."""

COLUMN_TILE = 16
"""Columns that a kernel computes together; AVX2 rounds a remainder of 8 or fewer differently."""


def block_sizes(inner: int) -> tuple[int, int]:
    """Number and width of the fewest equal blocks, of at most `INNER`, that hold an inner dimension."""
    count = -(-inner // INNER)
    return count, -(-inner // count)


def padded_size(columns: int) -> int:
    """Columns with the padding: the blocks of `block_sizes` are then multiples of `COLUMN_TILE`."""
    tile = COLUMN_TILE * block_sizes(columns)[0]
    return -(-columns // tile) * tile


def has_free_lane(columns: int, lanes: int) -> bool:
    """Whether one more lane fits into the tiles of a product that all lanes share, so that it costs nothing.

    Args:
      columns: those of one lane.
      lanes: lanes that are there.
    """
    return -(-columns * lanes // COLUMN_TILE) == -(-columns * (lanes + 1) // COLUMN_TILE)


def in_blocks(array: "NDArray[Any]", axis: int) -> "NDArray[Any]":
    """Cut an axis into blocks, which become the first axis; the last block is padded with zeros.

    Zeros add nothing to a chain, so the padding changes no result.
    """
    import numpy as np  # plans need the sizes above, and no NumPy

    inner = array.shape[axis]
    count, width = block_sizes(inner)
    shape = list(array.shape)
    shape[axis] = width
    # Block by block, because images take a tenth of a gigabyte, and padding them all would copy them.
    found = np.zeros((count, *shape), array.dtype)
    source, target = np.moveaxis(array, axis, 0), np.moveaxis(found, axis + 1, 1)
    for block in range(count):
        part = source[block * width : (block + 1) * width]
        target[block, : len(part)] = part
    return found


def forward_product(inputs: Sequence[Tensor], weights: Sequence[Tensor]) -> Tensor:
    """`inputs @ weights` over the blocks of the inner dimension, whose products are added in order.

    Args:
      inputs: float32 [rows, width] for each block; a multiple of `ROW_MULTIPLE`, at most `MOST_ROWS` rows.
      weights: float32 [width, columns] for each block; a multiple of `COLUMN_TILE`.

    Returns:
      float32 [rows, columns]
    """
    tf = backend.tf
    return tf.add_n([tf.matmul(block, part) for block, part in zip(inputs, weights, strict=True)])


def gradient_product(inputs: Sequence[Tensor], errors: Tensor) -> list[Tensor]:
    """`transpose(inputs) @ errors` for each block, each one chain over the images.

    Args:
      inputs: float32 [rows, width] for each block; at most `MOST_ROWS` rows.
      errors: float32 [rows, columns]; a multiple of `COLUMN_TILE`.

    Returns:
      float32 [width, columns] for each block
    """
    tf = backend.tf
    if _has_wide_chains():
        return [tf.matmul(block, errors, transpose_a=True) for block in inputs]
    # The AVX2 kernel cuts the inner dimension of a transposed factor at 96, that of a plain one at 256.
    plain = [tf.transpose(block) for block in inputs]
    width = int(inputs[0].shape[1])
    if missing := -width % ROW_MULTIPLE:
        padding = [[0, missing], [0, 0]]
        return [tf.matmul(tf.pad(block, padding), errors)[:width] for block in plain]
    return [tf.matmul(block, errors) for block in plain]


def column_sums(values: Tensor) -> Tensor:
    """Sums over the images, as a product with rows of ones: float32 [rows, columns] -> [columns].

    The order of additions in TensorFlow's reductions depends on the shape. `ROW_MULTIPLE` rows of ones, of
    which one is used, make it a product that all kernels compute alike.
    """
    tf = backend.tf
    return tf.matmul(tf.ones([ROW_MULTIPLE, tf.shape(values)[0]]), values)[0]


FMA = "x86-64 with FMA"
"""The kernels of every x86-64 processor with AVX2 and fused multiply-adds give the same bits."""


def kernels() -> str:
    """What decides the bits besides the arithmetic: `FMA`, or the name of another processor and its sets."""
    host = archspec.cpu.host()
    if is_onednn_on() and {"avx2", "fma"} <= host.features and most_isa() not in ("SSE41", "AVX"):
        return FMA
    name = archspec.cpu.brand_string() or host.name
    return f"{name}, at most {most_isa()}: {' '.join(sorted(host.features))}"


def most_isa() -> str:
    """The newest instruction set that oneDNN may use."""
    found = (os.environ[name] for name in MOST_ISA_VARIABLES if name in os.environ)
    return next(found, "ALL").upper()


@cache
def _has_wide_chains() -> bool:
    """Whether oneDNN uses its kernels for AVX-512, which compute chains of 384 of a transposed factor too."""
    allowed = most_isa()
    return "avx512f" in archspec.cpu.host().features and (
        allowed in ("ALL", "DEFAULT") or "AVX512" in allowed
    )
