"""Numbers for people: as short as possible without meaning another float32."""

import random

import pytest
from support.small import run_config

from swath.config import fingerprint, readable_name, run_name
from swath.system import as_float32, readable_number


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (6.516215458215689e-07, "6.516215e-07"),
        ("1.63345876110695e-06", "1.6334587e-06"),
        ("0.000187145006862407", "0.00018714501"),
        (0.30000000000000004, "0.3"),
        (1e-06, "1e-06"),
        (50.0, "50.0"),
        (9223372036854775807, "9223372036854775807"),
        ("9223372036854775807", "9223372036854775807"),
        ("softmax_regression", "softmax_regression"),
        ("[1024, 1024, 512]", "[1024, 1024, 512]"),
        (1e300 * 1.23456789012345, "1.2345678901234502e+300"),
        (None, "None"),
    ],
)
def test_shortest_text_of_a_number(value: object, text: str) -> None:
    assert readable_number(value) == text


def test_what_is_shown_can_be_typed() -> None:
    generator = random.Random(0)
    for _ in range(2_000):
        number = 10 ** generator.uniform(-30, 10)
        text = readable_number(number)
        assert as_float32(float(text)) == as_float32(number)
        assert len(text) <= 14


def test_names_of_runs_have_short_numbers() -> None:
    config = run_config(learning_rate=6.516215458215689e-07)
    assert readable_name(config, ("learning_rate",)) == "learning_rate=6.516215e-07"
    assert run_name(config, ("learning_rate",)) == "6.516215e-07 (learning_rate)"
    assert fingerprint(run_config(learning_rate=6.516215e-07)) == fingerprint(config)
