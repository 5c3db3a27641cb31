"""Tasks as job arrays of Slurm, by plain `sbatch`, `squeue` and `scancel`. No accounting is needed."""

import contextlib
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from swath.errors import AwayError, SwathError, UsageError

from .child import CPUS
from .folders import make_folder
from .launcher import Kind, Resources, States, TaskState, all_of, join_ids, split_ids
from .slurm_script import JOB_NAME, batch_options, batch_script

TIMEOUT_S = 60
"""Seconds that a program of Slurm may take. It gives up by itself after ten, by default."""

CHECK_S = 10
"""Seconds that Slurm may take to say whether it would accept a job."""

ARRAY_SIZE = 1001
"""Tasks that an array can have where Slurm does not tell (MaxArraySize)."""

OF_A_JOB = (
    "SLURM_RESTART",
    "SLURM_JOB",
    "SLURM_ARRAY",
    "SLURM_CPUS",
    "SLURM_MEM",
    "SLURM_NODE",
    "SLURM_TASK",
    "SLURM_STEP",
)
"""How names of variables begin in which Slurm tells a task what it has."""

WAITING = ("PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "SPECIAL_EXIT")

RUNNING = (
    "CONFIGURING", "RUNNING", "COMPLETING", "SUSPENDED", "STOPPED", "SIGNALING", "STAGE_OUT", "RESIZING",
    "PREEMPTED",
)  # fmt: skip

COLUMNS = {
    "ArrayJobID": 16,
    "ArrayTaskID": 16,
    "State": 16,
    "exit_code": 16,
    "RestartCnt": 16,
    "NodeList": 64,
}

HINTS = (
    ("account", "account", "one of yours, which `sacctmgr show associations` lists; executor.account=NAME"),
    ("partition", "partition", "one of {partitions}; executor.partition=NAME"),
    ("feature", "constraint", "features that `sinfo -o %f` lists; executor.constraint=FEATURE"),
    ("time", "time_min", "minutes that `sinfo -o '%R %l'` allows; executor.time=MINUTES"),
    ("memory", "memory_mb", "what a node has by `sinfo -o '%N %m'`; executor.memory=MIB"),
    (
        "node configuration",
        "cpus",
        "what a node has by `sinfo -o '%N %c %m %f'`; executor.cpus=N, executor.memory=MIB",
    ),
)
"""Part of an error of sbatch, the resource that it is about, and what to do."""


class SlurmLauncher:
    """Runs tasks as arrays of Slurm; several, one after the other, where one cannot hold them all.

    Slurm requeues tasks whose node died or that were preempted; the batch script requeues those that were put
    down or killed. The output of tasks goes to a folder that every node has to know.
    """

    understands = frozenset(
        {"workers", "cpus", "memory_mb", "time_min", "partition", "constraint", "account", "extra", "logs"}
    )

    def check(self, resources: Resources) -> None:
        """See `Launcher.check`."""
        _check_there()
        options = batch_options(resources, 1, Path(os.devnull).parent)
        script = batch_script(["true"], 0, resources.time_min)
        done = _run("sbatch", "--test-only", *options, text=script, cpus=resources.cpus, limit_s=CHECK_S)
        if done.returncode != 0:
            raise _refusal(done.stderr, resources)

    def named(self, name: str, count: int, resources: Resources) -> str:
        """See `Launcher.named`."""
        return join_ids(f"{JOB_NAME}-{name}", count)

    def start(self, argv: Sequence[str], count: int, resources: Resources, name: str = "") -> str:
        """See `Launcher.start`."""
        _check_there()
        logs = Path(resources.logs).resolve() if resources.logs else make_folder(name)
        logs.mkdir(parents=True, exist_ok=True)
        arrays = -(-count // _array_size())
        size = -(-count // arrays)
        jobs: list[str] = []
        try:
            for offset in range(0, count, size):
                after = jobs[-1] if jobs else ""
                options = batch_options(resources, min(size, count - offset), logs, name=name, after=after)
                jobs.append(_submit(options, batch_script(argv, offset, resources.time_min), resources))
        except BaseException:
            if jobs:
                with contextlib.suppress(SwathError):
                    _scancel(jobs)
            raise
        return join_ids("+".join(jobs), count)

    def state(self, ids: str) -> States:
        """See `Launcher.state`."""
        jobs, count = _jobs(ids)
        layout = ",".join(f"{name}:{width}" for name, width in COLUMNS.items())
        which = ("-j", ",".join(jobs)) if jobs[0].isdecimal() else (f"--name={jobs[0]}",)
        try:
            done = _run("squeue", "-h", "-r", "-t", "all", *which, "-O", f"{layout},Reason:80")
        except SwathError as error:
            return all_of("unknown", count, str(error))
        if done.returncode != 0 and "Invalid job id" not in done.stderr:
            return all_of("unknown", count, _reason(done.stderr))
        rows = [_fields(line) for line in done.stdout.splitlines()]
        if not jobs[0].isdecimal():  # known by their name only: they were submitted in this order
            jobs = sorted({fields[0] for fields in rows}, key=int)
        size = -(-count // max(1, len(jobs)))
        tasks = list(all_of("gone", count, "Slurm has forgotten it").tasks)
        for fields in rows:
            if fields[0] in jobs and fields[1].isdecimal():
                number = jobs.index(fields[0]) * size + int(fields[1])
                if number < count:
                    tasks[number] = _task_state(f"{fields[0]}_{fields[1]}", *fields[2:])
        return States(tuple(tasks))

    def cancel(self, ids: str) -> None:
        """See `Launcher.cancel`."""
        jobs = _jobs(ids)[0]
        _scancel(jobs if jobs[0].isdecimal() else [f"--name={jobs[0]}"])


HELD = "held"
"""In Slurm's reasons for jobs that wait until somebody releases them: "launch failed requeued held"."""


def _task_state(job: str, state: str, wait_status: str, restarts: str, node: str, reason: str) -> TaskState:
    """Where a task stands, from what squeue tells."""
    again = int(restarts) if restarts.isdecimal() else 0
    if state in WAITING:
        if HELD in reason.lower():
            reason = f"Slurm holds {job}: {reason}; `scontrol release {job}` lets it go on"
        return TaskState("waiting", None, again, reason)
    if state in RUNNING:
        return TaskState("running", None, again, node)
    if state == "CANCELLED":
        return TaskState("gone", None, again, "cancelled")
    code = os.waitstatus_to_exitcode(int(wait_status)) if wait_status.isdecimal() else 0
    kind: Kind = "ended"
    if state == "COMPLETED":
        return TaskState(kind, 0, again, node)
    return TaskState(kind, (code if code > 0 else 128 - code) if code else None, again, f"{state} on {node}")


def _submit(options: Sequence[str], script: str, resources: Resources) -> str:
    """Submit an array.

    Returns:
      its job id.
    """
    done = _run("sbatch", *options, text=script, cpus=resources.cpus)
    job = done.stdout.strip().partition(";")[0]
    if done.returncode == 0 and job.isdecimal():
        return job
    raise _refusal(done.stderr, resources)


def _check_there() -> None:
    if shutil.which("sbatch") is None:
        raise UsageError(
            "found no sbatch on PATH, expected the commands of Slurm; type this on a machine from which"
            " jobs are submitted, or choose executor=processes"
        )


def _refusal(stderr: str, resources: Resources) -> SwathError:
    """The error that stands for what `sbatch` said."""
    reason = _reason(stderr)
    if "contact slurm controller" in reason or "configuration source" in reason:
        return SwathError(
            f"Slurm does not answer: {reason}; `scontrol ping` tells whether its controller is up"
        )
    for word, name, expected in HINTS:
        if word in reason.lower():
            found = f"found {name.partition('_')[0]} {getattr(resources, name)!r}"
            if name == "cpus" and resources.memory_mb:
                found += f" and memory {resources.memory_mb}"
            expected = expected.format(partitions=", ".join(_partitions()) or "those of the cluster")
            return UsageError(f"sbatch: {reason}; {found}, expected {expected}")
    return UsageError(f"sbatch: {reason}; the fields executor.* make its options")


def _scancel(jobs: Sequence[str]) -> None:
    done = _run("scancel", "--quiet", *jobs)
    if done.returncode != 0 and "Invalid job id" not in done.stderr:
        raise AwayError(
            f"Slurm does not answer: {_reason(done.stderr)}; `scancel {' '.join(jobs)}` cancels too"
        )


def _run(
    program: str, *arguments: str, text: str = "", cpus: int | None = None, limit_s: float | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run a program of Slurm.

    Raises:
      SwathError: it is not there, or takes too long.
    """
    # A task that submits others must not pass on what Slurm says of itself.
    kept = {key: value for key, value in os.environ.items() if not key.startswith(OF_A_JOB)}
    environment = {**kept, CPUS: str(cpus)} if cpus else kept
    limit_s = limit_s or TIMEOUT_S
    try:
        return subprocess.run(
            [program, *arguments],
            input=text,
            env=environment,
            capture_output=True,
            text=True,
            timeout=limit_s,
        )
    except FileNotFoundError:
        raise SwathError(f"found no {program} on PATH, expected the commands of Slurm") from None
    except subprocess.TimeoutExpired:
        raise AwayError(f"Slurm does not answer: {program} took more than {limit_s} s") from None


def _array_size() -> int:
    """Number of tasks that an array can have.

    Raises:
      SwathError: Slurm does not answer.
    """
    done = _run("scontrol", "show", "config")
    if done.returncode != 0:
        reason = _reason(done.stderr)
        raise AwayError(
            f"Slurm does not answer: {reason}; `scontrol ping` tells whether its controller is up"
        )
    found = re.search(r"^MaxArraySize\s*=\s*(\d+)", done.stdout, re.MULTILINE)
    return max(1, int(found[1])) if found else ARRAY_SIZE


def _partitions() -> list[str]:
    """Names of the partitions."""
    return sorted(set(_run("sinfo", "-h", "-o", "%R").stdout.split()))


def _jobs(ids: str) -> tuple[list[str], int]:
    """The job ids of the arrays, or the one name of them, and the number of tasks."""
    handle, count = split_ids(ids)
    if re.fullmatch(rf"{JOB_NAME}-\d+-\w+", handle):
        return [handle], count
    jobs = handle.split("+")
    if not all(job.isdecimal() for job in jobs):
        raise SwathError(f"found {ids!r}, expected job ids of Slurm such as 4711/830")
    return jobs, count


def _fields(line: str) -> list[str]:
    """The columns of a line of squeue."""
    fields = []
    for width in COLUMNS.values():
        fields.append(line[:width].strip())
        line = line[width:]
    return [*fields, line.strip()]


def _reason(text: str) -> str:
    """What programs of Slurm write in an error, as one line without their names."""
    lines = [
        re.sub(r"^(\w+: |allocation failure: )(error: |fatal: )?(Batch job submission failed: )?", "", line)
        for line in text.splitlines()
    ]
    return "; ".join(line for line in lines if line and not line.startswith("Try ")) or "it said nothing"
