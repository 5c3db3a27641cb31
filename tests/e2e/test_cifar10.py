"""The article's run and the learning-rate sweep on real CIFAR-10."""

import hashlib
import re
from pathlib import Path

import pytest
from support.command import swath


def output_of(folder: Path, cifar10_dir: Path, *arguments: str, **environment: str) -> str:
    done = swath(folder, *arguments, SWATH_DATA_DIR=str(cifar10_dir), **environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def article_lines(tmp_path_factory: pytest.TempPathFactory, cifar10_dir: Path) -> list[str]:
    return output_of(tmp_path_factory.mktemp("article"), cifar10_dir).splitlines()


@pytest.fixture(scope="module")
def learning_rate_table(tmp_path_factory: pytest.TempPathFactory, cifar10_dir: Path) -> str:
    return output_of(tmp_path_factory.mktemp("learning_rate"), cifar10_dir, "-cn", "learning_rate")


def test_default_command_prints_the_lines_of_the_tutorial(article_lines: list[str]) -> None:
    steps = [line for line in article_lines if re.fullmatch(r"Step {1,5}\d+: training accuracy [\d.]+", line)]
    assert [int(line[4:].split(":")[0]) for line in steps] == list(range(0, 1000, 100))
    assert re.fullmatch(r"Test accuracy 0\.\d{1,4}", article_lines[10])
    assert re.fullmatch(r"Total time: +\d+\.\d\ds", article_lines[11])


def test_default_command_reaches_the_accuracy_of_the_article(article_lines: list[str]) -> None:
    assert 0.22 <= float(article_lines[10].split()[-1]) <= 0.32


def test_default_command_prints_run_id_and_ui_address(article_lines: list[str]) -> None:
    assert re.fullmatch(r"Run [0-9a-f]{32}", article_lines[12])
    assert article_lines[13].endswith("mlflow ui")
    assert article_lines[12].split()[1] in article_lines[14]


def test_learning_rate_sweep_has_its_best_value_between_1e_7_and_5e_6(learning_rate_table: str) -> None:
    best = next(line.split() for line in learning_rate_table.splitlines() if line.split()[:1] == ["1"])
    assert 1e-7 <= float(best[1]) <= 5e-6


def test_learning_rate_sweep_is_ranked_by_validation_accuracy(learning_rate_table: str) -> None:
    assert "Ranked by validation/accuracy." in learning_rate_table


def test_corrupt_cache_is_detected_and_rebuilt(tmp_path: Path, cifar10_dir: Path) -> None:
    cache = {"SWATH_CACHE_DIR": str(tmp_path / "cache")}
    output_of(tmp_path, cifar10_dir, "max_steps=1", **cache)
    (entry,) = (path for path in (tmp_path / "cache").rglob("*") if path.stat().st_size > 180_000_000)
    whole = hashlib.sha256(entry.read_bytes()).hexdigest()
    with entry.open("r+b") as file:
        file.seek(100_000_000)
        (byte,) = file.read(1)
        file.seek(100_000_000)
        file.write(bytes([byte ^ 1]))
    output_of(tmp_path, cifar10_dir, "max_steps=1", **cache)
    assert hashlib.sha256(entry.read_bytes()).hexdigest() == whole
