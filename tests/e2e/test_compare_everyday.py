"""`swath-compare` on realistic stores: unfinished, shared with other programs, behind a login."""

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import pytest
from mlflow.entities import Metric
from mlflow.tracking import MlflowClient
from support.command import swath_compare, swath_reproduce
from support.server import unauthorized_server

QUOTED = "o'\"brien"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A store with a running sweep, a sweep with quotes in its name, and runs of other programs."""
    folder = tmp_path_factory.mktemp("everyday")
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.create_experiment("swath", str(folder / "mlruns"))

    def add(sweep: str, sweep_id: str, rate: str | None, status: str | None, **metrics: float) -> str:
        tags = {"swath.sweep": sweep, "swath.sweep_id": sweep_id, "swath.kind": "run"}
        run_id: str = client.create_run(experiment, run_name=f"rate\n{rate}", tags=tags).info.run_id
        client.log_batch(
            run_id, [Metric(name.replace("_", "/"), value, 5, 0) for name, value in metrics.items()]
        )
        if rate is not None:
            client.log_param(run_id, "learning_rate", rate)
        client.log_param(run_id, "data.name", "digits")
        if status is not None:
            client.set_terminated(run_id, status)
        return run_id

    add("running", "aaaaaaaaaaaa", "1e-07", "FINISHED", test_accuracy=0.75)
    add("running", "aaaaaaaaaaaa", "1e-06", "FINISHED", test_accuracy=0.5, extra_value=1)
    add("running", "aaaaaaaaaaaa", "1e-05", None)
    client.delete_run(add("running", "aaaaaaaaaaaa", "1e-04", "FINISHED", test_accuracy=0.875))
    add(QUOTED, "bbbbbbbbbbbb", "1e-06", "FINISHED", test_accuracy=0.25)
    add("begun", "dddddddddddd", "1e-06", None)
    failed = add("broken", "eeeeeeeeeeee", None, "FAILED")  # named by its name
    client.set_tag(failed, "mlflow.runName", "bad\nname \x1b[31mred")
    client.set_tag(failed, "swath.error", "no\nluck")
    foreign_run = client.create_run(experiment, run_name="somebody else's").info.run_id
    client.log_metric(foreign_run, "test/accuracy", 0.99)
    client.set_terminated(foreign_run)
    yield folder
    client._tracking_client.store._dispose_engine()


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_list_contains_only_sweeps_made_by_swath(folder: Path) -> None:
    done = swath_compare(folder)
    assert done.returncode == 0, done.stderr
    running, quoted, begun, broken = rows_of(done.stdout)
    assert (begun["status"], broken["failed"]) == ("RUNNING", "1")
    assert (running["sweep"], running["status"], running["finished"], running["running"]) == (
        "running",
        "RUNNING",
        "2",
        "1",
    )
    assert float(running["best_value"]) == 0.75
    assert quoted["sweep"] == QUOTED


def test_finished_runs_of_a_running_sweep_are_ranked(folder: Path) -> None:
    done = swath_compare(folder, "running")
    assert done.returncode == 0
    assert "is still running or was interrupted: 2 configurations have finished" in done.stderr
    assert "swath-compare --close-stale" in done.stderr
    assert [(row["rank"], row["learning_rate"], row["status"]) for row in rows_of(done.stdout)] == [
        ("1", "1e-07", "FINISHED"),
        ("2", "1e-06", "FINISHED"),
        ("", "1e-05", "RUNNING"),
    ]
    assert "Ranked by test/accuracy; no images held back, so the best score is optimistic." in done.stderr
    assert "Not ranked: 1 running." in done.stderr


def test_sweep_without_finished_runs_is_shown(folder: Path) -> None:
    done = swath_compare(folder, "begun", "--ui")
    assert done.returncode == 0, done.stderr
    assert [row["status"] for row in rows_of(done.stdout)] == ["RUNNING"]
    assert "is still running or was interrupted: 0 configurations have finished" in done.stderr
    assert re.search(r"^See it: \S*mlflow ui, then http\S+$", done.stderr, flags=re.MULTILINE)
    assert "Best: " not in done.stderr


@pytest.mark.parametrize("kind", ["markdown", "latex", "html"])
def test_table_of_a_sweep_without_finished_runs_is_refused_in_words(folder: Path, kind: str) -> None:
    done = swath_compare(folder, "begun", "--format", kind)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.splitlines()[-1] == (
        "swath-compare: no run of sweep begun dddddddddddd has finished; nothing to rank"
    )


@pytest.mark.parametrize("ending", ["md", "tex", "html", "txt"])
def test_no_file_is_written_of_a_sweep_without_finished_runs(
    folder: Path, tmp_path: Path, ending: str
) -> None:
    done = swath_compare(folder, "begun", "--output", str(tmp_path / f"x.{ending}"))
    assert done.returncode == 1
    assert "has finished; nothing to rank" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_untested_ranking_says_so(folder: Path) -> None:
    done = swath_compare(folder, "running", "--format", "table")
    assert "Not tested for significance: predictions are missing, or are of other images." in done.stderr
    assert "significantly" not in done.stderr


def test_failure_is_printed_without_line_breaks_and_control_characters(folder: Path) -> None:
    broken = swath_compare(folder, "broken", "--format", "table")
    assert broken.returncode == 1
    heading, line, error = broken.stderr.splitlines()
    assert heading.startswith("Sweep broken eeeeeeeeeeee of ")
    assert line.startswith("FAILED bad name  [31mred: no luck (run ")
    assert error.startswith("swath-compare: no run of sweep broken eeeeeeeeeeee has finished")


def test_run_without_the_ranking_metric_is_last(folder: Path) -> None:
    done = swath_compare(folder, "running", "--metric", "extra/value")
    assert done.returncode == 0, done.stderr
    first, second, _ = rows_of(done.stdout)
    assert (first["learning_rate"], float(first["extra/value"])) == ("1e-06", 1)
    assert (second["learning_rate"], second["extra/value"]) == ("1e-07", "")


def test_line_break_in_a_run_name_does_not_break_the_table(folder: Path) -> None:
    for kind in ("table", "markdown"):
        done = swath_compare(folder, "running", "--format", kind)
        assert len(done.stdout.splitlines()) == {"table": 3, "markdown": 6}[kind], done.stdout
    assert rows_of(swath_compare(folder, "running").stdout)[0]["name"] == "rate\n1e-07"


def test_all_of_address_escapes_quotes_in_the_sweep_name(folder: Path) -> None:
    done = swath_compare(folder, "--all-of", QUOTED, "--ui")
    assert done.returncode == 0, done.stderr
    (found,) = re.findall(r"^See them: .*http\S+searchFilter=([^&]+)", done.stderr, flags=re.MULTILINE)
    runs = MlflowClient(f"sqlite:///{folder}/mlflow.db").search_runs(["1"], unquote(found))
    assert [run.data.tags["swath.sweep"] for run in runs] == [QUOTED]


def test_sweep_name_with_both_kinds_of_quotes_can_be_filtered_by(folder: Path) -> None:
    done = swath_compare(folder, QUOTED, "--where", f"sweep == {QUOTED!r}", "--ui")
    assert done.returncode == 0, done.stderr
    assert len(rows_of(done.stdout)) == 1
    # The store has no saved view for this sweep, so the address filters by sweep id.
    assert "searchFilter=tags.%60swath.sweep_id%60%20%3D%20%27bbbbbbbbbbbb%27" in done.stderr
    without_match = swath_compare(folder, QUOTED, "--where", 'sweep == "it\'s"')
    assert (without_match.returncode, without_match.stdout) == (2, "")
    assert "holds for none of 1 runs" in without_match.stderr


def test_empty_store_suggests_a_command(tmp_path: Path) -> None:
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    client.create_experiment("swath")
    client._tracking_client.store._dispose_engine()
    assert (
        "the store contains no sweep yet; start one with: swath -cn quickstart"
        in swath_compare(tmp_path).stderr
    )
    named = swath_compare(tmp_path, "grid")
    assert named.returncode == 2
    assert (
        named.stderr
        == "swath-compare: the store contains no sweep yet; start one with: swath -cn quickstart\n"
    )


def test_server_that_requires_a_login_is_reported(tmp_path: Path) -> None:
    with unauthorized_server() as port:
        done = swath_compare(tmp_path, "--uri", f"http://somebody:secret@127.0.0.1:{port}")
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("swath-compare: ")
    assert "asks for a login" in line
    assert "MLFLOW_TRACKING_USERNAME" in line
    assert "secret" not in line


def test_unreachable_server_is_reported(tmp_path: Path) -> None:
    done = swath_compare(tmp_path, "--uri", "http://127.0.0.1:9")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("swath-compare: the store http://127.0.0.1:9 cannot be read: ")


@pytest.mark.parametrize("arguments", [(), ("x",), ("x", "--delete", "--yes"), ("--relocate",)], ids=" ".join)
def test_link_to_a_store_that_is_gone_is_named(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    (tmp_path / "mlflow.db").symlink_to(tmp_path / "gone" / "mlflow.db")
    done = swath_compare(tmp_path, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"swath-compare: {tmp_path}/mlflow.db is a link to {tmp_path}/gone/mlflow.db, which does not exist\n"
    )
    assert [path.name for path in tmp_path.iterdir()] == ["mlflow.db"]


def test_help_without_dashes_hints_to_the_option(tmp_path: Path, folder: Path) -> None:
    for place in (tmp_path, folder):
        done = swath_compare(place, "help")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.splitlines()[-1] == "swath-compare: to see the help: swath-compare --help"
    done = swath_reproduce(tmp_path, "help")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "swath-reproduce: help: expected a run id; to see the help: swath-reproduce --help\n"
    )
