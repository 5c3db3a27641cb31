"""The lanes launcher, the basic launcher and a single run give bit-identical results."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient
from support.command import IS_CONFIGURATION, swath

GRID = [
    "-m",
    "data=digits",
    "data.validation_size=300",
    "batch_size=10,37",
    "learning_rate=1e-7,1e36,1e-6,1e-6",
    "max_steps=15,40",
]
METRICS = (
    "train/accuracy",
    "train/loss",
    "validation/accuracy",
    "validation/loss",
    "test/accuracy",
    "test/loss",
)


class StoredRuns:
    """The runs that a command stored in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")

    def runs(self) -> list[Run]:
        experiment = self._client.get_experiment_by_name("swath")
        assert experiment is not None
        return list(self._client.search_runs([experiment.experiment_id], IS_CONFIGURATION))

    def results(self, run: Run) -> tuple[object, ...]:
        """All results of a run."""
        histories = [
            sorted(
                (value.step, value.value) for value in self._client.get_metric_history(run.info.run_id, name)
            )
            for name in METRICS
        ]
        files = []
        for name in ("weights.npz", "predictions.npz"):
            found = list((self._folder / "mlruns").glob(f"*/{run.info.run_id}/artifacts/{name}"))
            files.append([path.read_bytes() for path in found])
        return repr(histories), files, run.info.status, run.data.tags.get("swath.error")

    def all_results(self) -> list[tuple[str, str]]:
        return sorted((run.info.run_name, repr(self.results(run))) for run in self.runs())


@pytest.fixture(scope="module")
def in_lanes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoredRuns]:
    folder = tmp_path_factory.mktemp("lanes")
    assert swath(folder, *GRID).returncode == 1
    yield StoredRuns(folder)


def test_configurations_are_trained_in_lanes(in_lanes: StoredRuns) -> None:
    lanes = {run.data.metrics["runtime/lanes"] for run in in_lanes.runs()}
    if max(lanes) < 3:
        pytest.skip(f"3 lanes are not bit-exact on this processor; {lanes} were trained together")
    assert lanes == {3}


def test_repeated_configuration_is_tracked_repeatedly(in_lanes: StoredRuns) -> None:
    names = [run.info.run_name for run in in_lanes.runs()]
    assert len(names) == 16
    assert names.count("10 1e-06 15 (batch_size learning_rate max_steps)") == 2


def test_divergence_fails_only_its_own_lane(in_lanes: StoredRuns) -> None:
    failed = [run for run in in_lanes.runs() if run.info.status == "FAILED"]
    assert {run.data.params["learning_rate"] for run in failed} == {"1e+36"}
    assert len(failed) == 4


def test_basic_launcher_gives_bit_identical_results(in_lanes: StoredRuns, tmp_path: Path) -> None:
    assert swath(tmp_path, *GRID, "batch_size=37", "hydra/launcher=basic").returncode == 1
    basic = StoredRuns(tmp_path)
    assert {run.data.metrics["runtime/lanes"] for run in basic.runs()} == {1}
    prefix = "37 "  # a run's name states the fields that the sweep varies
    assert basic.all_results() == [
        (name.removeprefix(prefix).replace("(batch_size ", "("), results)
        for name, results in in_lanes.all_results()
        if name.startswith(prefix)
    ]
    assert len(basic.all_results()) == 8


def test_single_run_is_bit_identical_to_its_lane(in_lanes: StoredRuns, tmp_path: Path) -> None:
    fields = ["batch_size=37", "learning_rate=1e-6", "max_steps=15"]
    assert swath(tmp_path, "data=digits", "data.validation_size=300", *fields).returncode == 0
    (solo,) = StoredRuns(tmp_path).all_results()
    assert solo in in_lanes.all_results()


def test_lanes_are_bit_identical_without_onednn(tmp_path: Path) -> None:
    for name, launcher in (("lanes", "lanes"), ("basic", "basic")):
        (tmp_path / name).mkdir()
        arguments = [*GRID, "batch_size=37", "max_steps=15", f"hydra/launcher={launcher}"]
        assert swath(tmp_path / name, *arguments, TF_ENABLE_ONEDNN_OPTS="0").returncode == 1
    assert StoredRuns(tmp_path / "lanes").all_results() == StoredRuns(tmp_path / "basic").all_results()


def test_every_job_has_its_hydra_folder_and_files(tmp_path: Path) -> None:
    done = swath(tmp_path, "-m", "data=digits", "max_steps=5", "seed=0,1,2")
    assert done.returncode == 0, done.stderr
    (sweep,) = (tmp_path / "multirun").glob("*/*")
    assert (sweep / "multirun.yaml").exists()
    for job, seed in enumerate((0, 1, 2)):
        folder = sweep / str(job)
        assert {path.name for path in (folder / ".hydra").iterdir()} == {
            "config.yaml",
            "hydra.yaml",
            "overrides.yaml",
        }
        assert f"seed: {seed}\n" in (folder / ".hydra" / "config.yaml").read_text(encoding="utf-8")
        assert (folder / "swath.log").exists()
