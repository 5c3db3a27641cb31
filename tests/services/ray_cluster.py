"""A Ray of a head and two nodes on this machine, for tests: `ray_cluster.sh`."""

import importlib.util
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("ray_cluster.sh")


def why_no_ray() -> str:
    """Why Ray cannot be started here; empty if it can."""
    if importlib.util.find_spec("ray") is None:
        return "Ray is not installed in this environment; `make test-ray` makes one"
    return ""


@dataclass
class RayCluster:
    """A head, which runs no tasks, and the nodes n1 and n2, each of one processor.

    Args:
      folder: of its files. The path must be short: names of sockets are made of it.
    """

    folder: Path

    def up(self) -> None:
        """Start it."""
        self._do("up")

    def kill(self, name: str) -> None:
        """Kill a node, or the head, as a power cut would."""
        self._do("kill", name)

    def start(self, name: str) -> None:
        """Start a node, or the head, again."""
        self._do("start", name)

    def processes(self, name: str) -> list[int]:
        """The processes of a node, or of the head, and what they run."""
        return [int(line) for line in self._do("processes", name).split()]

    def down(self) -> None:
        """End everything."""
        self._do("down")

    @property
    def variables(self) -> dict[str, str]:
        """Variables by which Ray's programs find it."""
        lines = (self.folder / "environment").read_text().splitlines()
        return {name: value for name, _, value in (line.partition("=") for line in lines)}

    def _do(self, *arguments: str) -> str:
        # Files, not pipes: the daemons inherit them and would keep pipes open.
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            done = subprocess.run(
                [str(SCRIPT), str(self.folder), *arguments],
                env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
                stdout=output,
                stderr=errors,
            )
            output.seek(0)
            errors.seek(0)
            assert done.returncode == 0, errors.read()
            return output.read()
