"""Names that were mistyped, and those that they stand for."""

import pytest

from swath.config import FIELDS, nearest_name

METRICS = ("test/accuracy", "validation/accuracy", "test/loss", "train/accuracy", "train/loss")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        *(("lr", "learning_rate"), ("LR", "learning_rate"), ("bs", "batch_size"), ("ms", "max_steps")),
        *(("vs", "data.validation_size"), ("dvs", "data.validation_size")),
        *(("learning_rat", "learning_rate"), ("Batch_Size", "batch_size"), ("steps", "max_steps")),
        *(
            ("sead", "seed"),
            ("batch", "batch_size"),
            ("size", "batch_size"),
            ("valid", "data.validation_size"),
        ),
    ],
)
def test_field_is_found_by_initials_spelling_or_part(typed: str, meant: str) -> None:
    assert nearest_name(typed, [name for name, spec in FIELDS.items() if spec.scope == "identity"]) == meant


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("accuracy", "test/accuracy"),
        ("tl", "test/loss"),
        ("va", "validation/accuracy"),
        ("acc", "test/accuracy"),
    ],
)
def test_metric_is_found_as_a_field_is(typed: str, meant: str) -> None:
    assert nearest_name(typed, METRICS) == meant


@pytest.mark.parametrize("typed", ["", "z", "zzz", "f1", "-", "a"])
def test_nothing_is_near_a_name_of_nothing(typed: str) -> None:
    assert nearest_name(typed, METRICS) is None
    assert nearest_name(typed, ()) is None
