"""`hydra/sweeper=lanes`: Hydra's basic sweeper, but it does not compose jobs that were already checked.

The basic sweeper composes every job only to check it, which takes 40 ms per job.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_store import ConfigStore
from hydra.core.override_parser.types import ChoiceSweep, Override, ValueType


@dataclass
class LanesSweeperConf:
    """Config of the sweeper: that of the basic sweeper, and the names of other sweepers for a search.

    swath reads them before Hydra does: a search is none of Hydra's sweeps.
    """

    _target_: str = "hydra_plugins.swath_lanes.sweeper.LanesSweeper"
    max_batch_size: Any = None
    params: Any = field(default_factory=dict)
    n_trials: Any = None
    direction: Any = None
    sampler: Any = None


ConfigStore.instance().store(
    group="hydra/sweeper", name="lanes", node=LanesSweeperConf, provider="swath_lanes"
)


class LanesSweeper(BasicSweeper):
    """A grid over all given values, in the order of Hydra's basic sweeper."""

    def __init__(self, max_batch_size: Any, params: Any = None, **of_a_search: Any) -> None:
        super().__init__(max_batch_size, params)

    def validate_batch_is_legal(self, batch: Any) -> None:
        """Compose every job to check it, unless the jobs were already checked."""
        if not getattr(self.launcher, "jobs_are_checked", False):
            super().validate_batch_is_legal(batch)

    @staticmethod
    def split_arguments(overrides: list[Override], max_batch_size: int | None) -> list[list[list[str]]]:
        """The overrides of each job, in batches; see Hydra's basic sweeper."""
        return BasicSweeper.split_arguments(list(map(_listed, overrides)), max_batch_size)


def _listed(override: Override) -> Override:
    """An override with a list in place of a range, whose sums are rounded: 0.3, not 0.30000000000000004."""
    if override.value_type is not ValueType.RANGE_SWEEP:
        return override
    values = [
        float(f"{value:.15g}") if isinstance(value, float) else value for value in override.sweep_iterator()
    ]
    return replace(override, value_type=ValueType.CHOICE_SWEEP, _value=ChoiceSweep(list=values))
