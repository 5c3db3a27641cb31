"""`swath-compare` on sweeps made by swath."""

import csv
import io
import json
import os
import subprocess
from collections import Counter
from datetime import datetime
from pathlib import Path

import mlflow
import numpy as np
import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from PIL import Image
from scipy.stats import binomtest
from support.command import SWATH_COMPARE, error_lines, swath, swath_compare
from support.pages import Page

from swath import load_sweep
from swath.analysis import LINE_LENGTH
from swath.cli.formats import FORMATS
from swath.datasets import load_dataset

DIGITS = ["-m", "data=digits", "data.validation_size=300"]
SWEEP = [*DIGITS, "batch_size=20,50", "learning_rate=1e-7,1e-6,1e36", "max_steps=40"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a sweep of six configurations, two of which diverge, and a sweep with several seeds."""
    folder = tmp_path_factory.mktemp("compared")
    assert swath(folder, *SWEEP).returncode == 1
    seeds = [*DIGITS, "max_steps=20", "learning_rate=1e-7,1e-6", "seed=0,1,2", "batch_size=50"]
    assert swath(folder, *seeds).returncode == 0
    return folder


@pytest.fixture(scope="module")
def sweeps(folder: Path) -> list[dict[str, str]]:
    done = swath_compare(folder)
    assert done.returncode == 0
    assert done.stderr == ""
    return list(csv.DictReader(io.StringIO(done.stdout)))


def ranking(folder: Path, sweep_id: str, *arguments: str) -> list[dict[str, object]]:
    done = swath_compare(folder, sweep_id, "--format", "json", *arguments)
    assert done.returncode == 0, done.stderr
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows


def summary_run(folder: Path, sweep_id: str) -> Run:
    condition = f"tags.`swath.kind` = 'sweep' AND tags.`swath.sweep_id` = '{sweep_id}'"
    (found,) = MlflowClient(f"sqlite:///{folder}/mlflow.db").search_runs(["1"], condition)
    return found


def heading_of(folder: Path, sweep_id: str) -> str:
    """The line that names a sweep, from what MLflow's client reads."""
    own = summary_run(folder, sweep_id)
    date = datetime.fromtimestamp(own.info.start_time / 1000).strftime("%Y-%m-%d %H:%M")
    return f"Sweep ad-hoc {sweep_id} of {date} by {own.data.tags['mlflow.user']}, in sqlite:///mlflow.db"


def test_list_contains_the_sweeps_of_the_store(sweeps: list[dict[str, str]]) -> None:
    first, second = sweeps
    assert (first["sweep"], first["finished"], first["failed"]) == ("ad-hoc", "4", "2")
    assert (second["finished"], second["failed"], second["status"]) == ("6", "0", "FINISHED")
    assert first["ranked_by"] == "validation/accuracy"
    assert 0.3 < float(first["best_value"]) <= 1


def test_ranking_contains_the_stored_values(folder: Path, sweeps: list[dict[str, str]]) -> None:
    rows = ranking(folder, sweeps[0]["sweep_id"])
    assert [row["rank"] for row in rows] == [1, 2, 3, 4, None, None]
    assert [row["status"] for row in rows] == ["FINISHED"] * 4 + ["FAILED"] * 2
    rows = rows[:4]
    accuracies = [row["validation/accuracy"] for row in rows]
    assert accuracies == sorted(accuracies, reverse=True)  # type: ignore[type-var]
    assert rows[0]["run_id"] == sweeps[0]["best_run_id"]
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    for row in rows:
        run = client.get_run(str(row["run_id"]))
        assert row["learning_rate"] == float(run.data.params["learning_rate"])
        assert row["test/accuracy"] == run.data.metrics["test/accuracy"]
        accuracy = run.data.metrics["validation/accuracy"]
        expected = binomtest(round(accuracy * 300), 300).proportion_ci(method="wilson")
        assert (row["interval_low"], row["interval_high"]) == pytest.approx(tuple(expected))


def test_ties_with_the_best_follow_from_the_predictions(folder: Path, sweeps: list[dict[str, str]]) -> None:
    rows = ranking(folder, sweeps[0]["sweep_id"], "--where", "status == 'FINISHED'")
    dataset = load_dataset("digits", None)
    labels = dataset.train_labels[-300:]
    correct = []
    for row in rows:
        files = folder / "mlruns" / "1" / str(row["run_id"]) / "artifacts" / "predictions.npz"
        with np.load(files) as arrays:
            np.testing.assert_array_equal(arrays["validation_labels"], labels)
            correct.append(arrays["validation"] == labels)
    for row, own in zip(rows, correct, strict=True):
        only_own, only_best = int((own & ~correct[0]).sum()), int((correct[0] & ~own).sum())
        expected = binomtest(only_own, only_own + only_best).pvalue if only_own + only_best else 1.0
        assert row["p_vs_best"] == pytest.approx(expected)
        assert row["tied_with_best"] == (expected > 0.05)


def test_options_filter_and_sort_rows(folder: Path, sweeps: list[dict[str, str]]) -> None:
    sweep_id = sweeps[0]["sweep_id"]
    assert len(ranking(folder, sweep_id, "--where", "batch_size == 20 and learning_rate < 1")) == 2
    assert len(ranking(folder, sweep_id, "--where", "status == 'FAILED'")) == 2
    assert len(ranking(folder, sweep_id, "--limit", "3")) == 3
    rates = [row["learning_rate"] for row in ranking(folder, sweep_id, "--sort=-learning_rate")]
    assert rates == [1e36, 1e36, 1e-6, 1e-6, 1e-7, 1e-7]
    losses = [row["test/loss"] for row in ranking(folder, sweep_id, "--metric", "test/loss")][:4]
    assert losses == sorted(losses)  # type: ignore[type-var]
    assert len(ranking(folder, "--all-of=ad-hoc")) == 12


def test_output_file_may_be_a_symlink_or_a_pipe(
    folder: Path, sweeps: list[dict[str, str]], tmp_path: Path
) -> None:
    (tmp_path / "real.csv").write_text("old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    swath_compare(folder, sweeps[0]["sweep_id"], "--output", str(tmp_path / "link.csv"))
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text().startswith("rank,run_id")
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    try:
        output = ("--output", str(tmp_path / "pipe"), "--format", "csv")  # its name has no ending
        swath_compare(folder, sweeps[0]["sweep_id"], "--limit", "1", *output)
        assert os.read(reader, 1_000_000).startswith(b"rank,run_id")
    finally:
        os.close(reader)


def test_output_format_follows_from_the_file_suffix(
    folder: Path, sweeps: list[dict[str, str]], tmp_path: Path
) -> None:
    begins_with = {
        "a.csv": "rank,run_id",
        "a.json": "[\n {",
        "a.md": f"Sweep ad-hoc {sweeps[0]['sweep_id']} of ",
        "a.tex": "% \\usepackage{booktabs}\n",
        "a.html": "<table",
        "a.txt": "rank ",
    }
    for name, begins in begins_with.items():
        done = swath_compare(folder, sweeps[0]["sweep_id"], "--output", str(tmp_path / name))
        assert (done.returncode, done.stdout) == (0, ""), done.stderr
        assert (tmp_path / name).read_text().startswith(begins)
    refused = swath_compare(folder, sweeps[0]["sweep_id"], "--output", str(tmp_path / "a.xlsx"))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert error_lines(refused.stderr, "swath-compare") == refused.stderr.splitlines()
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(begins_with)


def test_list_table_has_the_counts_of_each_sweep(folder: Path, sweeps: list[dict[str, str]]) -> None:
    heading, first, second = swath_compare(folder, "--format", "table").stdout.splitlines()
    names = ("finished", "failed", "killed", "running")
    ends = [heading.index(name) + len(name) for name in names]
    for row, counts in ((first, ["4", "2", "0", "0"]), (second, ["6", "0", "0", "0"])):
        assert [row[end - 8 : end].split()[-1] for end in ends] == counts
    assert heading.split()[:5] == ["sweep", "id", "started", "owner", "duration"]
    assert sweeps[1]["best_configuration"].endswith(" (mean over 3 seeds)")
    assert second.rstrip().endswith(sweeps[1]["best_configuration"])
    of_best = [
        row["validation/accuracy"]
        for row in ranking(folder, sweeps[1]["sweep_id"])
        if f"learning_rate={row['learning_rate']} " in sweeps[1]["best_configuration"]
    ]
    assert len(of_best) == 3
    assert float(sweeps[1]["best_value"]) == pytest.approx(np.mean(of_best))


def test_ranking_prints_a_table_and_notes(folder: Path, sweeps: list[dict[str, str]]) -> None:
    done = swath_compare(folder, sweeps[0]["sweep_id"], "--format", "table", "--ui")
    assert done.stdout.splitlines()[0].split()[:3] == ["rank", "batch_size", "learning_rate"]
    assert len(done.stdout.splitlines()) == 5
    lines = done.stderr.splitlines()
    assert lines[0] == heading_of(folder, sweeps[0]["sweep_id"])
    assert lines[1] == "Ranked by validation/accuracy."
    assert any(line.startswith("Variance in validation/accuracy: ") for line in lines)
    assert "Not ranked: 2 failed." in lines
    assert sum(line.startswith("FAILED") and "diverged at step" in line for line in lines) == 2
    assert any(line.startswith("Best: ") and sweeps[0]["best_run_id"][:8] in line for line in lines)
    see_it, report = lines[-2:]
    assert see_it.startswith("See it: ") and "mlflow ui, then http://" in see_it
    assert f"/runs?viewStateShareKey={sweeps[0]['sweep_id']}&compareRunsMode=TABLE&" in see_it
    assert report.startswith("Report: ")
    assert f"/runs/{summary_run(folder, sweeps[0]['sweep_id']).info.run_id}?" in report
    assert all(line.endswith("workflowType=machine_learning") for line in (see_it, report))


def test_seeds_of_a_configuration_are_aggregated(folder: Path) -> None:
    done = swath_compare(folder, "ad-hoc", "--format", "markdown")
    caption, empty, heading, line, *rows = done.stdout.splitlines()
    assert (caption, empty) == (done.stderr.splitlines()[0], "")
    assert heading == "| rank |  | learning_rate | seeds | validation/accuracy | p | test/accuracy |"
    assert len(rows) == 2
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    assert [row[4] for row in cells] == ["3", "3"]
    table = load_sweep("ad-hoc", f"sqlite:///{folder}/mlflow.db")
    for row in cells:
        of_these = table[table["learning_rate"] == float(row[3])]
        for metric, cell in (("validation/accuracy", row[5]), ("test/accuracy", row[7])):
            values = of_these[metric]
            assert cell == f"{values.mean():.4f} ± {values.std(ddof=1):.4f}"
    limited = swath_compare(folder, "ad-hoc", "--format", "markdown", "--limit", "1").stdout.splitlines()
    assert limited == [caption, empty, heading, line, rows[0]]
    upwards = swath_compare(folder, "ad-hoc", "--format", "markdown", "--sort", "learning_rate")
    assert [text.split("|")[3].strip() for text in upwards.stdout.splitlines()[4:]] == ["1e-07", "1e-06"]


@pytest.mark.parametrize("kind", FORMATS)
def test_every_ranking_names_its_sweep(folder: Path, sweeps: list[dict[str, str]], kind: str) -> None:
    done = swath_compare(folder, sweeps[0]["sweep_id"], "--format", kind)
    assert done.returncode == 0, done.stderr
    heading = heading_of(folder, sweeps[0]["sweep_id"])
    assert done.stderr.splitlines()[0] == heading
    captions = {
        "markdown": f"{heading}\n\n|",
        "latex": rf"\caption{{{heading}}}",
        "html": f"<caption>{heading}</caption>",
    }
    assert captions.get(kind, "") in done.stdout


def test_runs_of_several_seeds_are_a_row_each_if_asked_for(
    folder: Path, sweeps: list[dict[str, str]]
) -> None:
    done = swath_compare(folder, sweeps[1]["sweep_id"], "--per", "run", "--format", "markdown")
    assert len(done.stdout.splitlines()) == 4 + 6
    rows = ranking(folder, sweeps[1]["sweep_id"], "--per", "configuration", "--sort=-test/accuracy")
    table = load_sweep("ad-hoc", f"sqlite:///{folder}/mlflow.db")
    means = table.groupby("learning_rate")["test/accuracy"].agg(["mean", "std", "count"]).sort_values("mean")
    assert [row["learning_rate"] for row in rows] == list(means.index)
    assert [row["n"] for row in rows] == means["count"].tolist() == [3, 3]
    assert [row["test/accuracy"] for row in rows] == pytest.approx(means["mean"].tolist())
    assert [row["test/accuracy sd"] for row in rows] == pytest.approx(means["std"].tolist())


def test_report_is_written_and_named(folder: Path, sweeps: list[dict[str, str]], tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    done = swath_compare(folder, sweeps[0]["sweep_id"], "--report", str(path))
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == f"wrote {path}"
    page = Page(path.read_text(encoding="utf-8"))
    assert f"{heading_of(folder, sweeps[0]['sweep_id'])}: 4 runs finished, 2 failed." in page.of("p")
    best = [line for line in page.of("p") if line.startswith("Best: ")]
    assert best == [line for line in done.stderr.splitlines() if line.startswith("Best: ")]
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_report_in_a_folder_that_does_not_exist_is_refused_in_one_line(
    folder: Path, sweeps: list[dict[str, str]], tmp_path: Path
) -> None:
    path = tmp_path / "none" / "report.html"
    done = swath_compare(folder, sweeps[0]["sweep_id"], "--report", str(path))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [f"swath-compare: --report {path}: there is no folder {path.parent}"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("condition", ["seed == 9", "status == 'FAILED'"])
def test_report_of_no_finished_run_is_refused(
    folder: Path, sweeps: list[dict[str, str]], tmp_path: Path, condition: str
) -> None:
    arguments = ("--where", condition, "--report", str(tmp_path / "report.html"))
    done = swath_compare(folder, sweeps[0]["sweep_id"], *arguments)
    assert list(tmp_path.iterdir()) == []
    assert done.returncode != 0


def test_sweep_has_a_summary_run(folder: Path, sweeps: list[dict[str, str]]) -> None:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    own = summary_run(folder, sweeps[0]["sweep_id"])
    assert own.info.status == "FINISHED"
    assert own.data.params == {}
    best = client.get_run(sweeps[0]["best_run_id"]).data.metrics
    single = {name: value for name, value in best.items() if not name.startswith("train/")}
    assert own.data.metrics == {f"best/{name}": value for name, value in single.items()}
    tags = own.data.tags
    assert tags["swath.grid"] == "batch_size=20,50; learning_rate=1e-07,1e-06,1e+36"
    assert abs((own.info.end_time - own.info.start_time) / 1000 - float(tags["swath.wall_s"])) < 1
    assert own.info.start_time < client.get_run(sweeps[0]["best_run_id"]).info.start_time
    assert float(tags["swath.steps_per_s"]) > 0
    assert (tags["swath.finished"], tags["swath.failed"], tags["swath.killed"]) == ("4", "2", "0")
    assert tags["swath.best_run_id"] == sweeps[0]["best_run_id"]
    assert tags["swath.command"].startswith("swath -m data=digits")
    assert "Grid: `learning_rate=1e-07,1e-06,1e+36`" in tags["mlflow.note.content"]
    table = folder / "mlruns" / "1" / own.info.run_id / "artifacts" / "sweep-ranking.csv"
    rows = list(csv.DictReader(table.open()))
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "", ""]
    assert rows[0]["run_id"] == sweeps[0]["best_run_id"]


def test_single_run_has_no_summary_run(tmp_path: Path) -> None:
    assert swath(tmp_path, "data=digits", "max_steps=2").returncode == 0
    assert len(MlflowClient(f"sqlite:///{tmp_path}/mlflow.db").search_runs(["1"])) == 1


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_plots_are_written(folder: Path, sweeps: list[dict[str, str]], tmp_path: Path, kind: str) -> None:
    arguments = ["--plots", str(tmp_path)] + (["--svg"] if kind == "svg" else [])
    assert swath_compare(folder, sweeps[0]["sweep_id"], *arguments).returncode == 0
    names = ["accuracy", "confusion", "heat_map", "learning_curves", "loss_curves", "weights"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{name}.{kind}" for name in names]
    for path in tmp_path.iterdir():
        if kind == "png":
            with Image.open(path) as picture:
                assert min(picture.size) > 250
                assert len(set(picture.convert("L").resize((64, 64)).tobytes())) > 10, "not blank"
        else:
            assert f"Sweep ad-hoc {sweeps[0]['sweep_id']} of " in path.read_text()
    if kind == "svg":
        rows = ranking(folder, sweeps[0]["sweep_id"])
        sheets = (tmp_path / "weights.svg").read_text()
        ends = [
            sheets.index(f"{which} run, validation accuracy {row['validation/accuracy']:.3f}")
            for which, row in (("best", rows[0]), ("worst", rows[3]))
        ]
        assert ends == sorted(ends)


def test_best_weights_are_registered_as_a_model(
    folder: Path, sweeps: list[dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = swath_compare(folder, sweeps[0]["sweep_id"], "--register", "digits-softmax")
    assert done.returncode == 0, done.stderr
    monkeypatch.chdir(folder)
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    try:
        model = mlflow.pyfunc.load_model("models:/digits-softmax@champion")
        by_run = mlflow.pyfunc.load_model(f"runs:/{sweeps[0]['best_run_id']}/model")
        version = MlflowClient().get_model_version_by_alias("digits-softmax", "champion")
    finally:
        mlflow.set_tracking_uri(None)
    assert version.run_id == sweeps[0]["best_run_id"]
    assert version.tags["swath.why"].startswith("best of 4 by validation/accuracy: 0.")
    rows = load_dataset("digits", None).test_images
    pictures = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    found = model.predict(pictures)
    assert found.equals(by_run.predict(rows))
    file = folder / "mlruns" / "1" / sweeps[0]["best_run_id"] / "artifacts" / "predictions.npz"
    with np.load(file) as arrays:
        np.testing.assert_array_equal(found["class_name"].astype(int), arrays["test"])
    np.testing.assert_allclose(found.drop(columns="class_name").sum(axis=1), 1, atol=1e-5)
    with pytest.raises(mlflow.exceptions.MlflowException, match=r"expected images .* found shape \[2, 30\]"):
        model.predict(np.zeros([2, 30], np.uint8))


def test_diff_shows_the_differences_of_two_runs(folder: Path, sweeps: list[dict[str, str]]) -> None:
    first, second, *_ = ranking(folder, sweeps[0]["sweep_id"], "--where", "learning_rate == 1e-6")
    done = swath_compare(folder, "--diff", str(first["run_id"]), str(second["run_id"])[:12])
    assert done.returncode == 0, done.stderr
    assert any(line.startswith("config: batch_size: ") for line in done.stdout.splitlines())
    other_rate = ranking(folder, sweeps[0]["sweep_id"], "--where", "learning_rate == 1e-7")[0]["run_id"]
    rates = swath_compare(folder, "--diff", str(first["run_id"]), str(other_rate))
    assert "config: learning_rate: 1e-06" in rates.stdout
    assert "log10" not in rates.stdout, "it is for MLflow's page only"
    assert any(
        line.startswith("numbers: train/loss: differs from step ") for line in done.stdout.splitlines()
    )
    assert "numbers: weights: largest difference " in done.stdout
    same = swath_compare(folder, "--diff", str(first["run_id"]), str(first["run_id"]))
    assert same.stdout == "numbers: identical, bit for bit\n"


def test_diff_refuses_unknown_and_ambiguous_runs(folder: Path, sweeps: list[dict[str, str]]) -> None:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (own, *_) = client.search_runs(["1"], "tags.`swath.kind` = 'sweep'")
    best = sweeps[0]["best_run_id"]
    beginnings = [run.info.run_id[0] for run in client.search_runs(["1"], "tags.`swath.kind` = 'run'")]
    (several, count), *_ = Counter(beginnings).most_common(1)
    assert count > 1, "ten ids begin with one of sixteen digits"
    for arguments, message in {
        (
            own.info.run_id,
            best,
        ): f"--diff: run {own.info.run_id} is not a run of one configuration made by swath",
        (best, several): f"run {several}: {count} run ids start with this; type more characters",
        (best, ""): "expected a run id or its first characters",
    }.items():
        done = swath_compare(folder, "--diff", *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr == f"swath-compare: {message}\n"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["nothing-like-it"], 2, "no sweep 'nothing-like-it' in this store; expected one of ad-hoc"),
        (["adhoc"], 2, "no sweep 'adhoc' in this store; nearest: ad-hoc"),
        (
            ["ad-hoc", "--metric", "accuracy"],
            2,
            "--metric accuracy: no run has it; did you mean test/accuracy?",
        ),
        (["ad-hoc", "--metric", "f1"], 2, "--metric f1: no run has it; expected one of test/accuracy, "),
        (["ad-hoc", "--sort", "lr"], 2, "--sort lr: no such column; did you mean learning_rate?"),
        (["ad-hoc", "--columns", "bs,rank"], 2, "--columns bs: no such column; did you mean batch_size?"),
        (["ad-hoc", "--where", "lr < 1"], 2, "--where: no such column lr; did you mean learning_rate?"),
        (["help"], 2, "swath-compare: to see the help: swath-compare --help"),
        (["ad-hoc", "--sort", "x"], 2, "--sort x: no such column; expected one of rank, run_id"),
        (["ad-hoc", "--sort", "learning_rat"], 2, "no such column; did you mean learning_rate?"),
        (["ad-hoc", "--columns", "rank,sead"], 2, "--columns sead: no such column; did you mean seed?"),
        (["ad-hoc", "--where", "rate <"], 2, "--where 'rate <' cannot be understood"),
        (["ad-hoc", "--where", "seed == 9", "--register", "x"], 2, "holds for none of 6 runs"),
        (
            ["--close-stale", "--limit", "3"],
            2,
            "--close-stale applies to the whole store; remove ",
        ),
        (["ad-hoc", "--svg"], 2, "--svg: requires --plots DIR"),
        (["--plots", "x"], 2, "--plots: requires a sweep; list sweeps with: swath-compare"),
        (["ad-hoc", "--limit", "0"], 2, "0: expected a positive integer"),
        (["ad-hoc", "--limit", "abc"], 2, "abc: expected a positive integer"),
        (["--diff", "zz", "zz"], 2, "no run zz in this store"),
        (["ad-hoc", "--uri", "sqlite:////nowhere/mlflow.db"], 2, "no store at /nowhere/mlflow.db"),
        (
            ["ad-hoc", "--output", "/nowhere/x.csv"],
            2,
            "--output /nowhere/x.csv: there is no folder /nowhere",
        ),
    ],
)
def test_invalid_arguments_are_reported_in_one_line(
    folder: Path, arguments: list[str], status: int, message: str
) -> None:
    done = swath_compare(folder, *arguments)
    assert done.returncode == status
    assert done.stdout == ""
    assert message in done.stderr
    told = [line for line in done.stderr.splitlines() if "://" not in line]
    assert [line for line in told if len(line) > LINE_LENGTH] == []
    assert "Traceback" not in done.stderr


def test_sweep_without_finished_runs_is_reported(tmp_path: Path) -> None:
    swath(tmp_path, "-m", "data=digits", "max_steps=5", "learning_rate=1e36,2e36")
    done = swath_compare(tmp_path, "ad-hoc", "--format", "json")
    assert done.returncode == 1
    assert [(row["status"], row["rank"]) for row in json.loads(done.stdout)] == [("FAILED", None)] * 2
    assert swath_compare(tmp_path, "ad-hoc", "--format", "table").stdout == ""
    assert "no run of sweep ad-hoc" in done.stderr
    assert done.stderr.count("diverged at step") == 2


def test_empty_folder_stays_empty(tmp_path: Path) -> None:
    done = swath_compare(tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("swath-compare: no store at ")
    assert list(tmp_path.iterdir()) == []


def test_closed_output_pipe_is_not_an_error(folder: Path) -> None:
    command = f"{SWATH_COMPARE} ad-hoc | head -c 1 > /dev/null; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
