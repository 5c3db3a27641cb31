"""MLflow's variables for experiments and names; one's own tags and description; owners in a shared store."""

import contextlib
import csv
import io
import sqlite3
from pathlib import Path

import pytest
from support.command import error_lines, swath, swath_compare, swath_reproduce
from support.stores import open_read_only

from swath.tracking import current_user

SINGLE = ("data=digits", "max_steps=5")
GRID = ("-m", *SINGLE, "learning_rate=1e-6,1e-5")
NOTE = "MLFLOW_RUN_ID is not used: each configuration gets a run of its own"
TEXTS = ("tags.team=vision", "tags.why=a (b), c=d #1", "description=My first try: 'x', y")


def trained(folder: Path, *arguments: str, **environment: str) -> str:
    """Run `swath`; returns its standard error."""
    done = swath(folder, *arguments, **environment)
    assert done.returncode == 0, done.stderr
    return done.stderr


def rows(folder: Path, statement: str, *values: str) -> list[tuple[str, ...]]:
    with contextlib.closing(open_read_only(folder)) as database:
        return database.execute(statement, values).fetchall()


def change(folder: Path, statement: str, *values: str) -> None:
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db", timeout=60)) as database, database:
        assert database.execute(statement, values).rowcount > 0


def runs(folder: Path) -> list[dict[str, str]]:
    """Tags of every run in the order of their start, with `name` and `experiment`."""
    found = []
    for run_id, name, experiment in rows(
        folder,
        "select run_uuid, r.name, e.name from runs r join experiments e using (experiment_id) "
        "order by start_time, r.name",
    ):
        tags = dict(rows(folder, "select key, value from tags where run_uuid = ?", run_id))
        found.append({**tags, "name": name, "experiment": experiment, "id": run_id})
    return found


def params(folder: Path, run_id: str) -> dict[str, str]:
    return dict(rows(folder, "select key, value from params where run_uuid = ?", run_id))


def listed(folder: Path, *arguments: str) -> list[dict[str, str]]:
    done = swath_compare(folder, *arguments, "--format", "csv")
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a plain run (experiment 1), and runs and sweeps with MLflow's variables and texts."""
    folder = tmp_path_factory.mktemp("store")
    assert NOTE not in trained(folder, *SINGLE)
    errors = trained(
        folder,
        *SINGLE,
        *TEXTS,
        MLFLOW_EXPERIMENT_NAME="by name",
        MLFLOW_RUN_NAME="My run",
        MLFLOW_RUN_ID="0123",
    )
    assert errors.count(NOTE) == 1
    trained(folder, *GRID, *TEXTS, MLFLOW_EXPERIMENT_ID="1", MLFLOW_RUN_NAME="My sweep")
    trained(
        folder,
        *SINGLE,
        "tracking.experiment=typed",
        MLFLOW_EXPERIMENT_NAME="by name",
        MLFLOW_EXPERIMENT_ID="1",
    )
    return folder


def test_experiment_is_that_of_the_variables(store: Path) -> None:
    plain, named, *sweep, typed = runs(store)
    assert plain["experiment"] == "swath"
    assert named["experiment"] == "by name"
    assert len(sweep) == 3
    assert {run["experiment"] for run in sweep} == {"swath"}
    assert typed["experiment"] == "typed"


def test_run_name_names_a_single_run_and_the_summary_of_a_sweep(store: Path) -> None:
    plain, named, *sweep, typed = runs(store)
    assert (named["name"], named["mlflow.runName"]) == ("My run", "My run")
    assert [run["swath.kind"] for run in sweep if run["name"] == "My sweep"] == ["sweep"]
    assert "My" not in plain["name"] + typed["name"]


def test_run_id_is_not_used(store: Path) -> None:
    assert "0123" not in {run["id"] for run in runs(store)}


def test_tags_are_on_all_runs_of_a_command(store: Path) -> None:
    plain, named, *sweep, typed = runs(store)
    for run in (named, *sweep):
        assert (run["team"], run["why"]) == ("vision", "a (b), c=d #1")
    for run in (plain, typed):
        assert not {"team", "why", "mlflow.note.content"} & run.keys()


def test_description_is_on_the_single_run_and_on_the_summary_of_a_sweep(store: Path) -> None:
    _, named, *sweep, _ = runs(store)
    assert named["mlflow.note.content"] == "My first try: 'x', y"
    (summary,) = [run for run in sweep if run["swath.kind"] == "sweep"]
    assert summary["mlflow.note.content"].startswith("My first try: 'x', y")


