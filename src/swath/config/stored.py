"""A configuration as text: what is stored with a run so that it can be run again."""

from collections.abc import Sequence

from omegaconf import OmegaConf

from swath.config.fields import computed_values, named_values, nested

NAMED = ("batch_size", "learning_rate", "max_steps")
"""The fields that name a configuration where nothing varies."""

_HEAD = """\
# What this run computed. Run it again, with the same bits, from the folder that holds this file:
#   swath --config-dir . --config-name config
"""


def stored_config(config: object) -> str:
    """The fields that decide the numbers, as a primary config that extends swath's `base`."""
    values = {"defaults": ["base", "_self_"], **nested(computed_values(config))}
    return _HEAD + OmegaConf.to_yaml(OmegaConf.create(values))


def readable_name(config: object, swept: Sequence[str] = ()) -> str:
    """The name of a run, by what varies in its sweep: `learning_rate=1e-06 seed=1`.

    MLflow's page of charts shows some twenty characters of it, so nothing stands in it that is the same in
    all runs.

    Args:
      config: of the run.
      swept: the fields that vary, by dotted name; without any, `NAMED`.
    """
    return named_values(computed_values(config), swept or NAMED)
