"""The article's run and the learning-rate sweep on real CIFAR-10."""

import hashlib
import re
import subprocess
from pathlib import Path

import pytest
from support.command import swath


def completed(
    folder: Path, cifar10_dir: Path, *arguments: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    done = swath(folder, *arguments, SWATH_DATA_DIR=str(cifar10_dir), **environment)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def article(
    tmp_path_factory: pytest.TempPathFactory, cifar10_dir: Path
) -> "subprocess.CompletedProcess[str]":
    return completed(tmp_path_factory.mktemp("article"), cifar10_dir)


@pytest.fixture(scope="module")
def article_lines(article: "subprocess.CompletedProcess[str]") -> list[str]:
    return article.stdout.splitlines()


@pytest.fixture(scope="module")
def learning_rate(
    tmp_path_factory: pytest.TempPathFactory, cifar10_dir: Path
) -> "subprocess.CompletedProcess[str]":
    return completed(tmp_path_factory.mktemp("learning_rate"), cifar10_dir, "-cn", "learning_rate")


def test_default_command_prints_the_lines_of_the_tutorial(article_lines: list[str]) -> None:
    steps = [line for line in article_lines if re.fullmatch(r"Step {1,5}\d+: training accuracy [\d.]+", line)]
    assert [int(line[4:].split(":")[0]) for line in steps] == list(range(0, 1000, 100))
    assert re.fullmatch(r"Test accuracy 0\.\d{1,4}", article_lines[10])
    assert re.fullmatch(r"Total time: +\d+\.\d\ds", article_lines[11])


def test_default_command_reaches_the_accuracy_of_the_article(article_lines: list[str]) -> None:
    assert 0.22 <= float(article_lines[10].split()[-1]) <= 0.32


def test_default_command_prints_run_id_and_ui_address(
    article: "subprocess.CompletedProcess[str]", article_lines: list[str]
) -> None:
    assert len(article_lines) == 13
    assert re.fullmatch(r"Run [0-9a-f]{32}", article_lines[12])
    (line,) = article.stderr.splitlines()
    assert re.fullmatch(r"See it: \S*mlflow ui( --port \d+)?, then http://127.0.0.1:\d+/#/\S+", line)
    assert article_lines[12].split()[1] in line


def test_learning_rate_sweep_has_its_best_value_between_1e_7_and_5e_6(
    learning_rate: "subprocess.CompletedProcess[str]",
) -> None:
    best = next(line.split() for line in learning_rate.stdout.splitlines() if line.split()[:1] == ["1"])
    assert 1e-7 <= float(best[1]) <= 5e-6
    assert f"Best: learning_rate={best[1]}: validation {float(best[2]):.3f} (" in learning_rate.stderr


def test_learning_rate_sweep_is_ranked_by_validation_accuracy(
    learning_rate: "subprocess.CompletedProcess[str]",
) -> None:
    assert "Ranked by validation/accuracy." in learning_rate.stderr.splitlines()


def test_corrupt_cache_is_detected_and_rebuilt(tmp_path: Path, cifar10_dir: Path) -> None:
    cache = {"SWATH_CACHE_DIR": str(tmp_path / "cache")}
    completed(tmp_path, cifar10_dir, "max_steps=1", **cache)
    (entry,) = (path for path in (tmp_path / "cache").rglob("*") if path.stat().st_size > 180_000_000)
    whole = hashlib.sha256(entry.read_bytes()).hexdigest()
    with entry.open("r+b") as file:
        file.seek(100_000_000)
        (byte,) = file.read(1)
        file.seek(100_000_000)
        file.write(bytes([byte ^ 1]))
    completed(tmp_path, cifar10_dir, "max_steps=1", **cache)
    assert hashlib.sha256(entry.read_bytes()).hexdigest() == whole
