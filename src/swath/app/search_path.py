"""Where Hydra finds swath's configs and named sweeps."""

from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from hydra.plugins.search_path_plugin import SearchPathPlugin

from swath.config.folders import config_folder
from swath.config.node import schema_node


class SwathSearchPath(SearchPathPlugin):
    """Puts the user's own folders first, then `conf` and `sweeps`."""

    user_folders: tuple[Path, ...] = ()
    """What `--config-dir` names. In front of swath's own, so that a run's stored `config.yaml` is found by
    its name; Hydra alone would put it behind."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra when it sets out to look for configs."""
        for folder in self.user_folders:
            search_path.append("user", f"file://{folder}")
        for name in ("conf", "sweeps"):
            search_path.append("swath", f"file://{config_folder(name)}")


def register(user_folders: tuple[Path, ...] = ()) -> None:
    """Tell Hydra, for the rest of this process, where configs are and what their schema is."""
    SwathSearchPath.user_folders = user_folders
    Plugins.instance().register(SwathSearchPath)
    ConfigStore.instance().store(name="run_config", node=schema_node(), provider="swath")


def primary_configs(folders: tuple[Path, ...]) -> list[str]:
    """Names that `-cn` takes: the named sweeps, `config`, and whatever stands in the user's folders."""
    found = [path.stem for folder in (*folders, config_folder("sweeps")) for path in folder.glob("*.yaml")]
    return sorted({"config", *found})
