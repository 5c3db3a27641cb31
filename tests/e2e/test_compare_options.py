"""Options of `swath-compare` for filters, metrics, plots and models, in a folder with special characters."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from scipy.stats import binom
from support.command import error_lines, swath, swath_compare
from support.server import free_port, mlflow_server

from swath.analysis.filter import EXAMPLE

MIXED = ("-m", "data=digits", "data.validation_size=0,300", "max_steps=5,10", "batch_size=20")
SEEDS = ("-m", "data=digits", "data.validation_size=300", "max_steps=30", "batch_size=20")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a sweep of which half the runs have validation images, and a sweep with several seeds."""
    folder = tmp_path_factory.mktemp("words") / "a #b ?c"
    folder.mkdir()
    mixed = swath(folder, *MIXED, SWATH_POSTPROCESS="wait")
    assert mixed.returncode == 0, mixed.stderr
    assert "Added to the store: plots and models." in mixed.stderr.splitlines()
    seeds = swath(folder, *SEEDS, "learning_rate=1e-8,1e-7,1e-6", "seed=0,1,2")
    assert seeds.returncode == 0, seeds.stderr
    assert "More: " in seeds.stderr
    assert "--uri" not in seeds.stderr + seeds.stdout
    return folder


def rows(folder: Path, *arguments: str) -> list[dict[str, str]]:
    done = swath_compare(folder, *arguments, "--format", "csv")
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.fixture(scope="module")
def sweep_ids(folder: Path) -> list[str]:
    return [row["sweep_id"] for row in rows(folder)]


def test_plots_are_written_if_a_run_lacks_the_ranking_metric(
    folder: Path, sweep_ids: list[str], tmp_path: Path
) -> None:
    done = swath_compare(folder, sweep_ids[0], "--plots", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert {path.stem for path in tmp_path.iterdir()} >= {
        "accuracy",
        "learning_curves",
        "weights",
        "confusion",
    }


def test_plots_show_the_ranking_metric(folder: Path, sweep_ids: list[str], tmp_path: Path) -> None:
    arguments = (sweep_ids[1], "--metric", "test/loss", "--plots", str(tmp_path), "--svg")
    assert swath_compare(folder, *arguments).returncode == 0
    assert "test loss" in (tmp_path / "accuracy.svg").read_text()


def test_sweep_given_twice_counts_once(folder: Path) -> None:
    once = rows(folder, "--all-of", "ad-hoc", "--where", "seed > 0")
    assert swath(folder, *SEEDS, "learning_rate=1e-8,1e-7,1e-6", "seed=1,2").returncode == 0
    twice = rows(folder, "--all-of", "ad-hoc", "--where", "seed > 0")
    assert [row["rank"] for row in twice] == [row["rank"] for row in once]
    assert [row["p_vs_best"] for row in twice] == [row["p_vs_best"] for row in once]
    assert {row["run_id"] for row in twice}.isdisjoint(row["run_id"] for row in once), "the latest"


def test_where_applies_before_ranking_and_registering(folder: Path, sweep_ids: list[str]) -> None:
    held = rows(folder, sweep_ids[1], "--where", "seed == 1")
    assert [row["rank"] for row in held] == ["1", "2", "3"]
    assert {row["seed"] for row in held} == {"1"}
    done = swath_compare(folder, sweep_ids[1], "--where", "seed == 1", "--register", "of-seed-1")
    assert done.returncode == 0, done.stderr
    assert f"registered run {held[0]['run_id']} as models:/of-seed-1/1, alias champion" in done.stderr
    again = swath_compare(folder, sweep_ids[1], "--where", "seed == 1", "--register", "of-seed-1")
    assert "models:/of-seed-1/1, alias champion" in again.stderr


def test_edge_is_that_of_the_whole_sweep(folder: Path, sweep_ids: list[str]) -> None:
    kept = swath_compare(folder, sweep_ids[1], "--where", "learning_rate < 1e-6 and learning_rate > 1e-8")
    assert kept.returncode == 0, kept.stderr
    assert "At the edge" not in kept.stderr, "values beyond it were tried, and then left out of the view"


def test_seeds_are_aggregated_in_every_format(folder: Path, sweep_ids: list[str]) -> None:
    found = rows(folder, sweep_ids[1])
    for rate in {row["learning_rate"] for row in found}:
        members = [row for row in found if row["learning_rate"] == rate]
        accuracies = [float(row["validation/accuracy"]) for row in members]
        assert {row["seeds"] for row in members} == {"3"}
        assert float(members[0]["mean"]) == pytest.approx(np.mean(accuracies))
        assert float(members[0]["sd"]) == pytest.approx(np.std(accuracies, ddof=1))


def test_p_values_agree_with_the_stored_predictions(folder: Path, sweep_ids: list[str]) -> None:
    found = rows(folder, sweep_ids[1])
    correct = []
    for row in found:
        (path,) = (folder / "mlruns").glob(f"*/{row['run_id']}/artifacts/predictions.npz")
        with np.load(path) as arrays:
            correct.append(arrays["validation"] == arrays["validation_labels"])
    for row, this in zip(found[1:], correct[1:], strict=True):
        only_best = int(np.count_nonzero(correct[0] & ~this))
        only_this = int(np.count_nonzero(~correct[0] & this))
        # The exact test by its definition: twice the smaller tail of a fair coin.
        tail = float(binom.cdf(min(only_best, only_this), only_best + only_this, 0.5))
        assert float(row["p_vs_best"]) == pytest.approx(min(1.0, 2 * tail))


def test_best_model_is_registered_on_a_server(folder: Path, sweep_ids: list[str]) -> None:
    with mlflow_server(folder, free_port(), "/health", "ui", "--workers", "1") as address:
        done = swath_compare(folder, sweep_ids[1], "--register", "digits", "--uri", address)
        assert done.returncode == 0, done.stderr
        version = MlflowClient(address).get_model_version_by_alias("digits", "champion")
        assert version.run_id == rows(folder, sweep_ids[1])[0]["run_id"]


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--output", "."), 2, "--output .: is a folder; expected a file"),
        (("--where", "seed"), 2, "--where 'seed' cannot be understood (seed is not a condition"),
        (("--where", "1"), 2, "--where '1' cannot be understood"),
        (("--register", ""), 2, "--register: expected a non-empty name"),
    ],
)
def test_invalid_arguments_are_reported_in_one_line(
    folder: Path, sweep_ids: list[str], arguments: tuple[str, ...], status: int, message: str
) -> None:
    done = swath_compare(folder, sweep_ids[1], *arguments)
    assert done.returncode == status
    assert done.stdout == ""
    line, *hint = error_lines(done.stderr, "swath-compare")
    assert line.startswith(f"swath-compare: {message}")
    assert hint == [f"swath-compare: expected a condition such as {EXAMPLE!r}"] * ("--where" in line)
    assert done.stderr.endswith("\n".join([line, *hint, ""]))


def test_options_that_diff_does_not_support_are_refused(folder: Path) -> None:
    done = swath_compare(folder, "--diff", "a", "b", "--format", "json")
    assert done.returncode == 2
    assert done.stderr == "swath-compare: --format: not supported with --diff of two runs\n"


def test_unsupported_store_is_refused(folder: Path) -> None:
    done = swath_compare(folder, "--uri", "./mlruns")
    assert done.returncode == 2
    assert ": expected an address that begins with sqlite:" in done.stderr
