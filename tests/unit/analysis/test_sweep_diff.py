"""Two sweeps side by side: common configurations, identical bits, differences, environments."""

import math
from typing import Any

import pytest

from swath.analysis import Sweep, compare_sweeps, sweep_diff_frame, sweep_diff_lines
from swath.tracking import StoredRun

METRIC = "validation/accuracy"
TEST = "test/accuracy"


def run(
    number: int, rate: str, accuracy: float, bits: str = "", status: str = "FINISHED", **tags: str
) -> Any:
    """A run of a learning rate; `tags` are tags of swath."""
    params = {"learning_rate": rate, "max_steps": "5"}
    all_tags = {f"swath.{name}": value for name, value in tags.items()}
    if bits:
        all_tags["swath.bits"] = bits
    metrics = {} if math.isnan(accuracy) else {METRIC: accuracy, TEST: accuracy / 2}
    return StoredRun(f"{number:032x}", "1", "", status, number, None, "", params, metrics, all_tags)


def sweep(*runs: StoredRun, name: str = "grid") -> Sweep:
    return Sweep(name, f"id-{runs[0].run_id[-4:]}", runs, None)


def test_only_common_configurations_are_paired() -> None:
    found = compare_sweeps(
        sweep(run(0, "1e-07", 0.1), run(1, "1e-06", 0.2), run(2, "1e-05", 0.3)),
        sweep(run(3, "1e-05", 0.3), run(4, "1e-06", 0.2), run(5, "1e-04", 0.4), run(6, "1e-03", 0.4)),
    )
    assert [(a.run_id[-1], b.run_id[-1]) for a, b in found.pairs] == [("1", "4"), ("2", "3")]
    assert found.only == (1, 2)
    lines = sweep_diff_lines(found)
    assert lines[0] == "Common configurations: 2; only in the first: 1, only in the second: 2."


def test_sweeps_without_a_common_configuration() -> None:
    found = compare_sweeps(sweep(run(0, "1e-07", 0.1)), sweep(run(1, "1e-06", 0.2)))
    assert found.only == (1, 1)
    assert found.identical == 0
    assert math.isnan(found.largest)
    assert sweep_diff_lines(found) == [
        "Common configurations: 0; only in the first: 1, only in the second: 1.",
        "Never equal: learning_rate: 1e-07 | 1e-06",
    ]
    rates = [run(number, f"1e-{number}", 0.1) for number in range(10, 17)]
    assert sweep_diff_lines(compare_sweeps(sweep(*rates), sweep(run(1, "1e-06", 0.2))))[1] == (
        "Never equal: learning_rate: 1e-10, 1e-11, 1e-12, 1e-13, ... | 1e-06"
    )
    assert len(sweep_diff_frame(found)) == 0
    assert {"first", "second", "difference", "identical"} <= set(sweep_diff_frame(found).columns)


def test_another_param_makes_another_configuration() -> None:
    first, second = run(0, "1e-07", 0.1), run(1, "1e-07", 0.1)
    second.params["max_steps"] = "6"
    assert compare_sweeps(sweep(first), sweep(second)).only == (1, 1)


def test_runs_that_have_not_finished_are_not_compared() -> None:
    unfinished = [
        run(2 + i, "1e-06", 0.2, "x", status) for i, status in enumerate(("FAILED", "KILLED", "RUNNING"))
    ]
    found = compare_sweeps(
        sweep(run(0, "1e-07", 0.1, "a"), run(1, "1e-06", 0.2, "x")),
        sweep(run(9, "1e-07", 0.1, "a"), *unfinished),
    )
    assert len(found.pairs) == 1
    assert found.only == (1, 0)


def test_identical_bits_are_counted() -> None:
    found = compare_sweeps(
        sweep(run(0, "1e-07", 0.1, "a"), run(1, "1e-06", 0.2, "b"), run(2, "1e-05", 0.3, "c")),
        sweep(run(3, "1e-07", 0.1, "a"), run(4, "1e-06", 0.2, "other"), run(5, "1e-05", 0.3, "c")),
    )
    assert found.identical == 2
    assert sweep_diff_frame(found)["identical"].tolist() == [True, False, True]
    assert "Identical, bit for bit: 2 of 3." in sweep_diff_lines(found)


