"""A package with a data set, and a data set of a program: swept, resumed, reproduced."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.command import error_lines, swath, swath_reproduce
from support.models import best_run
from support.own_datasets import write_stripes
from support.waiting import query_store

SWEEP = ("-m", "data=stripes", "data.dir=here", "data.side=6,8", "batch_size=10", "max_steps=20")
SWEEP = (*SWEEP, "preprocessing=scale", "learning_rate=0.01")


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("packages")
    write_stripes(folder)
    return str(folder)


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, packages: str) -> Path:
    """Folder of a store with a sweep over two sizes of the images; do not change it."""
    folder = tmp_path_factory.mktemp("swept")
    (folder / "here").mkdir()
    (folder / "here" / "seed.txt").write_text("3")
    done = swath(folder, *SWEEP, PYTHONPATH=packages)
    assert done.returncode == 0, done.stderr
    return folder


def test_data_set_is_trained_on_and_described(swept: Path) -> None:
    sizes = query_store(swept, "select value from tags where key = 'swath.data_sizes' order by value")
    assert [json.loads(size)["shape"] for (size,) in sizes] == [[1, 6, 6], [1, 8, 8]]
    assert best_run(swept).data.metrics["test/accuracy"] == 1


def test_run_is_reproduced_and_without_the_package_named(swept: Path, packages: str) -> None:
    run_id = best_run(swept).info.run_id
    done = swath_reproduce(swept, run_id, "--data-dir", "here", PYTHONPATH=packages)
    assert (done.returncode, "identical, bit for bit" in done.stdout + done.stderr) == (0, True)
    without = swath_reproduce(swept, run_id, "--data-dir", "here")
    assert without.returncode == 2
    assert "data set stripes is not installed; choose one of cifar10," in without.stdout + without.stderr


def test_changed_file_stops_a_resume(tmp_path: Path, packages: str) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "seed.txt").write_text("3")
    assert swath(tmp_path, *SWEEP, PYTHONPATH=packages).returncode == 0
    (tmp_path / "here" / "seed.txt").write_text("45")
    done = swath(tmp_path, *SWEEP, "resume=yes", PYTHONPATH=packages)
    assert done.returncode == 1
    (line,) = error_lines(done.stderr)
    assert "changed since this sweep started: images in here: digest" in line


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["data.side=3"], "data.side=3: expected a whole number of pixels from 4 to 64"),
        (["data.dir=away"], "data set stripes: no seed.txt in away; expected data.dir=FOLDER with it"),
        (["batch_size=121"], "batch_size=121: expected at most 120 images"),
        (["data=digits"], "data.side=6: only with data=stripes, found data=digits"),
    ],
)
def test_mistake_is_one_line_and_stores_nothing(
    arguments: list[str], line: str, tmp_path: Path, packages: str
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "seed.txt").write_text("3")
    given = [word for word in SWEEP if not word.startswith(arguments[0].partition("=")[0] + "=")]
    done = swath(tmp_path, *given, *arguments, PYTHONPATH=packages)
    assert done.returncode != 0
    assert all(line.partition("=")[0] in found for found in error_lines(done.stderr))
    assert line in done.stderr
    assert not (tmp_path / "mlflow.db").exists()


PROGRAM = """
import numpy as np
import swath
from swath.datasets import Images, OwnDataset

images = np.zeros((40, 4, 4, 1), np.uint8)
labels = np.arange(40) % 2
images[labels == 1, :2] = 200


def find(fields, place):
    read = lambda: (images[:30], labels[:30], images[30:], labels[30:])
    return Images((4, 4, 1), ("dark", "light"), 30, 10, read)


result = swath.sweep(
    data=OwnDataset("halves", find),
    learning_rate=[0.01, 0.1],
    batch_size=10,
    max_steps=20,
    preprocessing="scale",
    progress=False,
)
print(result.best["test/accuracy"])
"""


def test_data_set_of_a_program(tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "SWATH_POSTPROCESS": "off"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout.split()[-1]) == 1
