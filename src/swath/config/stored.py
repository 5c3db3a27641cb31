"""A configuration as text: what is stored with a run so that it can be run again."""

from omegaconf import OmegaConf

from swath.config.fields import computed_values, nested

_HEAD = """\
# What this run computed. Run it again, with the same bits, from the folder that holds this file:
#   swath --config-dir . --config-name config
"""


def stored_config(config: object) -> str:
    """The fields that decide the numbers, as a primary config that extends swath's `base`."""
    values = {"defaults": ["base", "_self_"], **nested(computed_values(config))}
    return _HEAD + OmegaConf.to_yaml(OmegaConf.create(values))


def readable_name(config: object) -> str:
    """The name of a run: `batch_size=100 learning_rate=1e-06 max_steps=1000`."""
    values = computed_values(config)
    return " ".join(f"{name}={values[name]}" for name in ("batch_size", "learning_rate", "max_steps"))