def test_runs_without_digests_are_not_identical() -> None:
    found = compare_sweeps(sweep(run(0, "1e-07", 0.1)), sweep(run(1, "1e-07", 0.1)))
    assert found.identical == 0
    assert found.largest == 0


def test_largest_difference_is_absolute_and_skips_missing_values() -> None:
    found = compare_sweeps(
        sweep(run(0, "1e-07", 0.10), run(1, "1e-06", 0.50), run(2, "1e-05", math.nan)),
        sweep(run(3, "1e-07", 0.15), run(4, "1e-06", 0.25), run(5, "1e-05", 0.9)),
    )
    assert found.metric == METRIC
    assert found.largest == pytest.approx(0.25)
    assert f"Largest difference in {METRIC}: 0.25." in sweep_diff_lines(found)
    frame = sweep_diff_frame(found)
    assert frame["difference"].tolist()[:2] == pytest.approx([0.05, -0.25])
    assert math.isnan(frame["difference"].tolist()[2])


def test_metric_can_be_chosen() -> None:
    found = compare_sweeps(sweep(run(0, "1e-07", 0.1)), sweep(run(1, "1e-07", 0.3)), TEST)
    assert found.metric == TEST
    assert found.largest == pytest.approx(0.1)


def test_identical_sweeps_have_no_line_about_a_difference() -> None:
    found = compare_sweeps(sweep(run(0, "1e-07", 0.1, "a")), sweep(run(1, "1e-07", 0.1, "a")))
    assert sweep_diff_lines(found) == [
        "Common configurations: 1; only in the first: 0, only in the second: 0.",
        "Identical, bit for bit: 1 of 1.",
    ]


def test_latest_of_repeated_runs_is_compared() -> None:
    found = compare_sweeps(
        sweep(run(0, "1e-07", 0.1, "old"), run(7, "1e-07", 0.2, "new")), sweep(run(8, "1e-07", 0.2, "new"))
    )
    assert [first.run_id[-1] for first, _ in found.pairs] == ["7"]
    assert found.identical == 1
    assert found.only == (0, 0)


def test_environments_that_differ_are_named() -> None:
    old = {"tensorflow": "2.20.0", "onednn": "true", "cpu": "EPYC"}
    new = {"tensorflow": "2.21.0", "onednn": "true", "cpu": "EPYC"}
    found = compare_sweeps(
        sweep(run(0, "1e-07", 0.1, **old), run(1, "1e-06", 0.1, **old)),
        sweep(run(2, "1e-07", 0.1, **new), run(3, "1e-06", 0.1, **new)),
    )
    assert list(found.provenance) == [("swath.tensorflow", "2.20.0", "2.21.0")]
    assert "Environment: TensorFlow: 2.20.0 | 2.21.0" in sweep_diff_lines(found)


def test_variable_that_only_one_sweep_recorded_is_named() -> None:
    found = compare_sweeps(
        sweep(run(0, "1e-07", 0.1)), sweep(run(1, "1e-07", 0.1, compute_variables="DNNL_MAX_CPU_ISA=AVX2"))
    )
    assert "Environment: TensorFlow's variables: (none) | DNNL_MAX_CPU_ISA=AVX2" in sweep_diff_lines(found)


def test_environments_of_unpaired_runs_do_not_count() -> None:
    found = compare_sweeps(
        sweep(run(0, "1e-07", 0.1, tensorflow="2.20.0"), run(1, "1e-06", 0.1, tensorflow="2.1.0")),
        sweep(run(2, "1e-07", 0.1, tensorflow="2.20.0")),
    )
    assert list(found.provenance) == []


def test_frame_names_the_fields_that_vary_with_their_types() -> None:
    frame = sweep_diff_frame(
        compare_sweeps(
            sweep(run(0, "1e-07", 0.1), run(1, "1e-06", 0.2)),
            sweep(run(2, "1e-07", 0.1), run(3, "1e-06", 0.2)),
        )
    )
    assert next(iter(frame.columns)) == "learning_rate"
    assert "max_steps" not in frame.columns
    assert frame["learning_rate"].tolist() == [1e-7, 1e-6]
    assert [run_id[-1] for run_id in frame["first_run_id"]] == ["0", "1"]
    assert [run_id[-1] for run_id in frame["second_run_id"]] == ["2", "3"]
