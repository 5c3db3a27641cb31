"""What the launcher says to Slurm, and what it makes of the answers; the programs of Slurm are made up."""

import os
import subprocess
import time
from pathlib import Path

import pytest

from swath.errors import AwayError, SwathError, UsageError
from swath.execution.launchers import Resources, SlurmLauncher, TaskState, slurm, slurm_script
from swath.execution.launchers.slurm_script import batch_options, batch_script

LAUNCHER = SlurmLauncher()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of made-up programs of Slurm, which note how they were called in `calls`."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "cache"))
    make(folder, "scontrol", "echo 'MaxArraySize            = 1001'")
    make(folder, "sinfo", "echo low; echo high")
    make(folder, "scancel", "exit 0")
    make(
        folder,
        "sbatch",
        f"cat > {folder}/script.$$; echo $(( 4711 + $(grep -c ^sbatch {folder}/calls) - 1 ))",
    )
    return folder


def make(folder: Path, name: str, body: str) -> None:
    program = folder / name
    program.write_text(f'#!/bin/bash\necho "{name} $*" >> {folder}/calls\n{body}\n')
    program.chmod(0o755)


def calls(folder: Path, name: str) -> list[str]:
    lines = (folder / "calls").read_text().splitlines()
    return [line for line in lines if line.startswith(f"{name} ")]


def squeue(folder: Path, *rows: tuple[str, ...]) -> None:
    lines = ["".join(f"{text:<{width}}" for text, width in zip(row, WIDTHS, strict=True)) for row in rows]
    (folder / "queue").write_text("\n".join(lines))
    make(folder, "squeue", f"cat {folder}/queue")


WIDTHS = [*slurm.COLUMNS.values(), 80]


def test_one_array_has_all_tasks_and_the_resources_asked_for(programs: Path) -> None:
    resources = Resources(
        workers=8,
        cpus=2,
        memory_mb=3000,
        time_min=30,
        partition="short",
        constraint="avx512",
        account="vision",
        extra=("--gres=gpu:1", "--nice"),
        logs=str(programs / "logs"),
    )
    assert LAUNCHER.start(["swath-worker", "a b"], 830, resources) == "4711/830"
    (call,) = calls(programs, "sbatch")
    assert call.split()[1:] == [
        "--parsable",
        "--job-name=swath",
        "--array=0-829%8",
        "--requeue",
        "--signal=B:USR1@120",
        "--open-mode=append",
        f"--output={programs}/logs/%A_%a.log",
        "--export=ALL",
        "--ntasks=1",
        "--cpus-per-task=2",
        "--partition=short",
        "--account=vision",
        "--constraint=avx512",
        "--time=30",
        "--mem=3000M",
        "--gres=gpu:1",
        "--nice",
    ]
    (script,) = programs.glob("script.*")
    assert "\nswath-worker 'a b' \"$number\" &\n" in script.read_text()


def test_what_is_not_asked_for_is_left_to_slurm(tmp_path: Path) -> None:
    names = {option.partition("=")[0] for option in batch_options(Resources(), 1, tmp_path)}
    assert not names & {"--partition", "--account", "--constraint", "--time", "--mem", "--dependency"}


@pytest.mark.parametrize(("time_min", "notice_s"), [(0, 120), (60, 120), (10, 120), (5, 60), (1, 12)])
def test_notice_leaves_most_of_the_time_for_work(tmp_path: Path, time_min: int, notice_s: int) -> None:
    assert f"--signal=B:USR1@{notice_s}" in batch_options(Resources(time_min=time_min), 1, tmp_path)


@pytest.mark.parametrize(
    ("count", "ids", "ranges"),
    [
        (1001, "4711/1001", ["0-1000%4"]),
        (1002, "4711+4712/1002", ["0-500%4", "0-500%4"]),
        (2500, "4711+4712+4713/2500", ["0-833%4", "0-833%4", "0-831%4"]),
    ],
)
def test_arrays_are_no_larger_than_slurm_allows_and_follow_each_other(
    programs: Path, count: int, ids: str, ranges: list[str]
) -> None:
    assert LAUNCHER.start(["true"], count, Resources(workers=4)) == ids
    submitted = calls(programs, "sbatch")
    assert [f"--array={one}" in call for one, call in zip(ranges, submitted, strict=True)] == [True] * len(
        ranges
    )
    assert ["--dependency" in call for call in submitted] == [False] + [True] * (len(ranges) - 1)
    assert all(f"afterany:{4711 + n} " in f"{call} " for n, call in enumerate(submitted[1:]))


