"""Bundled sweeps with fewer steps: the best model makes the stored predictions; runs are reproducible."""

from pathlib import Path

import numpy as np
import pytest
from support.command import swath, swath_reproduce
from support.models import assert_same_classes, best_run, load_model

from swath.cli.validation import check_command
from swath.config import primary_configs, register
from swath.datasets import load_dataset
from swath.models import DEFAULT_MODEL

BUNDLED = sorted(set(primary_configs(())) - {"config"})
SINGLE = "tutorial_mlp"
"""The only one with a single run."""

FEWER = 20
"""Runs have this many times fewer steps than in the bundled sweep."""

FEWER_OF_NETWORKS = 100
"""The same for models whose steps take longer."""


SEARCHES = ("grid_halved", "minute", "mlp_search", "preprocessing", "search")

OF_A_SEARCH = (
    "search.trials=12",
    "search.within_s=null",
    "search.within_steps=null",
    "search.confirm_seeds=1",
)


def fewer_steps(sweep: str) -> str:
    """An override that divides the values of `max_steps` of a bundled sweep."""
    if sweep == "mlp_search":
        pytest.importorskip("optuna", reason="Optuna is an extra: pip install 'swath[search]'")
    register()
    configs = check_command(sweep, [], sweep != SINGLE, ()).configs
    values = sorted({config.max_steps for config in configs})
    fewer = FEWER if configs[0].model.name == DEFAULT_MODEL else FEWER_OF_NETWORKS
    return "max_steps=" + ",".join(str(steps // fewer) for steps in values)


@pytest.mark.parametrize("sweep", BUNDLED)
def test_bundled_sweep_logs_a_model_that_reproduces_the_predictions(
    sweep: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    cifar10_dir = None if sweep == "quickstart" else request.getfixturevalue("cifar10_dir")
    environment = {} if cifar10_dir is None else {"SWATH_DATA_DIR": str(cifar10_dir)}
    fewer = (fewer_steps(sweep), *(OF_A_SEARCH if sweep in SEARCHES else ()))
    done = swath(tmp_path, "-cn", sweep, *fewer, SWATH_POSTPROCESS="wait", **environment)
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
    selection = [run.info.run_id] if sweep == SINGLE else ["--sweep", sweep]
    assert_every_run_is_reproducible(selection, tmp_path, environment)


def assert_every_run_is_reproducible(selection: list[str], folder: Path, environment: dict[str, str]) -> None:
    """Assert that no run of a bundled sweep differs when it is reproduced."""
    done = swath_reproduce(folder, *selection, **environment)
    verdicts = [line.split("  ")[1].partition("; test accuracy ")[0] for line in done.stdout.splitlines()]
    if selection[-1] in SEARCHES:
        decisions = verdicts.pop(0)
        assert decisions.startswith("every decision follows from the stored values: 12 trials"), done.stdout
    assert verdicts == ["identical, bit for bit"] * len(verdicts), done.stdout
    assert len(verdicts) >= (12 if "--sweep" in selection else 1)
    assert done.returncode == 0