def test_texts_do_not_change_the_configuration(store: Path) -> None:
    plain, named, *_ = runs(store)
    assert named["swath.fingerprint"] == plain["swath.fingerprint"]
    assert named["swath.bits"] == plain["swath.bits"]
    assert params(store, named["id"]) == params(store, plain["id"])
    files = [
        {
            path.name: path.read_text()
            for path in (store / "mlruns").glob(f"*/{run['id']}/artifacts/*.yaml")
            if path.name in ("config.yaml", "overrides.yaml")
        }
        for run in (plain, named)
    ]
    assert files[0].keys() == {"config.yaml", "overrides.yaml"}
    assert files[0] == files[1]


def test_texts_are_in_no_file_of_hydra(store: Path) -> None:
    written = [*(store / "outputs").rglob("*.yaml"), *(store / "multirun").rglob("*.yaml")]
    assert len(written) > 10
    for path in written:
        assert "vision" not in path.read_text(), path
        assert "first try" not in path.read_text(), path


def test_command_of_a_run_with_texts_can_be_repeated(store: Path) -> None:
    """The stored command has the texts."""
    (summary,) = [run for run in runs(store) if run["swath.kind"] == "sweep"]
    assert "tags.team=vision" in summary["swath.command"]


def test_resume_finds_runs_with_other_texts(tmp_path: Path) -> None:
    trained(tmp_path, *GRID, "tags.team=vision")
    before = {run["id"] for run in runs(tmp_path)}
    trained(tmp_path, *GRID, "tags.team=audio", "description=again", "resume=yes")
    assert {run["id"] for run in runs(tmp_path)} == before


@pytest.mark.parametrize("variable", ["77", "x", "0x1"])
def test_wrong_id_of_an_experiment(store: Path, variable: str) -> None:
    before = runs(store)
    done = swath(store, *SINGLE, MLFLOW_EXPERIMENT_ID=variable)
    assert done.returncode == 2, done.stderr
    (line,) = error_lines(done.stderr)
    assert f"MLFLOW_EXPERIMENT_ID={variable}" in line
    assert "tracking.experiment=NAME" in line
    assert runs(store) == before


@pytest.mark.parametrize(
    "text", ["tags.swath.x=1", "tags.mlflow.user=ada", "tags.mlflow.runName=x", "tags.=1"]
)
def test_tags_of_swath_and_mlflow_are_refused(tmp_path: Path, text: str) -> None:
    done = swath(tmp_path, *SINGLE, text, "tags.fine=1")
    assert done.returncode == 2
    assert error_lines(done.stderr) == [f"swath: {text}: expected tags.NAME=VALUE, with a name of your own"]
    assert list(tmp_path.iterdir()) == []


def test_list_has_owner_duration_and_the_accuracy_that_ranks(store: Path) -> None:
    for row in listed(store):
        assert row["owner"] == current_user()
        assert 0 < float(row["duration_s"]) < 300
        assert row["ranked_by"] == "test/accuracy"
    rounded = [row["best_value"] for row in listed(store, "--digits", "2")]
    assert rounded == [str(round(float(row["best_value"]), 2)) for row in listed(store)]
    table = swath_compare(store, "--format", "table").stdout
    heading, *lines = [line for line in table.splitlines() if line.strip()]
    for word in ("owner", "duration", "test accuracy"):
        assert word in heading + "".join(lines[:2])
    assert sum(f" {current_user()} " in line for line in lines) == len(listed(store))
    assert sum(" 0." in line for line in lines) == len(listed(store))


def test_list_says_validation_where_that_ranks(tmp_path: Path) -> None:
    trained(tmp_path, *SINGLE, "data.validation_size=300")
    (row,) = listed(tmp_path)
    assert row["ranked_by"] == "validation/accuracy"
    heading, line = swath_compare(tmp_path, "--format", "table").stdout.splitlines()
    assert "  validation accuracy  " in heading and "  0." in line
    trained(tmp_path, *SINGLE)
    heading, first, second = swath_compare(tmp_path, "--format", "table").stdout.splitlines()
    assert "  best accuracy  " in heading
    assert "  validation 0." in first and "  test 0." in second


