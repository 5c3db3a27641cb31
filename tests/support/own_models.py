"""Models of packages and programs for tests: small ones, and packages that are installed in a folder."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
from numpy.typing import NDArray

from swath.config import add_declared
from swath.config.additions import MODELS as MODEL_KIND
from swath.config.additions import remove
from swath.models import OwnModel, tf

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "own_model"

DECLARATION = """
from swath.config import Range, model_field
from swath.models import OwnModel

MODEL = OwnModel(
    "{name}",
    "{module}.network:make",
    {{"{field}": model_field({default}, Range({least}), "Units.", unit="units")}},
)
"""


class TanhNetwork:
    """`tanh(inputs @ first) @ second`, with arrays that a test gives or that the seed draws."""

    name = "tanh_network"
    layout = "pixels"
    penalized = ("first", "second")

    def __init__(self, pixels: int, units: int, classes: int) -> None:
        self.shapes = {"first": (pixels, units), "second": (units, classes)}

    def init(self, seed: int) -> dict[str, NDArray[np.float32]]:
        generator = np.random.default_rng(seed)
        return {
            name: (generator.standard_normal(shape) / shape[0] ** 0.5).astype(np.float32)
            for name, shape in self.shapes.items()
        }

    def losses(self, parameters: Mapping[str, Any], inputs: Any, labels: Any) -> tuple[Any, Any]:
        logits = tf.tanh(inputs @ parameters["first"]) @ parameters["second"]
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits), logits


def make_tanh(fields: Mapping[str, Any], image_shape: tuple[int, int, int], classes: int) -> TanhNetwork:
    return TanhNetwork(int(np.prod(image_shape)), fields.get("units", 4), classes)


@contextlib.contextmanager
def added(own: OwnModel) -> Iterator[None]:
    """Add a model as a program does, for a while."""
    add_declared(own)
    try:
        yield
    finally:
        remove(MODEL_KIND, own.name)


@contextlib.contextmanager
def example_added() -> Iterator[None]:
    """Add the model of the example package, for a while."""
    place = str(EXAMPLE / "src")
    sys.path.insert(0, place)
    try:
        from swath_convnet import CONVNET

        with added(CONVNET):
            yield
    finally:
        sys.path.remove(place)


def install_example(folder: Path) -> None:
    """Install the example as pip does, without a network."""
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), str(EXAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def write_package(folder: Path, name: str, code: str, point: str | None = None) -> None:
    """Write a package with metadata, as an installer leaves it in a folder of `sys.path`.

    Args:
      folder: such as a folder of PYTHONPATH.
      name: of the module; the distribution has the same name, version 1.0.
      code: of its `__init__.py`.
      point: `NAME = MODULE:OBJECT` in the group `swath.models`; None for `NAME = NAME:MODEL`.
    """
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text(dedent(code), encoding="utf-8")
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    points = f"[swath.models]\n{point or f'{name} = {name}:MODEL'}\n"
    (info / "entry_points.txt").write_text(points, encoding="utf-8")


def declaration(name: str, field: str = "units", default: object = 4, least: object = 1) -> str:
    """Code that declares a model with one field; its network cannot be imported."""
    return DECLARATION.format(name=name, module=name, field=field, default=default, least=least)
