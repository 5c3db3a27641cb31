"""Properties of reading a batch file with arbitrary bytes."""

import pickle
from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from swath.datasets.cifar import CIFAR10
from swath.datasets.pickled_batches import check_class_names, parse_batch
from swath.errors import DataError

SPEC = replace(
    CIFAR10,
    image_shape=(3, 2, 2),
    class_names=("cat", "dog", "frog"),
    layout=replace(CIFAR10.layout, batches=(("data_batch_1", 2),)),
)
IMAGES = np.arange(2 * 12, dtype=np.uint8).reshape(2, 12)
# In the format of Python 2: byte strings (U and T), one dictionary, module names of NumPy 1.
BATCH = (
    b"\x80\x02}q\x00(U\x0bbatch_labelq\x01U\x05one..q\x02U\x06labelsq\x03]q\x04(K\x02K\x00eU\x04dataq\x05"
    b"cnumpy.core.multiarray\n_reconstruct\nq\x06cnumpy\nndarray\nq\x07K\x00\x85q\x08U\x01bq\x09\x87q\x0aR"
    b"(K\x01K\x02K\x0c\x86cnumpy\ndtype\nq\x0bU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
    b"J\xff\xff\xff\xffK\x00tb\x89T\x18\x00\x00\x00" + IMAGES.tobytes() + b"tbu."
)
HEAD = BATCH.index(IMAGES.tobytes())
META = b"\x80\x02}q\x00U\x0blabel_namesq\x01]q\x02(U\x03catU\x03dogU\x04frogeK\x01K\x02s."


def positions(length):
    """Positions of changed bytes: anywhere, but often outside the pixels, where the opcodes are."""
    opcodes = st.one_of(st.integers(0, min(HEAD, length) - 1), st.integers(max(0, length - 4), length - 1))
    return st.one_of(opcodes, st.integers(0, length - 1))


@st.composite
def damaged(draw, payload):
    """A payload that is truncated, or has bytes changed, deleted or inserted."""
    content = bytearray(payload)
    for _ in range(draw(st.integers(0, 4))):
        position = draw(positions(len(content)))
        how = draw(st.sampled_from(["change", "take out", "put in", "repeat"]))
        if how == "change":
            content[position] = draw(st.integers(0, 255))
        elif how == "take out":
            del content[position : position + draw(st.integers(1, 9))]
        elif how == "put in":
            content[position:position] = draw(st.binary(min_size=1, max_size=9))
        else:
            content[position:position] = content[position : position + draw(st.integers(1, 60))]
        if not content:
            return b""
    return bytes(content[: draw(st.one_of(st.just(len(content)), st.integers(0, len(content))))])


def is_refused_or_well_formed(payload):
    try:
        images, labels = parse_batch(SPEC, SPEC.layout, "data_batch_1", payload)
    except DataError as error:
        return str(error).startswith("data_batch_1 ") and "\n" not in str(error)
    return (
        (images.shape, images.dtype, labels.shape, labels.dtype) == ((2, 12), np.uint8, (2,), np.uint8)
        and images.flags.c_contiguous
        and labels.max() < 3
    )


def test_undamaged_batch_is_accepted():
    images, labels = parse_batch(SPEC, SPEC.layout, "data_batch_1", BATCH)

    assert np.array_equal(images, IMAGES) and labels.tolist() == [2, 0]


@settings(max_examples=1_500, deadline=None)
@given(payload=damaged(BATCH))
def test_damaged_batch_is_refused_or_well_formed(payload):
    assert is_refused_or_well_formed(payload)


@settings(max_examples=300, deadline=None)
@given(payload=damaged(pickle.dumps({"labels": [2, 0], "data": IMAGES}, protocol=4)))
def test_damaged_batch_of_python_3_is_refused_or_well_formed(payload):
    assert is_refused_or_well_formed(payload)


@settings(max_examples=300, deadline=None)
@given(payload=st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_or_well_formed(payload):
    assert is_refused_or_well_formed(payload)


@settings(max_examples=100, deadline=None)
@given(
    content=st.recursive(st.none() | st.integers(0, 300) | st.binary() | st.text(), st.lists, max_leaves=8)
)
def test_arbitrary_values_for_labels_and_images_are_refused(content):
    payload = pickle.dumps({"labels": content, "data": content}, protocol=4)

    assert is_refused_or_well_formed(payload)


@settings(max_examples=500, deadline=None)
@given(payload=damaged(META))
def test_damaged_class_names_are_refused_or_equal_the_declared_ones(payload):
    try:
        check_class_names(SPEC, SPEC.layout, payload)
    except DataError as error:
        assert str(error).startswith("batches.meta ") and "\n" not in str(error)
