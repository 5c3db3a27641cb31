"""The samplers by name."""

import importlib.metadata
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


LIBRARIES = {"tpe": "optuna", "qmc": "scipy", "random": "numpy"}
"""Packages whose versions decide what a sampler draws."""


def library_of(name: str) -> str:
    """The package that draws a sampler's points, and its version; empty for one that draws nothing."""
    package = LIBRARIES.get(name)
    return "" if package is None else f"{package} {importlib.metadata.version(package)}"


def sampler_of(name: str, space: Space, seed: int) -> Sampler:
    """Create a sampler.

    Raises:
      ConfigError: the sampler cannot propose points of this space, or its library is not installed.
    """
    if name == "grid" and (open_ended := [each for each in space.dimensions if each.is_number]):
        raise ConfigError([f"search.sampler=grid: {open_ended[0].name} is an interval; give its values"])
    return SAMPLERS[name](space, seed)
