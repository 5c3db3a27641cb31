"""The built wheel in its own virtual environment, outside the checkout."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
UV = Path(sys.executable).parent / "uv"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scripts folder of an empty environment in which only the wheel is installed."""
    if not UV.exists():
        pytest.skip("uv is not installed beside Python; make test installs it")
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "environment")
    binaries = folder / "environment" / "bin"
    install = [str(UV), "pip", "install", "--quiet", "--python", str(binaries / "python")]
    done = subprocess.run(
        [*install, "--constraint", str(ROOT / "requirements.lock"), str(wheel)], check=False
    )
    assert done.returncode == 0
    return binaries


def run(installed: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SWATH_CACHE_DIR": str(folder / "cache")}
    environment.pop("PYTHONPATH", None)
    return subprocess.run(
        [str(installed / "swath"), *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_installed_wheel_lists_the_named_sweeps(installed: Path, tmp_path: Path) -> None:
    shown = run(installed, tmp_path, "--help").stdout
    assert "quickstart" in shown
    assert "learning_rate" in shown


def test_installed_wheel_runs_a_named_sweep_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    done = run(installed, tmp_path, "-cn", "quickstart", "max_steps=20")
    assert done.returncode == 0, done.stderr
    assert "6 of 6 runs finished" in done.stderr
    assert len(done.stdout.splitlines()) == 7
    assert (tmp_path / "mlflow.db").exists()


def test_installed_wheel_is_not_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = subprocess.run(
        [str(installed / "python"), "-c", "import swath; print(swath.__file__)"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert not Path(where.strip()).is_relative_to(ROOT)
