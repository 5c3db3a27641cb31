"""The folders that hold configs: swath's own, and those of the user."""

from collections.abc import Sequence
from pathlib import Path

from swath.config.additions import KINDS

BUNDLED = Path(__file__).resolve().parent / "bundled"
"""The folder that holds `conf` and `sweeps` in the wheel."""


def config_folder(name: str) -> Path:
    """The folder `conf` or `sweeps`, in the installed package or in the checkout."""
    bundled = BUNDLED / name
    return bundled if bundled.is_dir() else BUNDLED.parents[3] / name


def config_groups(user_folders: Sequence[Path] = ()) -> dict[str, list[str]]:
    """The names of the configs in each config group (folder of `conf/`), without Hydra's own groups.

    Args:
      user_folders: further folders that may hold configs of these groups.
    """
    conf = config_folder("conf")
    groups = sorted(path.name for path in conf.iterdir() if path.is_dir() and path.name != "hydra")
    found = {
        group: {path.stem for folder in (*user_folders, conf) for path in (folder / group).glob("*.yaml")}
        for group in groups
    }
    for kind in KINDS:
        found[kind.group].update(kind.added)  # what packages add has no file
    return {group: sorted(names) for group, names in found.items()}


def primary_configs(folders: tuple[Path, ...]) -> list[str]:
    """The names that `-cn` accepts: the named sweeps, `config`, and the configs in the user's folders."""
    found = [path.stem for folder in (*folders, config_folder("sweeps")) for path in folder.glob("*.yaml")]
    return sorted({"config", *found})


_user_folders: list[Path] = []


def user_folders() -> tuple[Path, ...]:
    """The folders of `--config-dir`."""
    return tuple(_user_folders)


def set_user_folders(folders: Sequence[Path]) -> None:
    """Set the folders of `--config-dir`, for the rest of this process."""
    _user_folders[:] = folders
