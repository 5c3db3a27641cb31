"""The part of a metric batch that is not yet stored for a resumed run."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from swath.tracking import MetricBatch


def steps_of(batches: list[MetricBatch], name: str) -> list[int]:
    return [
        batch.first_step + batch.every * offset
        for batch in batches
        if name in batch.values
        for offset in range(len(batch.values[name]))
    ]


@given(
    st.integers(0, 50),
    st.integers(1, 7),
    st.integers(1, 20),
    st.none() | st.integers(0, 200),
    st.integers(0, 200),
)
def test_each_metric_keeps_the_steps_after_its_last_stored_one(
    first: int, every: int, count: int, last_loss: int | None, last_accuracy: int
) -> None:
    steps = [first + every * offset for offset in range(count)]
    values = np.array(steps, np.float64)
    batch = MetricBatch(first, {"loss": values, "accuracy": -values}, every)
    last = {"accuracy": last_accuracy} | ({} if last_loss is None else {"loss": last_loss})
    parts = batch.after(last)
    assert steps_of(parts, "accuracy") == [step for step in steps if step > last_accuracy]
    assert steps_of(parts, "loss") == [step for step in steps if last_loss is None or step > last_loss]
    for part in parts:
        for name, kept in part.values.items():
            sign = 1 if name == "loss" else -1
            assert (sign * kept).tolist() == [part.first_step + every * offset for offset in range(len(kept))]


def test_batch_without_stored_steps_is_not_split() -> None:
    batch = MetricBatch(10, {"loss": np.zeros(3), "accuracy": np.zeros(3)})
    (part,) = batch.after({"loss": 9, "accuracy": 9})
    assert set(part.values) == {"loss", "accuracy"}
    assert batch.after({"loss": 12, "accuracy": 12}) == []
