"""What trains the lane groups of a command: `executor.*`, settings of a sweep."""

from dataclasses import dataclass
from typing import Any, Optional

from swath.config.constraints import Choice, Flag, Lines, Range, Text
from swath.config.fields import setting

EXECUTORS = ("threads", "processes", "slurm", "ray")


@dataclass(frozen=True)
class ExecutorConfig:
    """Threads of this process, or workers that an engine starts."""

    name: str = setting(Choice(EXECUTORS), "What trains the lane groups; executor=NAME chooses it.")
    workers: int = setting(Range(1), "Workers at a time; not with threads.", "workers")
    cpus: int = setting(Range(1), "Processors of each worker.", "processors")
    wait: bool = setting(Flag(), "Watch until the sweep has ended; false: end once the engine has it.")
    arithmetic: str = setting(
        Choice(("same", "any")), "Whether workers may mix whose bits differ; each run records which."
    )
    memory: Optional[int] = setting(  # noqa: UP045  OmegaConf reads this spelling in every version
        Range(1),
        "Memory of each worker; null: the engine's default, with processes an equal share.",
        "megabytes",
    )
    time: Optional[int] = setting(  # noqa: UP045
        Range(1), "Time limit of each worker with slurm; null: the partition's default.", "minutes"
    )
    partition: Optional[str] = setting(Text("a name"), "Partition of Slurm; null: its default.")  # noqa: UP045
    constraint: Optional[str] = setting(  # noqa: UP045
        Text("a feature"), "Feature that Slurm's nodes must have; null: none."
    )
    account: Optional[str] = setting(Text("a name"), "Account of Slurm; null: its default.")  # noqa: UP045
    lines: Any = setting(  # noqa: RUF009
        Lines("--gres=disk:1"), "Further options of sbatch."
    )
    address: Optional[str] = setting(  # noqa: UP045
        Text("an address"), "Ray's head; null: $RAY_ADDRESS, or the Ray of this machine."
    )
