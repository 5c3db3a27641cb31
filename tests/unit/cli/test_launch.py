"""What a command hands to workers, and what it must not."""

from swath.cli.launch import _lines
from swath.config import hydra_ready, parse_overrides


def test_overrides_of_a_run_have_no_password_and_one_value_each() -> None:
    typed = [
        "tracking.uri='postgresql://swath:s3cret@db/swath'",
        "learning_rate=1e-6,1e-5",
        "batch_size=50",
        "seed=3",
    ]
    with hydra_ready():
        found = parse_overrides(typed)
    values = {"learning_rate": 1e-05, "batch_size": 50, "seed": 3}
    lines = list(_lines(found, values, ("learning_rate",)))
    assert "s3cret" not in " ".join(lines)
    assert lines[0].startswith("tracking.uri='postgresql://swath:")
    assert lines[1:] == ["batch_size=50", "seed=3", "learning_rate=1e-05"]
