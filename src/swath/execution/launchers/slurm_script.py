"""The batch script of a task array, and the options with which it is submitted."""

import shlex
from collections.abc import Sequence
from pathlib import Path

from .launcher import MAX_PUT_DOWNS, MAX_RESTARTS, PUT_DOWN, Resources

NOTICE_S = 120
"""Seconds before the end of its time at which a task is told, by SIGUSR1. Slurm may be a minute early."""

NOTICE_SHARE = 5
"""At most one part in so many of the time is notice: a task must get on before it has to put itself down."""

JOB_NAME = "swath"
"""Name of jobs; followed by that of the launch, if it has one."""

KILLED_SHARE = 0.75
"""Share of the notice after which a task that did not put itself down is killed, to be requeued."""

PAUSES_S = (1, 2, 5, 10, 20, 30, 60, 60, 60)
"""Seconds between two attempts to reach Slurm's controller, which may be restarting."""

SCRIPT = """\
#!/bin/bash
# One task of an array. Its exit status: 0 is done, {put_down} and signals start it again, others have failed.
number=$(( {offset} + SLURM_ARRAY_TASK_ID ))
job=${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID
timer=
told() {{  # comes here only: the time is nearly over
  kill -USR1 "$task"
  {{ sleep {patience_s}; kill -KILL "$task"; }} >/dev/null 2>&1 &
  timer=$!
}}
trap told USR1
trap : TERM                     # the task has it from Slurm too: it is cancelled or preempted
{argv} "$number" &
task=$!
while kill -0 "$task" 2>/dev/null; do wait "$task"; done  # a signal ends a wait
wait "$task"
status=$?
if [ "$timer" ]; then kill "$timer" 2>/dev/null; fi
limit=0
if [ "$status" -gt 128 ]; then limit={max_restarts}; fi
if [ "$status" -eq {put_down} ]; then limit={max_put_downs}; fi
if [ "${{SLURM_RESTART_COUNT:-0}}" -ge "$limit" ]; then exit "$status"; fi
for pause in {pauses}; do
  if state=$(squeue -h -j "$job" -o %T); then
    # A job that is cancelled or preempted is not RUNNING any more; to requeue it would undo that.
    if [ "$state" != RUNNING ]; then break; fi
    echo "swath: task $number ended with status $status, and is requeued"
    if scontrol requeue "$job"; then break; fi
  fi
  echo "swath: Slurm does not answer; asking it again in $pause s"
  sleep "$pause"
done
exit "$status"
"""


def batch_script(argv: Sequence[str], offset: int, time_min: int = 0) -> str:
    """The script of an array.

    Args:
      argv: program and arguments of a task, without its number.
      offset: number of the task whose index in the array is 0.
      time_min: minutes that a task may take; 0 for what Slurm gives by itself.
    """
    return SCRIPT.format(
        argv=shlex.join(argv),
        offset=offset,
        put_down=PUT_DOWN,
        max_restarts=MAX_RESTARTS,
        max_put_downs=MAX_PUT_DOWNS,
        patience_s=round(KILLED_SHARE * notice_s(time_min)),
        pauses=" ".join(map(str, PAUSES_S)),
    )


def notice_s(time_min: int) -> int:
    """Seconds before the end of its time at which a task is told.

    Args:
      time_min: minutes that it may take; 0 for what Slurm gives by itself.
    """
    return min(NOTICE_S, time_min * 60 // NOTICE_SHARE) if time_min else NOTICE_S


def batch_options(
    resources: Resources, size: int, logs: Path, *, name: str = "", after: str = ""
) -> list[str]:
    """Options of `sbatch` for an array. Those that a user has added come last, and so win.

    Args:
      resources: what tasks get.
      size: number of tasks in the array.
      logs: folder of the tasks' output.
      name: of the launch, by which its jobs can be found; empty for none.
      after: job that has to end before; empty for none.
    """
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
        f"--job-name={JOB_NAME}-{name}" if name else f"--job-name={JOB_NAME}",
        f"--array=0-{size - 1}%{resources.workers}",
        "--requeue",
        f"--signal=B:USR1@{notice_s(resources.time_min)}",
        "--open-mode=append",
        f"--output={str(logs).replace('%', '%%')}/%A_%a.log",
        "--export=ALL",
        "--ntasks=1",
        f"--cpus-per-task={resources.cpus}",
        *(f"--{name}={value}" for name, value in given.items() if value),
        *resources.extra,
    ]
