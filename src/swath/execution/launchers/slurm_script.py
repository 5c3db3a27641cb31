"""The batch script of a task array, and the options with which it is submitted."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from .launcher import MAX_RESTARTS, PUT_DOWN, Resources

NOTICE_S = 120
"""Seconds before the end of its time at which a task is told, by SIGUSR1. Slurm may be a minute early."""

NOTICE_SHARE = 5
"""At most one part in so many of the time is notice: a task must get on before it has to put itself down."""

SCRIPT = """\
#!/bin/bash
# One task of an array. Its exit status: 0 is done, {put_down} and signals start it again, others have failed.
number=$(( {offset} + SLURM_ARRAY_TASK_ID ))
job=${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID
trap 'kill -USR1 "$task"' USR1  # comes here only: the time is nearly over
trap : TERM                     # the task has it from Slurm too: it is cancelled or preempted
{argv} "$number" &
task=$!
while kill -0 "$task" 2>/dev/null; do wait "$task"; done  # a signal ends a wait
wait "$task"
status=$?
again=
if [ "$status" -eq {put_down} ]; then again=yes; fi
if [ "$status" -gt 128 ] && [ "${{SLURM_RESTART_COUNT:-0}}" -lt {max_restarts} ]; then again=yes; fi
# A job that is cancelled or preempted is not RUNNING any more; to requeue it would undo that.
if [ "$again" ] && [ "$(squeue -h -j "$job" -o %T)" = RUNNING ]; then
  echo "swath: task $number ended with status $status, and is requeued"
  scontrol requeue "$job"
fi
exit "$status"
"""


def batch_script(argv: Sequence[str], offset: int) -> str:
    """The script of an array.

    Args:
      argv: program and arguments of a task, without its number.
      offset: number of the task whose index in the array is 0.
    """
    return SCRIPT.format(argv=shlex.join(argv), offset=offset, put_down=PUT_DOWN, max_restarts=MAX_RESTARTS)


def batch_options(resources: Resources, size: int, logs: Path, *, after: str = "") -> list[str]:
    """Options of `sbatch` for an array. Those that a user has added come last, and so win.

    Args:
      resources: what tasks get.
      size: number of tasks in the array.
      logs: folder of the tasks' output.
      after: job that has to end before; empty for none.
    """
    notice_s = min(NOTICE_S, resources.time_min * 60 // NOTICE_SHARE) if resources.time_min else NOTICE_S
    given = {
        "partition": resources.partition,
        "account": resources.account,
        "constraint": resources.constraint,
        "time": str(resources.time_min or ""),
        "mem": f"{resources.memory_mb}M" if resources.memory_mb else "",
        "dependency": f"afterany:{after}" if after else "",
    }
    return [
        "--parsable",
        "--job-name=swath",
        f"--array=0-{size - 1}%{resources.workers}",
        "--requeue",
        f"--signal=B:USR1@{notice_s}",
        "--open-mode=append",
        f"--output={str(logs).replace('%', '%%')}/%A_%a.log",
        "--export=ALL",
        "--ntasks=1",
        f"--cpus-per-task={resources.cpus}",
        *(f"--{name}={value}" for name, value in given.items() if value),
        *resources.extra,
    ]
