"""A package with a model, installed as pip does, and a model of a program: swept, resumed, reproduced."""

import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.command import error_lines, swath, swath_compare, swath_reproduce
from support.models import best_run, load_npz
from support.own_models import EXAMPLE, declaration, install_example, write_package
from support.waiting import query_store

from swath.datasets import load_dataset

GRID = ("-m", "data=digits", "model=convnet", "preprocessing=scale", "model.filters=2,4")
GRID = (*GRID, "learning_rate=0.01,0.1", "max_steps=40")

UNKNOWN = "model convnet is not installed; install its package, or make it one: docs/how-to/own-model.md"


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("packages")
    install_example(folder)
    return str(folder)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, packages: str) -> tuple[Path, str]:
    """Folder of the store, and what the command wrote to standard error."""
    folder = tmp_path_factory.mktemp("swept")
    done = swath(folder, *GRID, "lanes.verify=4", PYTHONPATH=packages, SWATH_POSTPROCESS="wait")
    assert done.returncode == 0, done.stderr
    return folder, done.stderr


def test_command_of_the_example_finishes(packages: str, tmp_path: Path) -> None:
    text = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    (line,) = (line for line in text.splitlines() if line.startswith("swath "))
    done = swath(tmp_path, *shlex.split(line)[1:], PYTHONPATH=packages)
    assert done.returncode == 0, done.stderr
    assert "4 of 4 runs finished" in done.stderr


def test_lanes_are_bit_identical_to_solo_runs(swept: tuple[Path, str]) -> None:
    assert "lanes.verify: 4 of 4 runs are bit-identical to their solo runs" in swept[1]
    rows = query_store(swept[0], "SELECT DISTINCT value FROM params WHERE key = 'model.filters'")
    assert sorted(rows) == [("2",), ("4",)]


SERVE = """
import mlflow, numpy as np, sys
mlflow.set_tracking_uri("sqlite:///mlflow.db")
images = np.load("images.npy")
print(*mlflow.pyfunc.load_model(f"runs:/{sys.argv[1]}/model").predict(images)["class_name"])
"""


def served(folder: Path, run_id: str, packages: str) -> "subprocess.CompletedProcess[str]":
    """Predict the images of `images.npy` by the logged model of a run, in a process with these packages."""
    return subprocess.run(
        [sys.executable, "-c", SERVE, run_id],
        cwd=folder,
        env={"PYTHONPATH": packages, "PATH": "/usr/bin:/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_logged_model_predicts_by_the_package(swept: tuple[Path, str], packages: str) -> None:
    folder, run = swept[0], best_run(swept[0])
    data = load_dataset("digits")
    np.save(folder / "images.npy", data.test_images)
    done = served(folder, run.info.run_id, packages)
    assert done.returncode == 0, done.stderr
    stored = load_npz(run, "predictions.npz")["test"]
    found = np.array(done.stdout.split()[-len(stored) :])
    assert (found == np.array(data.class_names)[stored]).mean() > 0.99
    text = (Path(run.info.artifact_uri.removeprefix("file://")) / "model" / "requirements.txt").read_text()
    assert "swath-convnet==0.1" in text


def test_logged_model_without_its_package_or_with_other_code_says_so(
    swept: tuple[Path, str], tmp_path: Path
) -> None:
    folder, run = swept[0], best_run(swept[0])
    np.save(folder / "images.npy", load_dataset("digits").test_images[:2])
    install_example(tmp_path)
    network = tmp_path / "swath_convnet" / "network.py"
    network.write_text(network.read_text() + "\n# Changed.\n")
    for place, line in (("", UNKNOWN), (str(tmp_path), "this model was logged with convnet:")):
        done = served(folder, run.info.run_id, place)
        assert done.returncode != 0
        assert line in done.stderr


def test_longer_sweep_continues_with_the_bits_of_one_that_was_not_interrupted(
    swept: tuple[Path, str], packages: str, tmp_path: Path
) -> None:
    longer = (*GRID[:-1], "max_steps=60")
    done = swath(swept[0], *longer, "resume=yes", PYTHONPATH=packages)
    assert done.returncode == 0, done.stderr
    assert "Resume: 4 resumed" in done.stderr
    once = swath(tmp_path, *longer, PYTHONPATH=packages)
    assert once.returncode == 0, once.stderr
    bits = "SELECT value FROM tags WHERE key = 'swath.bits' ORDER BY value"
    assert set(query_store(tmp_path, bits)) <= set(query_store(swept[0], bits))


def test_run_is_reproduced_and_without_the_package_named(swept: tuple[Path, str], packages: str) -> None:
    run_id = best_run(swept[0]).info.run_id
    done = swath_reproduce(swept[0], run_id, PYTHONPATH=packages)
    assert (done.returncode, "identical, bit for bit" in done.stdout + done.stderr) == (0, True)
    without = swath_reproduce(swept[0], run_id)
    assert without.returncode == 2
    assert UNKNOWN in without.stdout + without.stderr


def test_store_is_ranked_without_the_package(swept: tuple[Path, str]) -> None:
    done = swath_compare(swept[0], "ad-hoc", "--columns", "model.filters,test/accuracy")
    assert done.returncode == 0, done.stderr
    assert "model.filters" in done.stdout


def test_changed_code_of_a_model_stops_a_resume(tmp_path: Path) -> None:
    packages = tmp_path / "packages"
    install_example(packages)
    command = (*GRID[:4], "max_steps=5", "learning_rate=0.01,0.1")
    assert swath(tmp_path, *command, PYTHONPATH=str(packages)).returncode == 0
    file = packages / "swath_convnet" / "network.py"
    file.write_text(file.read_text().replace("STRIDE = 2", "STRIDE = 1"))
    done = swath(tmp_path, *command, "resume=yes", PYTHONPATH=str(packages))
    assert done.returncode == 1
    (line,) = error_lines(done.stderr)
    assert "changed since this sweep started: code of the model: convnet:" in line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["model=convnet", "model.filters=0"],
            "model.filters=0: expected a whole number of filters from 1 to 256",
        ),
        (
            ["model=convnet", "model.filter=3"],
            "model.filter=3: unknown field model.filter; did you mean model.filters?",
        ),
        (
            ["model=mlp", "model.filters=3"],
            "model.filters=3: only with model=convnet, found model=mlp",
        ),
        (
            ["model=convnet", "model.hidden_units=[3]"],
            "model.hidden_units=[3]: only with model=mlp, found model=convnet",
        ),
    ],
)
def test_mistake_in_a_field_of_a_package_is_one_line(
    arguments: list[str], line: str, packages: str, tmp_path: Path
) -> None:
    done = swath(tmp_path, *arguments, PYTHONPATH=packages)
    assert (done.returncode, error_lines(done.stderr)) == (2, [f"swath: {line}"])
    assert list(tmp_path.iterdir()) == []


