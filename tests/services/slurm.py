"""A Slurm of two nodes on this machine, for tests: `slurm.sh`."""

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SCRIPT = Path(__file__).with_name("slurm.sh")


def why_no_slurm() -> str:
    """Why Slurm cannot be started here; empty if it can."""
    path = f"{os.environ.get('PATH', '')}:/usr/sbin"
    if any(
        shutil.which(program, path=path) is None for program in ("slurmctld", "slurmd", "sbatch", "munged")
    ):
        return "Slurm is not installed; on Debian: apt-get install slurm-wlm munge"
    if os.geteuid() != 0:
        return "Slurm's daemons of the tests run as root"
    return ""


@dataclass
class Slurm:
    """The two nodes n1 and n2, each of one processor, in the partitions `low` and `high`.

    Args:
      folder: of its files. Programs of Slurm find it by SLURM_CONF.
    """

    folder: Path

    @property
    def configuration(self) -> str:
        """Value for SLURM_CONF."""
        return str(self.folder / "slurm.conf")

    def up(self, max_array_size: int = 1001) -> None:
        """Start it, and wait until both nodes are idle."""
        self._do("up", MAX_ARRAY_SIZE=str(max_array_size))

    def kill(self, node: str) -> None:
        """Kill a node, or the `controller`, as a power cut would."""
        self._do("kill", node)

    def revive(self, node: str) -> None:
        """Start the daemon of a killed node, or the `controller`, again."""
        self._do("revive", node)

    def processes(self, node: str) -> list[int]:
        """The processes of a node: its daemon, and what it runs."""
        return [int(line) for line in self._do("processes", node).split()]

    def down(self) -> None:
        """End everything."""
        self._do("down")

    def ask(self, *command: str) -> str:
        """What a program of Slurm prints."""
        done = subprocess.run(
            command, env={**os.environ, "SLURM_CONF": self.configuration}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def _do(self, *arguments: str, **environment: str) -> str:
        path = f"{os.environ.get('PATH', '')}:/usr/sbin"
        # Files, not pipes: the daemons inherit them and would keep pipes open.
        with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
            done = subprocess.run(
                [str(SCRIPT), str(self.folder), *arguments],
                env={**os.environ, "PATH": path, **environment},
                stdout=output,
                stderr=errors,
            )
            output.seek(0)
            errors.seek(0)
            assert done.returncode == 0, errors.read()
            return output.read()
