"""swath's configs are composed by `hydra.compose` in any program, and cost other programs nothing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from swath.config import config_folder

COMPOSE = """
import json, sys
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
with initialize_config_dir(sys.argv[1], version_base="1.3"):
    config = compose(sys.argv[2], sys.argv[3:])
swath = sorted(name for name in sys.modules if name.split(".")[0] in ("swath", "tensorflow", "mlflow"))
print(json.dumps([OmegaConf.to_container(config, resolve=True), swath]))
"""


def composed(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", COMPOSE, str(folder), *arguments]
    return subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("folder", "name"), [("conf", "config"), ("conf", "base"), ("sweeps", "grid"), ("sweeps", "quickstart")]
)
def test_config_is_composed(folder: str, name: str) -> None:
    done = composed(config_folder(folder), name, "max_steps=3")
    assert done.returncode == 0, done.stderr
    config, loaded = json.loads(done.stdout)
    assert config["max_steps"] == 3
    assert config["tracking"]["curves"] == "metrics"
    assert not {"tensorflow", "mlflow"} & set(loaded)


@pytest.mark.parametrize("change", ["max_steps=abc", "max_step=3"])
def test_schema_is_that_of_swath(change: str) -> None:
    assert composed(config_folder("conf"), "config", change).returncode != 0


def test_program_with_configs_of_its_own_does_not_import_swath(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("x: 3\n")
    done = composed(tmp_path, "config", "x=4")
    assert json.loads(done.stdout) == [{"x": 4}, []]
