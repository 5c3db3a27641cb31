"""Files of curves keep every bit, are small, and show damage."""

import math

import numpy as np
import pytest

from swath.tracking.curve_files import decode, encode

AWKWARD = [0.1, math.nan, math.inf, -math.inf, -0.0, 5e-324, 1.7976931348623157e308, 1 / 3]


def test_values_come_back_bit_for_bit() -> None:
    values = {"train/accuracy": np.array(AWKWARD), "train/loss": np.array(AWKWARD[::-1])}
    steps, found = decode(encode(np.arange(7, 15), values))
    assert steps.dtype == np.int64 and steps.tolist() == list(range(7, 15))
    assert {name: each.tobytes() for name, each in found.items()} == {
        name: each.tobytes() for name, each in values.items()
    }


def test_values_of_long_runs_take_few_bytes() -> None:
    rng = np.random.default_rng(0)
    losses = rng.random(10_000, np.float32).astype(np.float64)  # TensorFlow's losses have 24 bits
    values = {"train/accuracy": rng.integers(0, 101, 10_000) / 100, "train/loss": losses}
    assert len(encode(np.arange(10_000), values)) < 2.5 * 20_000, "a row of a database has 230 bytes a value"


@pytest.fixture
def content() -> bytes:
    return encode(np.arange(300), {"train/loss": np.random.default_rng(0).random(300)})


def test_every_damaged_byte_of_the_values_is_noticed(content: bytes) -> None:
    for position in range(60, 1_500, 50):
        damaged = bytearray(content)
        damaged[position] ^= 1
        with pytest.raises(ValueError, match=r".+") as raised:
            decode(bytes(damaged))
        assert "\n" not in str(raised.value)


@pytest.mark.parametrize("length", [0, 3, 100, -1])
def test_cut_off_file_is_noticed(content: bytes, length: int) -> None:
    with pytest.raises(ValueError, match=r"^[^\n]+$"):
        decode(content[:length])


def test_other_columns_are_noticed() -> None:
    import io

    import pyarrow
    import pyarrow.parquet

    file = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table({"x": [1]}), file)
    with pytest.raises(ValueError, match="step"):
        decode(file.getvalue())
