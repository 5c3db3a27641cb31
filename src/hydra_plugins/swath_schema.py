"""Registers the schema of swath's configs, so that `hydra.compose` can read them in any program.

Every program that uses Hydra imports this module when it starts, so it imports swath only for a program whose
configs are swath's own.
"""

from pathlib import Path

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.plugins.search_path_plugin import SearchPathPlugin

SCHEMA = "run_config"
"""Name of the schema; `base.yaml` extends it."""

_SOURCE = Path(__file__).resolve().parents[1]

_PLACES = (_SOURCE / "swath" / "config" / "bundled", _SOURCE.parent)
"""Where the folders `conf` and `sweeps` may be: in the installed package, in the checkout."""


class SwathSchema(SearchPathPlugin):
    """Registers the schema if swath's configs are searched; its sweeps find the configs that they extend."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra before it searches for configs."""
        paths = {str(element.path).removeprefix("file://") for element in search_path.get_path()}
        for place in _PLACES:
            conf, sweeps = str(place / "conf"), str(place / "sweeps")
            if not paths & {conf, sweeps}:
                continue
            if conf not in paths:
                search_path.append("swath", f"file://{conf}")
            if f"{SCHEMA}.yaml" not in ConfigStore.instance().repo:
                from swath.config import register_schema

                register_schema()
            return
