"""Configs of many jobs, each composed from nothing only where it has to be."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from hydra._internal.config_loader_impl import get_overrides_dirname
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException


class JobConfigs:
    """Composes what `ConfigLoader.load_sweep_config` composes.

    Where overrides only set leaves that exist, the config of another job with the same leaves and the same
    other overrides is set to the new values instead: OmegaConf applies them as it does while composing.
    """

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        """Prepare.

        Args:
          loader: Hydra's.
          master: the config of the whole sweep.
        """
        self._loader = loader
        self._master = master
        self._bases: dict[tuple[tuple[str, ...], tuple[str, ...]], DictConfig] = {}
        self._parser = OverridesParser.create(loader)
        self._parsed = lru_cache(maxsize=4096)(self._parse)
        self._is_group = lru_cache(maxsize=4096)(lambda name: bool(loader.get_group_options(name)))

    def config(self, overrides: Sequence[str], number: int) -> DictConfig:
        """The config of one job, with Hydra's part; valid until the next call.

        Args:
          overrides: of the job.
          number: of the job.
        """
        parsed = [self._parsed(text) for text in overrides]
        leaves = [override for override in parsed if self._sets_a_leaf(override)]
        others = [override for override in parsed if override not in leaves]
        names = tuple(override.key_or_group for override in leaves)
        key = names, tuple(str(override.input_line) for override in others)
        base = self._bases.pop(key, None)  # back in when it is whole
        try:
            if base is not None:
                _forget_job(base)
                _set(base, leaves, parsed)
        except OmegaConfBaseException:
            base = None  # composing says what is wrong, in Hydra's words
        if base is None:
            base = self._loader.load_sweep_config(self._master, list(overrides))
        # Leaves are set after groups have been chosen, and never touch Hydra's part. Anything else might set,
        # or delete, what a leaf sets, and then the order counts.
        apart = all(
            override.is_hydra_override() or self._is_group(override.key_or_group) for override in others
        )
        if apart and len(set(names)) == len(names) and all(_is_leaf(base, name) for name in names):
            self._bases[key] = base
        with open_dict(base), read_write(base):
            base.hydra.job.id = number
            base.hydra.job.num = number
        return base

    def _parse(self, text: str) -> Override:
        (override,) = self._parser.parse_overrides([text])
        return override

    def _sets_a_leaf(self, override: Override) -> bool:
        """Whether an override does no more than give a field another value."""
        return (
            override.type is not None
            and override.type.name == "CHANGE"
            and override.package is None
            and not override.is_hydra_override()
            and isinstance(override.value(), str | int | float | bool | None)
            and not self._is_group(override.key_or_group)
        )


def _is_leaf(config: DictConfig, name: str) -> bool:
    try:
        value: Any = OmegaConf.select(config, name, throw_on_missing=False)
    except OmegaConfBaseException:
        return False
    return not OmegaConf.is_config(value)


def _forget_job(config: DictConfig) -> None:
    """Undo what Hydra's `run_job` does to the config of a job: freezes its own part, and names its folder."""
    OmegaConf.set_readonly(config.hydra, None)
    config.hydra.runtime.output_dir = "???"


def _set(config: DictConfig, leaves: Sequence[Override], overrides: Sequence[Override]) -> None:
    with read_write(config):
        for override in leaves:
            OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
        task = [override for override in overrides if not override.is_hydra_override()]
        config.hydra.overrides.task = [override.input_line for override in task]
        naming = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = get_overrides_dirname(
            overrides=task,
            kv_sep=naming.kv_sep,
            item_sep=naming.item_sep,
            exclude_keys=naming.exclude_keys,
        )
