"""The launchers by name."""

from swath.errors import SwathError

from .launcher import Launcher


def launcher_of(name: str) -> Launcher:
    """The launcher with this name.

    Raises:
      SwathError: there is none.
    """
    if name == "processes":
        from .processes import ProcessLauncher

        return ProcessLauncher()
    if name == "slurm":
        from .slurm import SlurmLauncher

        return SlurmLauncher()
    if name == "ray":
        from .ray import RayLauncher

        return RayLauncher()
    raise SwathError(f"executor {name!r}: this version of swath has no such launcher")
