"""`swath-compare --export-optuna` on a stored search, opened by optuna-dashboard."""

import importlib.util
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from support.command import error_lines, swath, swath_compare
from support.server import free_port

SEARCH = (
    *("-m", "learning_rate=tag(log,interval(1e-8,1e-4))", "batch_size=20,50", "data=digits"),
    *("data.validation_size=300", "max_steps=40", "search.trials=8", "search.confirm=0"),
)
DASHBOARD = "import sys; from optuna_dashboard._cli import main; sys.argv[0] = 'optuna-dashboard'; main()"
WAIT_S = 60.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a search, and its study in `study.journal`."""
    pytest.importorskip("optuna", minversion="5", reason="Optuna is an extra: pip install 'swath[search]'")
    folder = tmp_path_factory.mktemp("exported")
    assert swath(folder, *SEARCH).returncode == 0
    done = swath_compare(folder, "ad-hoc", "--export-optuna", "study.journal")
    assert done.returncode == 0, done.stderr
    assert "Exported 8 trials of search ad-hoc to study.journal." in done.stderr
    return folder


def test_study_is_that_of_the_store(folder: Path) -> None:
    import optuna
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(folder / "study.journal")))
    (study,) = optuna.get_all_study_summaries(storage)
    trials = optuna.load_study(study_name=study.study_name, storage=storage).trials
    rows = json.loads(swath_compare(folder, "ad-hoc", "--format", "json").stdout)
    by_id = {row["run_id"]: row for row in rows}
    assert len(trials) == len(rows) == 8
    for trial in trials:
        row = by_id[trial.user_attrs["run_id"]]
        assert trial.value == row["validation/accuracy"]
        assert trial.params["learning_rate"] == row["learning_rate"]
        assert int(trial.params["batch_size"]) == row["batch_size"]
        assert list(trial.intermediate_values)[-1] == row["max_steps"]
        assert (trial.state.name == "COMPLETE") == (row["max_steps"] == 40)


def test_existing_file_is_kept_and_refused(folder: Path) -> None:
    before = (folder / "study.journal").read_bytes()
    done = swath_compare(folder, "ad-hoc", "--export-optuna", "study.journal")
    assert done.returncode == 2
    assert len(error_lines(done.stderr, "swath-compare")) == 1
    assert (folder / "study.journal").read_bytes() == before


def test_dashboard_opens_it(folder: Path) -> None:
    if importlib.util.find_spec("optuna_dashboard") is None:
        pytest.skip("optuna-dashboard is not installed: pip install optuna-dashboard")
    port = free_port()
    command = [sys.executable, "-c", DASHBOARD, "study.journal", "--port", str(port)]
    with subprocess.Popen(
        command, cwd=folder, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    ) as process:
        try:
            page = _get(f"http://127.0.0.1:{port}/dashboard")
            assert "<html" in page.lower()
            (study,) = json.loads(_get(f"http://127.0.0.1:{port}/api/studies"))["study_summaries"]
            detail = json.loads(_get(f"http://127.0.0.1:{port}/api/studies/{study['study_id']}"))
            assert len(detail["trials"]) == 8
        finally:
            process.terminate()


def _get(address: str) -> str:
    """The content of an address, once a server answers."""
    ends = time.monotonic() + WAIT_S
    while True:
        try:
            with urllib.request.urlopen(address, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.2)
