"""The fused launcher, the basic launcher and a run by itself give the same bits."""

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


class Store:
    """The runs that a command left in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._client = MlflowClient(tracking_uri=f"sqlite:///{folder}/mlflow.db")

    def runs(self) -> list[Run]:
        experiment = self._client.get_experiment_by_name("swath")
        assert experiment is not None
        return list(self._client.search_runs([experiment.experiment_id], IS_CONFIGURATION))

    def bits(self, run: Run) -> tuple[object, ...]:
        """Everything that a run computed."""
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

    def all_bits(self) -> list[tuple[str, str]]:
        return sorted((run.info.run_name, repr(self.bits(run))) for run in self.runs())


@pytest.fixture(scope="module")
def fused(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("fused")
    assert swath(folder, *GRID).returncode == 1
    yield Store(folder)


def test_lanes_were_really_trained_side_by_side(fused: Store) -> None:
    lanes = {run.data.metrics["runtime/lanes"] for run in fused.runs()}
    if max(lanes) < 3:
        pytest.skip(f"on this processor 3 lanes do not keep the bits; {lanes} were trained together")
    assert lanes == {3}


def test_every_configuration_is_tracked_as_often_as_it_was_asked_for(fused: Store) -> None:
    names = [run.info.run_name for run in fused.runs()]
    assert len(names) == 16
    assert names.count("batch_size=10 learning_rate=1e-06 max_steps=15") == 2


def test_diverged_lanes_fail_alone(fused: Store) -> None:
    failed = [run for run in fused.runs() if run.info.status == "FAILED"]
    assert {run.data.params["learning_rate"] for run in failed} == {"1e+36"}
    assert len(failed) == 4


def test_basic_launcher_gives_the_same_bits(fused: Store, tmp_path: Path) -> None:
    assert swath(tmp_path, *GRID, "hydra/launcher=basic").returncode == 1
    basic = Store(tmp_path)
    assert {run.data.metrics["runtime/lanes"] for run in basic.runs()} == {1}
    assert basic.all_bits() == fused.all_bits()


def test_run_by_itself_has_the_same_bits(fused: Store, tmp_path: Path) -> None:
    fields = ["batch_size=37", "learning_rate=1e-6", "max_steps=15"]
    assert swath(tmp_path, "data=digits", "data.validation_size=300", *fields).returncode == 0
    (alone,) = Store(tmp_path).all_bits()
    assert alone in fused.all_bits()


def test_other_kernels_keep_the_promise(tmp_path: Path) -> None:
    for name, launcher in (("fused", "lanes"), ("basic", "basic")):
        (tmp_path / name).mkdir()
        words = [*GRID, "batch_size=37", "max_steps=15", f"hydra/launcher={launcher}"]
        assert swath(tmp_path / name, *words, TF_ENABLE_ONEDNN_OPTS="0").returncode == 1
    assert Store(tmp_path / "fused").all_bits() == Store(tmp_path / "basic").all_bits()


def test_every_job_has_its_folder_and_files(tmp_path: Path) -> None:
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
