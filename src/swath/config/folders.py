"""Where the configs and named sweeps that come with swath lie."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def config_folder(name: str) -> Path:
    """The folder `conf` or `sweeps`: inside the installed package, or at the top of the checkout."""
    packaged = PACKAGE / name
    return packaged if packaged.is_dir() else PACKAGE.parents[1] / name
