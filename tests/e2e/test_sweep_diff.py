"""`swath-compare --diff` of two sweeps and of two runs."""

import csv
import io
import re
from pathlib import Path

import pytest
from support.command import error_lines, swath, swath_compare

SETTINGS = ("data=digits", "max_steps=5")


def listed(folder: Path, *arguments: str) -> list[dict[str, str]]:
    done = swath_compare(folder, *arguments, "--format", "csv")
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sweeps with two common configurations."""
    folder = tmp_path_factory.mktemp("store")
    for rates in ("1e-6,1e-5,1e-4", "1e-5,1e-4,1e-3"):
        done = swath(folder, "-m", *SETTINGS, f"learning_rate={rates}")
        assert done.returncode == 0, done.stderr
    return folder


def test_two_sweeps(store: Path) -> None:
    first, second = (row["sweep_id"] for row in listed(store))
    done = swath_compare(store, "--diff", first, second, "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert sorted(float(row["learning_rate"]) for row in rows) == [1e-5, 1e-4]
    assert {row["identical"].lower() for row in rows} == {"true"}
    assert {float(row["difference"]) for row in rows} == {0.0}
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"Sweep ad-hoc {first} of ")
    assert lines[1].startswith(f"Sweep ad-hoc {second} of ")
    assert lines[2:] == [
        "Common configurations: 2; only in the first: 1, only in the second: 1.",
        "Identical, bit for bit: 2 of 2.",
    ]


def test_two_sweeps_are_compared_by_any_metric_with_any_number_of_decimals(store: Path) -> None:
    first, second = (row["sweep_id"] for row in listed(store))
    pair = ("--diff", first, second, "--metric", "test/loss")
    exact = listed(store, *pair)
    losses = {row["run_id"]: row["test/loss"] for row in listed(store, first)}
    assert [row["first"] for row in exact] == [losses[row["first_run_id"]] for row in exact]
    assert [row["first"] for row in listed(store, *pair, "--digits", "2")] == [
        str(round(float(row["first"]), 2)) for row in exact
    ]
    done = swath_compare(store, *pair, "--digits", "2", "--format", "markdown")
    assert done.returncode == 0, done.stderr
    for row in exact:
        assert f"| {row['learning_rate']} | {float(row['first']):.2f} | " in done.stdout


def test_unknown_metric_of_two_sweeps_is_refused(store: Path) -> None:
    first, second = (row["sweep_id"] for row in listed(store))
    done = swath_compare(store, "--diff", first, second, "--metric", "test/los")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith("--metric test/los: no run has it; did you mean test/loss?")


def test_runs_of_different_lengths_have_a_largest_difference_over_their_common_steps(tmp_path: Path) -> None:
    grid = ("-m", "data=digits", "max_steps=5,8", "learning_rate=1e-5,1e-4")
    assert swath(tmp_path, *grid).returncode == 0
    rows = {
        (row["max_steps"], float(row["learning_rate"])): row["run_id"] for row in listed(tmp_path, "ad-hoc")
    }
    done = swath_compare(tmp_path, "--diff", rows["5", 1e-5], rows["8", 1e-4])
    for metric in ("train/accuracy", "train/loss"):
        (line,) = [line for line in done.stdout.splitlines() if line.startswith(f"numbers: {metric}: ")]
        assert re.search(r"; largest difference [\d.e+-]+ over 5 common steps$", line), line


def test_several_sweeps_as_one_say_how_many_they_are(store: Path) -> None:
    done = swath_compare(store, "--all-of", "ad-hoc", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert re.match(r"All 2 sweeps ad-hoc of [-\d]+ [:\d]+ to [-\d]+ [:\d]+ by \w+, in sqlite", done.stderr)


def test_sweep_and_run_are_not_compared(store: Path) -> None:
    first, _ = (row["sweep_id"] for row in listed(store))
    run_id = listed(store, first)[0]["run_id"]
    done = swath_compare(store, "--diff", first, run_id)
    assert done.returncode == 2
    assert len(error_lines(done.stderr, "swath-compare")) == 1


def test_two_runs_are_compared_in_the_unit_of_the_metric(store: Path) -> None:
    rows = {float(row["learning_rate"]): row for row in listed(store, listed(store)[0]["sweep_id"])}
    low, high = rows[1e-6], rows[1e-4]
    done = swath_compare(store, "--diff", low["run_id"], high["run_id"])
    assert done.returncode == 0, done.stderr
    (config,) = [line for line in done.stdout.splitlines() if line.startswith("config: ")]
    assert config == "config: learning_rate: 1e-06 | 0.0001"
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("numbers: test/accuracy: ")]
    found = re.search(r"largest difference ([\d.e+-]+)", line)
    assert found is not None
    apart = abs(float(low["test/accuracy"]) - float(high["test/accuracy"]))
    assert float(found[1]) == pytest.approx(apart, rel=0.01)
    for units in re.findall(r"([\d,]+) units in the last place", done.stdout):
        assert int(units.replace(",", "")) <= 100_000
    assert "units in the last place" not in line


def test_same_configuration_of_two_sweeps_is_identical(store: Path) -> None:
    runs = []
    for sweep in listed(store):
        (row,) = [row for row in listed(store, sweep["sweep_id"]) if float(row["learning_rate"]) == 1e-5]
        runs.append(row["run_id"])
    done = swath_compare(store, "--diff", *runs)
    assert done.stdout.splitlines() == ["numbers: identical, bit for bit"]
