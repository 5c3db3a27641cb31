"""Composes configs with Hydra and converts their values to the declared types; writes nothing."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra import compose, version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from yaml import YAMLError

from swath.config.additions import KINDS, node_of
from swath.config.folders import config_folder, set_user_folders, user_folders
from swath.config.hydra_errors import composition_mistake, one_line
from swath.config.job_config import JobConfig, build_job
from swath.config.schema import FIELDS, SCHEMA_NAME, schema_node
from swath.errors import ConfigError


def compose_config(config_name: str, lines: list[str]) -> DictConfig:
    """Compose a primary config with overrides; the result includes Hydra's own section.

    Raises:
      ConfigError: Hydra rejects it.
    """
    try:
        return compose(config_name, lines, return_hydra_config=True)
    except RecursionError as error:
        raise ConfigError([f"{config_name}: the config includes itself in its defaults"]) from error
    except (HydraException, OmegaConfBaseException, YAMLError, ValueError) as error:
        raise ConfigError([composition_mistake(config_name, error)]) from error


@contextlib.contextmanager
def hydra_ready() -> Iterator[None]:
    """Initialises Hydra for composing, and clears it afterwards.

    This is what `hydra.initialize` does, without its search for the calling module. The search reads the
    source of every loaded module, which takes 0.4 s once TensorFlow is loaded.
    """
    version.setbase("1.3")
    Hydra.create_main_hydra2("swath", create_config_search_path(None))
    try:
        yield
    finally:
        GlobalHydra.instance().clear()


def config_of(composed: DictConfig) -> JobConfig:
    """The checked configurations in a composed config.

    Raises:
      ConfigError: values are missing, of the wrong type, or out of range.
    """
    return build_job(flat_values(composed))


def flat_values(composed: DictConfig) -> dict[str, Any]:
    """The values of a composed config by dotted name, converted to the declared types.

    Raises:
      ConfigError: a value is missing, or of the wrong type.
    """
    task = [str(key) for key in composed if key != "hydra"]
    mistakes, values = [], {}
    try:
        fields = OmegaConf.masked_copy(composed, task)
        OmegaConf.copy_cache(from_config=composed, to_config=fields)
        resolved = OmegaConf.to_container(fields, resolve=True)
        OmegaConf.copy_cache(from_config=fields, to_config=composed)  # ${now:...} keeps its value
        node = OmegaConf.merge(schema_node(), resolved)
    except OmegaConfBaseException as error:
        raise ConfigError([one_line(error)]) from error
    for name, spec in FIELDS.items():
        if OmegaConf.is_missing(*parent_of(node, name)):
            mistakes.append(f"{name}: no value; expected {spec.expected}")
        else:
            values[name] = OmegaConf.select(node, name)
    if mistakes:
        raise ConfigError(mistakes)
    return values


def parent_of(node: Any, name: str) -> tuple[Any, str]:
    """The node that holds the leaf of a dotted name, and the name of the leaf in it."""
    *groups, leaf = name.split(".")
    for group in groups:
        node = node[group]
    return node, leaf


class SwathSearchPath(SearchPathPlugin):
    """Searches the user's folders first, then `conf` and `sweeps`."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra before it searches for configs.

        The user's folders are searched before swath's own, so that the `config.yaml` of a run is found by its
        name; Hydra would search them last.
        """
        for folder in user_folders():
            search_path.append("user", f"file://{folder}")
        for name in ("conf", "sweeps"):
            search_path.append("swath", f"file://{config_folder(name)}")


def register(folders: tuple[Path, ...] = ()) -> None:
    """Register the search path and the schema with Hydra, for the rest of this process."""
    set_user_folders(folders)
    Plugins.instance().register(SwathSearchPath)
    register_schema()


def register_schema() -> None:
    """Register the schema with Hydra, for the rest of this process, and the choices that have no file."""
    store = ConfigStore.instance()
    store.store(name=SCHEMA_NAME, node=schema_node(), provider="swath")
    for kind in KINDS:
        for name in kind.added:
            store.store(group=kind.group, name=name, node=node_of(kind, name), provider="swath")