def carried_out(script: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    variables = {"SLURM_ARRAY_JOB_ID": "4711", "SLURM_ARRAY_TASK_ID": "5", "PATH": os.environ["PATH"]}
    return subprocess.run(
        ["bash", "-c", script], env={**variables, **environment}, capture_output=True, text=True
    )


def test_tasks_of_later_arrays_have_their_own_numbers() -> None:
    done = carried_out(batch_script(["echo"], 834))
    assert (done.stdout, done.stderr, done.returncode) == ("839\n", "", 0)


@pytest.mark.parametrize(
    ("end", "state", "restarts", "is_requeued"),
    [
        ("exit 75", "RUNNING", "", True),
        ("exit 75", "RUNNING", "499", True),
        ("exit 75", "RUNNING", "500", False),
        ("exit 75", "COMPLETING", "", False),
        ("exit 75", "", "", False),
        ("kill -9 $$", "RUNNING", "", True),
        ("kill -9 $$", "RUNNING", "19", True),
        ("kill -9 $$", "RUNNING", "20", False),
        ("kill -9 $$", "COMPLETING", "", False),
        ("exit 3", "RUNNING", "", False),
        ("exit 0", "RUNNING", "", False),
    ],
)
def test_a_script_requeues_its_task_unless_it_is_done_failed_or_cancelled(
    programs: Path, end: str, state: str, restarts: str, is_requeued: bool
) -> None:
    make(programs, "squeue", f"echo {state}")
    (programs / "calls").write_text("")
    done = carried_out(batch_script(["bash", "-c", end], 0), SLURM_RESTART_COUNT=restarts)
    assert calls(programs, "scontrol") == (["scontrol requeue 4711_5"] if is_requeued else [])
    assert done.returncode == {"exit 75": 75, "exit 3": 3, "exit 0": 0, "kill -9 $$": 137}[end]


@pytest.mark.parametrize("program", ["squeue", "scontrol"])
def test_a_controller_that_does_not_answer_for_a_moment_loses_no_requeue(
    programs: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(slurm_script, "PAUSES_S", (0.1, 0.1, 0.1))
    make(programs, "squeue", "echo RUNNING")
    fails_twice = f"[ $(grep -c '^{program}' {programs}/calls) -gt 2 ] || {{ echo timed out >&2; exit 1; }}"
    make(programs, program, f"{fails_twice}; echo RUNNING")
    carried_out(batch_script(["bash", "-c", "exit 75"], 0))
    assert len(calls(programs, program)) == 3
    assert calls(programs, "scontrol")[-1] == "scontrol requeue 4711_5"


def test_a_task_that_ignores_the_notice_is_killed_in_time_and_requeued(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slurm does not requeue what its time limit has ended."""
    make(programs, "squeue", "echo RUNNING")
    monkeypatch.setattr(slurm_script, "KILLED_SHARE", 0.05)  # of 12 s: a second
    task = "trap '' USR1; sleep 0.3; kill -USR1 $PPID; while :; do sleep 0.1; done"
    began_s = time.monotonic()
    done = carried_out(batch_script(["bash", "-c", task], 0, time_min=1))
    assert done.returncode == 137
    assert time.monotonic() - began_s < 10
    assert calls(programs, "scontrol") == ["scontrol requeue 4711_5"]


def test_a_script_passes_the_notice_on_and_outlives_the_end_that_its_task_is_told_too(programs: Path) -> None:
    make(programs, "squeue", "echo RUNNING")
    task = "trap 'exit 75' USR1; kill -TERM $PPID; sleep 0.2; kill -USR1 $PPID; while :; do sleep 0.1; done"
    done = carried_out(batch_script(["bash", "-c", task], 0))
    assert done.returncode == 75
    assert calls(programs, "scontrol") == ["scontrol requeue 4711_5"]


def test_where_an_array_is_refused_those_before_it_are_cancelled(programs: Path) -> None:
    first = f"[ $(grep -c ^sbatch {programs}/calls) = 1 ] && echo 4711 && exit"
    make(programs, "sbatch", f"{first}; echo 'sbatch: error: no' >&2; exit 1")
    with pytest.raises(UsageError, match=r"^sbatch: no; the fields executor\.\* make its options$"):
        LAUNCHER.start(["true"], 2000, Resources())
    assert calls(programs, "scancel") == ["scancel --quiet 4711"]


FAILED = "sbatch: error: Batch job submission failed: "


@pytest.mark.parametrize(
    ("stderr", "words"),
    [
        (
            f"sbatch: error: invalid partition specified: p\n{FAILED}Invalid partition name specified",
            "invalid partition specified: p; Invalid partition name specified; "
            "found partition 'p', expected one of high, low; executor.partition=NAME",
        ),
        (
            f"{FAILED}Invalid account or account/partition combination specified",
            "Invalid account or account/partition combination specified; found account 'a', expected one of "
            "yours, which `sacctmgr show associations` lists; executor.account=NAME",
        ),
        (
            f"{FAILED}Requested time limit is invalid (missing or exceeds some limit)",
            "Requested time limit is invalid (missing or exceeds some limit); found time 7, expected minutes "
            "that `sinfo -o '%R %l'` allows; executor.time=MINUTES",
        ),
        (
            f"{FAILED}Requested node configuration is not available",
            "Requested node configuration is not available; found cpus 3, expected what a node has by "
            "`sinfo -o '%N %c %m %f'`; executor.cpus=N, executor.memory=MIB",
        ),
        (
            "sbatch: unrecognized option '--x'\nTry \"sbatch --help\" for more information",
            "unrecognized option '--x'; the fields executor.* make its options",
        ),
        ("", "it said nothing; the fields executor.* make its options"),
    ],
    ids=["partition", "account", "time", "node", "option", "silence"],
)
def test_what_slurm_refuses_is_told_in_one_line(programs: Path, stderr: str, words: str) -> None:
    (programs / "stderr").write_text(stderr)
    make(programs, "sbatch", f"cat {programs}/stderr >&2; exit 1")
    with pytest.raises(UsageError) as error:
        LAUNCHER.start(["true"], 1, Resources(partition="p", account="a", time_min=7, cpus=3))
    assert str(error.value) == f"sbatch: {words}"


def test_what_slurm_would_refuse_is_told_before_anything_is_started(programs: Path) -> None:
    refusal = (
        "sbatch: error: invalid partition specified: p\\nallocation failure: Invalid partition name specified"
    )
    make(programs, "sbatch", f"echo -e '{refusal}' >&2; exit 1")
    with pytest.raises(UsageError) as error:
        LAUNCHER.check(Resources(partition="p"))
    assert str(error.value) == (
        "sbatch: invalid partition specified: p; Invalid partition name specified; found partition 'p', "
        "expected one of high, low; executor.partition=NAME"
    )
    (call,) = calls(programs, "sbatch")
    assert call.startswith("sbatch --test-only ")
    make(programs, "sbatch", "exit 0")
    LAUNCHER.check(Resources())


def test_a_controller_that_hangs_is_found_by_the_check(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm, "CHECK_S", 0.5)
    make(programs, "sbatch", "exec sleep 60")
    with pytest.raises(SwathError, match=r"Slurm does not answer: sbatch took more than 0\.5 s"):
        LAUNCHER.check(Resources())


def test_tasks_are_found_by_the_name_that_they_are_given_before_they_start(programs: Path) -> None:
    ids = LAUNCHER.named("3-4f2a91c07b3e", 3, Resources())
    squeue(programs)
    assert LAUNCHER.state(ids).count("gone") == 3
    LAUNCHER.start(["true"], 3, Resources(), "3-4f2a91c07b3e")
    assert "--job-name=swath-3-4f2a91c07b3e " in calls(programs, "sbatch")[0]
    squeue(
        programs,
        ("4712", "0", "RUNNING", "0", "0", "n1", "None"),
        ("4711", "0", "COMPLETED", "0", "0", "n1", "None"),
        ("4711", "1", "RUNNING", "0", "1", "n2", "None"),
    )
    assert [task.kind for task in LAUNCHER.state(ids).tasks] == ["ended", "running", "running"]
    assert "--name=swath-3-4f2a91c07b3e" in calls(programs, "squeue")[-1]
    LAUNCHER.cancel(ids)
    assert calls(programs, "scancel") == ["scancel --quiet --name=swath-3-4f2a91c07b3e"]


def test_without_slurm_nothing_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"^found no sbatch on PATH, .*; .* or choose executor=processes$"):
        LAUNCHER.start(["true"], 1, Resources())
    assert LAUNCHER.state("4711/2").tasks[1].note == "found no squeue on PATH, expected the commands of Slurm"
    with pytest.raises(SwathError, match="found no scancel on PATH"):
        LAUNCHER.cancel("4711/2")


def test_without_a_controller_nothing_is_started(programs: Path) -> None:
    make(
        programs,
        "scontrol",
        "echo 'slurm_load_ctl_conf error: Unable to contact slurm controller' >&2; exit 1",
    )
    with pytest.raises(
        AwayError, match=r"^Slurm does not answer: .*Unable to contact.*; `scontrol ping` tells"
    ):
        LAUNCHER.start(["true"], 1, Resources())
    assert calls(programs, "sbatch") == []


def test_a_program_that_hangs_is_given_up(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slurm, "TIMEOUT_S", 0.5)
    make(programs, "squeue", "exec sleep 60")
    assert LAUNCHER.state("4711/1").tasks[0] == TaskState(
        "unknown", note="Slurm does not answer: squeue took more than 0.5 s"
    )


def test_states_of_squeue_are_told_as_those_of_tasks(programs: Path) -> None:
    squeue(
        programs,
        ("4711", "0", "COMPLETED", "0", "2", "n1", "None"),
        ("4711", "1", "FAILED", "768", "0", "n1", "NonZeroExitCode"),
        ("4711", "2", "FAILED", "9", "0", "n2", "JobLaunchFailure"),
        ("4712", "0", "RUNNING", "0", "1", "n2", "None"),
        ("4712", "1", "PENDING", "0", "0", "", "Resources (somewhere else)"),
        ("4712", "2", "CANCELLED", "9", "0", "n1", "None"),
        ("4713", "0", "TIMEOUT", "15", "0", "n1", "TimeLimit"),
        ("4713", "1", "NODE_FAIL", "0", "0", "n1", "NodeDown"),
        ("4713", "9", "RUNNING", "0", "0", "n1", "no task of ours"),
        ("4714", "0", "RUNNING", "0", "0", "n1", "no array of ours"),
    )  # fmt: skip
    states = LAUNCHER.state("4711+4712+4713/9")
    assert states.tasks == (
        TaskState("ended", 0, 2, "n1"),
        TaskState("ended", 3, 0, "FAILED on n1"),
        TaskState("ended", 137, 0, "FAILED on n2"),
        TaskState("running", None, 1, "n2"),
        TaskState("waiting", None, 0, "Resources (somewhere else)"),
        TaskState("gone", None, 0, "cancelled"),
        TaskState("ended", 143, 0, "TIMEOUT on n1"),
        TaskState("ended", None, 0, "NODE_FAIL on n1"),
        TaskState("gone", None, 0, "Slurm has forgotten it"),
    )
    assert (states.failed, states.restarts, states.is_over) == ((1, 2, 6, 7), 3, False)


@pytest.mark.parametrize(
    "reason", ["launch failed requeued held", "JobHeldUser", "job requeued in held state", "JobHeldAdmin"]
)
def test_a_job_that_slurm_holds_says_what_to_type(programs: Path, reason: str) -> None:
    squeue(
        programs,
        ("4711", "0", "PENDING", "0", "1", "", reason),
        ("4711", "1", "PENDING", "0", "0", "", "Resources"),
    )
    held, waiting = LAUNCHER.state("4711/2").tasks
    assert held.note == f"Slurm holds 4711_0: {reason}; `scontrol release 4711_0` lets it go on"
    assert (held.kind, held.restarts, waiting.note) == ("waiting", 1, "Resources")


@pytest.mark.parametrize("ids", ["4711", "vm-42-20260131T120000/3", "47;11/3"])
def test_what_is_no_job_of_slurm_is_refused(ids: str) -> None:
    with pytest.raises(SwathError, match="expected"):
        LAUNCHER.state(ids)


def test_a_script_tells_the_word_of_a_password_to_nobody(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It travels with the environment only."""
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "hush")
    make(
        programs,
        "sbatch",
        f"cat > {programs}/script; echo $MLFLOW_TRACKING_PASSWORD > {programs}/seen; echo 1",
    )
    LAUNCHER.start(["true"], 1, Resources())
    assert (programs / "seen").read_text() == "hush\n"
    assert "hush" not in (programs / "script").read_text() + (programs / "calls").read_text()


def test_a_task_that_starts_others_does_not_pass_its_own_restarts_on(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_RESTART_COUNT", "20")
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    monkeypatch.setenv("SLURM_CONF", "/etc/slurm.conf")
    make(programs, "sbatch", f"cat > /dev/null; env > {programs}/environment; echo 4712")
    LAUNCHER.start(["true"], 1, Resources())
    lines = (programs / "environment").read_text().splitlines()
    assert [line for line in lines if line.startswith("SLURM_")] == ["SLURM_CONF=/etc/slurm.conf"]
