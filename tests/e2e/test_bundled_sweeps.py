"""Every bundled sweep, with fewer steps: the model of its best run, and the reproduction of all its runs."""

from pathlib import Path

import numpy as np
import pytest
from support.command import swath, swath_reproduce
from support.models import assert_same_classes, best_run, load_model

from swath.cli.validation import check_command
from swath.config import primary_configs, register
from swath.datasets import load_dataset

BUNDLED = sorted(set(primary_configs(())) - {"config"})
FEWER = 20
"""A run has this many times fewer steps than in the bundled sweep."""


def fewer_steps(sweep: str) -> str:
    """An override that divides the values of `max_steps` of a bundled sweep."""
    register()
    configs = check_command(sweep, [], True, ()).configs
    return "max_steps=" + ",".join(str(steps // FEWER) for steps in sorted({c.max_steps for c in configs}))


@pytest.mark.parametrize("sweep", BUNDLED)
def test_best_model_of_every_bundled_sweep_predicts_what_the_run_predicted(
    sweep: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    cifar10_dir = None if sweep == "quickstart" else request.getfixturevalue("cifar10_dir")
    given = {} if cifar10_dir is None else {"SWATH_DATA_DIR": str(cifar10_dir)}
    done = swath(tmp_path, "-cn", sweep, fewer_steps(sweep), SWATH_POSTPROCESS="wait", **given)
    assert done.returncode == 0, done.stderr
    run = best_run(tmp_path)
    dataset = load_dataset("digits" if cifar10_dir is None else "cifar10", cifar10_dir and str(cifar10_dir))
    images = dataset.test_images
    table = load_model(run, tmp_path).predict(images)
    names = list(table.columns[1:])
    predicted = np.array([names.index(name) for name in table["class_name"]])
    assert names == list(dataset.class_names)
    assert_same_classes(predicted, run, images)
    probabilities = table[names].to_numpy()
    np.testing.assert_array_equal(probabilities.argmax(axis=1), predicted)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)
    assert_every_run_can_be_had_again(sweep, tmp_path, given)


def assert_every_run_can_be_had_again(sweep: str, folder: Path, given: dict[str, str]) -> None:
    """No run of a bundled sweep is said to differ."""
    done = swath_reproduce(folder, "--sweep", sweep, **given)
    verdicts = [line.split("  ")[1] for line in done.stdout.splitlines()]
    assert verdicts == ["identical, bit for bit"] * len(verdicts), done.stdout
    assert len(verdicts) >= 12
    assert done.returncode == 0