def test_list_in_a_narrow_terminal_keeps_owner_and_duration_and_each_sweep_on_a_line(tmp_path: Path) -> None:
    grid = ("batch_size=20,50", "learning_rate=1e-7,1e-6", "max_steps=2,3")
    trained(tmp_path, "-m", "data=digits", "data.validation_size=300", *grid)
    (row,) = listed(tmp_path)
    best = row["best_configuration"]
    values = " ".join(part.partition("=")[2] for part in best.split())
    for columns, shown in (("80", ""), ("110", values), ("200", best)):
        done = swath_compare(tmp_path, "--format", "table", COLUMNS=columns)
        *_, line = done.stdout.splitlines()
        assert len(done.stdout.splitlines()) <= 3, "headings in two lines"
        assert max(map(len, done.stdout.splitlines())) <= int(columns)
        assert f" {current_user()} " in line and " s " in line
        assert line.endswith(shown or f"{float(row['best_value']):.4f}")


def test_list_is_filtered_by_owner_and_date(tmp_path: Path) -> None:
    for seed in ("0", "1"):
        trained(tmp_path, *SINGLE, f"seed={seed}")
    first, second = (row["sweep_id"] for row in listed(tmp_path))
    give(tmp_path, second, "ada")

    def found(*arguments: str) -> list[str]:
        return [row["sweep_id"] for row in listed(tmp_path, *arguments)]

    assert found("--owner", "ada") == [second]
    assert found("--owner", current_user()) == [first]
    assert found("--since", "2020-01-01") == [first, second]
    assert found("--since", "2020-01-01", "--owner", "ada") == [second]
    for arguments, words in (
        (("--owner", "adda"), "no sweep of owner adda; did you mean ada?"),
        (("--since", "2999-01-01"), "no sweep since 2999-01-01 00:00; the latest: 20"),
    ):
        done = swath_compare(tmp_path, *arguments, "--format", "csv")
        assert (done.returncode, len(done.stdout.splitlines())) == (0, 1)
        assert words in done.stderr


def give(folder: Path, sweep_id: str, owner: str) -> None:
    """Make another user the owner of a sweep."""
    change(
        folder,
        "update tags set value = ? where key = 'mlflow.user' and run_uuid in "
        "(select run_uuid from tags where key = 'swath.sweep_id' and value = ?)",
        owner,
        sweep_id,
    )


def test_name_means_the_own_latest_sweep_or_else_that_of_anyone(tmp_path: Path) -> None:
    trained(tmp_path, *GRID)
    trained(tmp_path, *GRID)
    first, second = (row["sweep_id"] for row in listed(tmp_path))

    def heading() -> str:
        done = swath_compare(tmp_path, "ad-hoc", "--format", "csv")
        assert done.returncode == 0, done.stderr
        return done.stderr.splitlines()[0]

    assert heading().startswith(f"Sweep ad-hoc {second} of ")
    assert f" by {current_user()}, in " in heading()
    give(tmp_path, second, "ada")
    assert heading().startswith(f"Sweep ad-hoc {first} of ")
    assert [row["owner"] for row in listed(tmp_path)] == [current_user(), "ada"]
    by_id = swath_compare(tmp_path, second, "--format", "csv").stderr.splitlines()[0]
    assert by_id.startswith(f"Sweep ad-hoc {second} of ")
    give(tmp_path, first, "bob")
    assert heading().startswith(f"Sweep ad-hoc {second} of ")
    assert " by ada, in " in heading()


METRICS_PER_RUN = (
    "select r.name, count(distinct m.key), count(distinct m.step) "
    "from runs r join metrics m using (run_uuid) where m.key like 'system/%' group by r.run_uuid"
)


def test_system_metrics_belong_to_the_summary_run_or_the_single_run(tmp_path: Path) -> None:
    asked = {
        "MLFLOW_ENABLE_SYSTEM_METRICS_LOGGING": "true",
        "MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL": "0.05",
    }
    long = ("data=digits", "max_steps=6000", "tracking.every_steps=100")
    errors = trained(tmp_path, "-m", *long, "learning_rate=1e-7,1e-6", **asked)
    assert "monitoring" not in errors
    ((name, keys, steps),) = rows(tmp_path, METRICS_PER_RUN)
    assert name.startswith("sweep ")
    assert int(keys) > 4
    assert int(steps) > 1
    trained(tmp_path, *long, **asked)
    names = {name for name, _, _ in rows(tmp_path, METRICS_PER_RUN)}
    assert len(names) == 2
    repeated = swath_reproduce(tmp_path, runs(tmp_path)[-1]["id"])
    assert repeated.returncode == 0, repeated.stderr


def test_system_metrics_are_off_unless_asked_for(store: Path) -> None:
    assert rows(store, METRICS_PER_RUN) == []
