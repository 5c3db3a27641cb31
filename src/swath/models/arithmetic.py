"""Matrix products with the same bits at every width and on every x86-64 processor with FMA.

oneDNN computes an element of a product as chains of fused multiply-adds, one for each block of the inner
dimension, and adds the blocks in order (`gemm_driver.cpp` of oneDNN 3.7). Where it cuts the inner dimension,
and how it computes what is left of a tile, depends on the processor and on the shape. The products here keep
within sizes that every kernel treats alike, and make the cuts themselves (docs/decisions/one-arithmetic.md).
"""

import os
from functools import cache

import archspec.cpu

from swath.models import backend
from swath.models.backend import MOST_ISA_VARIABLES, is_onednn_on
from swath.models.model import Tensor

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


def forward_product(inputs: Tensor, weights: Tensor) -> Tensor:
    """`inputs @ weights`, with the inner dimension cut into blocks of at most `INNER`, added in order.

    Args:
      inputs: float32 [rows, k]; a multiple of `ROW_MULTIPLE`, at most `MOST_ROWS` rows.
      weights: float32 [k, columns]; a multiple of `COLUMN_TILE`.

    Returns:
      float32 [rows, columns]
    """
    tf = backend.tf
    inner = int(inputs.shape[1])
    sizes = block_sizes(inner)
    if len(sizes) == 1:
        return tf.matmul(inputs, weights)
    blocks = zip(tf.split(inputs, sizes, axis=1), tf.split(weights, sizes, axis=0), strict=True)
    return tf.add_n([tf.matmul(some, part) for some, part in blocks])  # adds in a fixed order


def block_sizes(inner: int) -> list[int]:
    """Sizes of the fewest nearly equal blocks of at most `INNER` that make up an inner dimension."""
    count = -(-inner // INNER)
    return [inner * (block + 1) // count - inner * block // count for block in range(count)]


def gradient_product(inputs: Tensor, errors: Tensor) -> Tensor:
    """`transpose(inputs) @ errors`, one chain over the images.

    Args:
      inputs: float32 [rows, k]; at most `MOST_ROWS` rows.
      errors: float32 [rows, columns]; a multiple of `COLUMN_TILE`.

    Returns:
      float32 [k, columns]
    """
    tf = backend.tf
    if _has_wide_chains():
        return tf.matmul(inputs, errors, transpose_a=True)
    # The AVX2 kernel cuts the inner dimension of a transposed factor at 96, that of a plain one at 256. The
    # detour over three dimensions keeps TensorFlow's optimizer from making a transposed factor of it.
    inner = int(inputs.shape[1])
    plain = tf.reshape(tf.transpose(tf.reshape(inputs, [-1, 1, inner]), [1, 2, 0]), [inner, -1])
    if missing := -inner % ROW_MULTIPLE:
        return tf.matmul(tf.pad(plain, [[0, missing], [0, 0]]), errors)[:inner]
    return tf.matmul(plain, errors)


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
    if is_onednn_on() and {"avx2", "fma"} <= host.features and _most_isa() not in ("SSE41", "AVX"):
        return FMA
    name = archspec.cpu.brand_string() or host.name
    return f"{name}, at most {_most_isa()}: {' '.join(sorted(host.features))}"


def _most_isa() -> str:
    """The newest instruction set that oneDNN may use."""
    found = (os.environ[name] for name in MOST_ISA_VARIABLES if name in os.environ)
    return next(found, "ALL").upper()


@cache
def _has_wide_chains() -> bool:
    """Whether oneDNN uses its kernels for AVX-512, which compute chains of 384 of a transposed factor too."""
    allowed = _most_isa()
    return "avx512f" in archspec.cpu.host().features and (
        allowed in ("ALL", "DEFAULT") or "AVX512" in allowed
    )
