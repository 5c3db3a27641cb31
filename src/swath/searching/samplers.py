"""The samplers by name."""

from collections.abc import Callable

from swath.errors import ConfigError
from swath.searching.sampling import GridSampler, QmcSampler, RandomSampler, Sampler
from swath.searching.space import Space
from swath.searching.tpe import TpeSampler

SAMPLERS: dict[str, Callable[[Space, int], Sampler]] = {
    "qmc": QmcSampler,
    "random": RandomSampler,
    "tpe": TpeSampler,
    "grid": GridSampler,
}
"""Samplers by the value of `search.sampler`."""


def sampler_of(name: str, space: Space, seed: int) -> Sampler:
    """Create a sampler.

    Raises:
      ConfigError: the sampler cannot propose points of this space, or its library is not installed.
    """
    if name == "grid" and (open_ended := [each for each in space.dimensions if each.is_number]):
        raise ConfigError([f"search.sampler=grid: {open_ended[0].name} is an interval; give its values"])
    return SAMPLERS[name](space, seed)