def test_help_and_dry_run_load_neither_tensorflow_nor_the_network(packages: str, tmp_path: Path) -> None:
    for arguments in (["--help"], [*GRID, "dry_run=true"]):
        code = f"import sys; sys.argv = {['swath', *arguments]!r}\n" + NOTHING_HEAVY
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=tmp_path,
            env={"PYTHONPATH": packages, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert "convnet" in done.stdout or "filters" in done.stdout


NOTHING_HEAVY = """
from swath.cli.main import run
status = run(sys.argv[1:])
assert "tensorflow" not in sys.modules and "swath_convnet.network" not in sys.modules
sys.exit(status)
"""


def test_broken_package_stops_only_what_needs_it(tmp_path: Path) -> None:
    write_package(tmp_path / "packages", "broken", "import no_such_module")
    write_package(tmp_path / "packages", "wide", declaration("wide"))
    place = str(tmp_path / "packages")
    (tmp_path / "work").mkdir()
    done = swath(tmp_path / "work", "model=broken", PYTHONPATH=place)
    expected = (
        "broken 1.0: broken:MODEL cannot be imported (ModuleNotFoundError: No module named 'no_such_module')"
    )
    assert (done.returncode, error_lines(done.stderr)) == (2, [f"swath: model=broken: {expected}"])
    done = swath(tmp_path / "work", "data=digits", "model=wide", PYTHONPATH=place)
    assert done.returncode == 1
    (line,) = error_lines(done.stderr)
    assert line == "swath: model wide: ModuleNotFoundError: No module named 'wide.network'"
    assert list((tmp_path / "work").iterdir()) == []
    done = swath(tmp_path / "work", "data=digits", "max_steps=2", PYTHONPATH=place)
    assert done.returncode == 0, done.stderr


def test_module_of_the_working_folder_is_never_imported(swept: tuple[Path, str], tmp_path: Path) -> None:
    write_package(tmp_path, "convnet", "raise SystemExit('imported')", "convnet = convnet:MODEL")
    (tmp_path / "swath_convnet.py").write_text("raise SystemExit('imported')")
    done = swath(tmp_path, "model=convnet", "data=digits", real=True)
    assert (done.returncode, "imported" in done.stderr) == (2, False)
    module = subprocess.run(
        [sys.executable, "-m", "swath", "model=convnet"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (module.returncode, "imported" in module.stderr) == (2, False)
    run_id = best_run(swept[0]).info.run_id
    stored = swath_reproduce(tmp_path, run_id, "--uri", f"sqlite:///{swept[0]}/mlflow.db")
    assert "imported" not in stored.stdout + stored.stderr
    assert UNKNOWN in stored.stdout + stored.stderr


PROGRAM = """
import sys
import numpy as np
import swath
from swath.models import from_keras, tf

class Linear:
    layout, penalized = "pixels", ("weights",)
    def __init__(self, name, start):
        self.name, self.start = name, start
    def init(self, seed):
        return {"weights": np.full((3072, 10), self.start, np.float32)}
    def losses(self, parameters, inputs, labels):
        logits = inputs @ parameters["weights"]
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits), logits

def dense(image_shape, classes):
    import keras
    return keras.Sequential([keras.Input(image_shape), keras.layers.Flatten(), keras.layers.Dense(classes)])

models = [Linear("linear", 0.0), from_keras(dense), "softmax_regression"]
fields = {"lanes.verify": 6, "data": "digits", "preprocessing": "scale", "max_steps": int(sys.argv[1])}
result = swath.sweep(fields, model=models, learning_rate=[0.01, 0.1], resume=sys.argv[2], progress=False)
print(len(result.runs), result.best["run_id"])
if sys.argv[2] == "yes":
    frame = swath.load_sweep(result.sweep_id)
    run_id = frame[frame["model.name"] == "linear"]["run_id"].iloc[0]
    print(swath.reproduce(run_id, model=Linear("linear", 0.0)))
"""


def test_models_of_a_program_are_swept_resumed_and_named_by_a_reproduction(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    for steps, resume in (("20", "no"), ("30", "yes")):
        done = subprocess.run(
            [sys.executable, "program.py", steps, resume],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert "identical" in done.stdout
    rows = query_store(
        tmp_path,
        "SELECT r.run_uuid, r.status FROM params p JOIN runs r USING (run_uuid) "
        "WHERE p.key = 'model.name' AND p.value = 'linear'",
    )
    assert {status for _, status in rows} == {"FINISHED"}
    reproduced = swath_reproduce(tmp_path, rows[0][0])
    assert reproduced.returncode == 2
    assert UNKNOWN.replace("convnet", "linear") in reproduced.stdout + reproduced.stderr
