"""Tasks as arrays of a real Slurm: how they end, and what happens when something dies."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.launching import (
    PUTS_ITSELF_DOWN,
    SLEEPS,
    Launched,
    check_cancelled,
    check_ends,
    launch,
    launch_by_a_process_that_dies,
)
from support.waiting import wait_for

from services.slurm import Slurm, why_no_slurm
from swath.errors import SwathError, UsageError
from swath.execution.launchers import Resources, SlurmLauncher

LAUNCHER = SlurmLauncher()


@pytest.fixture(scope="module")
def slurm(one_at_a_time: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    """A running Slurm."""
    if why_no_slurm():
        pytest.skip(why_no_slurm())
    slurm = Slurm(tmp_path_factory.mktemp("slurm"))
    try:
        slurm.up(max_array_size=5)
        yield slurm
    finally:
        slurm.down()


@pytest.fixture(autouse=True)
def idle(slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Slurm without jobs."""
    monkeypatch.setenv("SLURM_CONF", slurm.configuration)
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("SWATH_TRACES", str(tmp_path))
    yield
    slurm.ask("scancel", "--quiet", "--user=root")
    wait_for(lambda: slurm.ask("squeue", "-h") == "")


def node_of(tasks: Launched, number: int = 0) -> str:
    return tasks.state().tasks[number].note


def test_the_end_of_a_task_decides_what_follows(tmp_path: Path) -> None:
    check_ends(LAUNCHER, tmp_path, Resources(workers=2))


def test_cancelled_tasks_put_themselves_down_once_and_the_others_do_not_start(tmp_path: Path) -> None:
    check_cancelled(LAUNCHER, tmp_path, Resources(workers=2))


def test_tasks_get_folder_environment_and_their_share_of_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "it's 5 * $HOME")
    script = 'trace found "$PWD" "$SWATH_CPUS" "$AWS_SECRET_ACCESS_KEY"'
    launch(LAUNCHER, tmp_path, script, resources=Resources(cpus=1)).wait_until_over()
    assert (tmp_path / "trace").read_text().splitlines()[-1] == f"0 found {tmp_path} 1 it's 5 * $HOME"


def test_output_of_all_starts_of_a_task_is_kept_where_asked(tmp_path: Path) -> None:
    script = "echo start $starts; exit $(( starts == 0 ? 75 : 0 ))"
    logs = tmp_path / "100% logs"
    tasks = launch(LAUNCHER, tmp_path, script, resources=Resources(logs=str(logs)))
    tasks.wait_until_over()
    job = tasks.ids.partition("/")[0]
    lines = (logs / f"{job}_0.log").read_text().splitlines()  # Slurm writes lines of its own between them
    assert [line for line in lines if line.startswith("start")] == ["start 0", "start 1"]


def test_a_task_whose_time_is_nearly_over_is_told_and_requeued(tmp_path: Path) -> None:
    """Slurm ends minutes only, and tells up to a minute early, so 75 s of notice come at once."""
    script = f"if [ $starts -gt 0 ]; then exit 0; fi {PUTS_ITSELF_DOWN} {SLEEPS}"
    resources = Resources(time_min=2, extra=("--signal=B:USR1@100",))
    tasks = launch(LAUNCHER, tmp_path, script, resources=resources)
    states = tasks.wait_until_over(150)
    assert tasks.signals() == ["USR1"]
    assert tasks.starts() == {0: 2}
    assert (states.tasks[0].status, states.tasks[0].restarts) == (0, 1)


def test_a_preempted_task_puts_itself_down_and_goes_on_later(slurm: Slurm, tmp_path: Path) -> None:
    script = f"if [ $starts -gt 0 ]; then exit 0; fi {PUTS_ITSELF_DOWN} {SLEEPS}"
    tasks = launch(LAUNCHER, tmp_path, script, count=2, resources=Resources(workers=2, partition="low"))
    tasks.wait_for_start(0)
    tasks.wait_for_start(1)
    slurm.ask("sbatch", "--partition=high", "--nodes=2", "--output=/dev/null", "--wrap=sleep 5")
    states = tasks.wait_until_over(150)
    assert tasks.signals() == ["TERM", "TERM"]
    assert tasks.starts() == {0: 2, 1: 2}
    assert [task.status for task in states.tasks] == [0, 0]


def test_a_task_of_a_killed_node_goes_on_on_another(slurm: Slurm, tmp_path: Path) -> None:
    tasks = launch(LAUNCHER, tmp_path, 'trace on "$SLURMD_NODENAME"; [ $starts -gt 0 ] || sleep 300')
    tasks.wait_for_start(0)
    node = node_of(tasks)
    before = tasks.pid(0)
    slurm.kill(node)
    try:
        wait_for(lambda: not Path(f"/proc/{before}").exists(), 5)
        states = tasks.wait_until_over(150)
    finally:
        slurm.revive(node)
        wait_for(lambda: len(slurm.ask("sinfo", "-h", "-N", "-p", "low", "-t", "idle").splitlines()) == 2)
    assert [words[2] for words in tasks.trace() if words[1] == "on"] == [node, {"n1": "n2", "n2": "n1"}[node]]
    assert (states.tasks[0].status, states.tasks[0].restarts) == (0, 1)


def test_killing_the_command_that_started_them_stops_nothing(tmp_path: Path) -> None:
    ids = launch_by_a_process_that_dies("SlurmLauncher", tmp_path, "sleep 1; trace end", 2, Resources())
    tasks = Launched(LAUNCHER, ids, tmp_path)
    tasks.wait_until_over()
    assert [" ".join(words[:2]) for words in tasks.trace()] == ["0 start", "0 end", "1 start", "1 end"]


def test_a_batch_shell_that_is_killed_has_failed(tmp_path: Path) -> None:
    """Its task is killed too where Slurm keeps jobs in control groups, which it does not here."""
    tasks = launch(LAUNCHER, tmp_path, SLEEPS)
    tasks.wait_for_start(0)
    shell = int(Path(f"/proc/{tasks.pid(0)}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(shell, signal.SIGKILL)
    try:
        states = tasks.wait_until_over()
    finally:
        os.kill(tasks.pid(0), signal.SIGKILL)
    assert (states.failed, states.tasks[0].status) == ((0,), 128 + 9)


def test_more_tasks_than_an_array_holds_are_several_arrays_one_after_the_other(tmp_path: Path) -> None:
    tasks = launch(LAUNCHER, tmp_path, "sleep 2; exit $n", count=12, resources=Resources(workers=2))
    jobs, count = tasks.ids.split("/")
    assert (len(jobs.split("+")), count) == (3, "12")
    assert tasks.state().count("waiting") + tasks.state().count("running") >= 8
    states = tasks.wait_until_over(150)
    assert tasks.starts() == dict.fromkeys(range(12), 1)
    assert [task.status for task in states.tasks] == list(range(12))
    assert sorted(int(words[0]) for words in tasks.trace()[:4]) == [0, 1, 2, 3]


def test_a_waiting_task_says_why(slurm: Slurm, tmp_path: Path) -> None:
    tasks = launch(LAUNCHER, tmp_path, "sleep 300", count=2, resources=Resources(constraint="new", workers=2))
    tasks.wait_for_start(0)
    assert node_of(tasks) == "n2"
    wait_for(lambda: node_of(tasks, 1) in ("Resources", "Priority"))


def test_tasks_are_found_by_their_name(tmp_path: Path) -> None:
    LAUNCHER.check(Resources())
    ids = LAUNCHER.named("3-4f2a91c07b3e", 7, Resources())
    assert LAUNCHER.state(ids).count("gone") == 7
    LAUNCHER.start(["sleep", "300"], 7, Resources(workers=2), "3-4f2a91c07b3e")
    wait_for(lambda: LAUNCHER.state(ids).count("running") == 2)
    assert LAUNCHER.state(ids).count("waiting") == 5
    LAUNCHER.cancel(ids)
    wait_for(lambda: LAUNCHER.state(ids).is_over)


def test_options_of_the_user_win(slurm: Slurm, tmp_path: Path) -> None:
    resources = Resources(partition="low", extra=("--partition=high", "--job-name=mine"))
    tasks = launch(LAUNCHER, tmp_path, "sleep 300", resources=resources)
    assert slurm.ask("squeue", "-h", "-o", "%P %j") == "high mine"
    LAUNCHER.cancel(tasks.ids)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        (Resources(partition="nosuch"), r"partition.*found partition 'nosuch', expected one of high, low"),
        (Resources(constraint="new&fast"), r"found constraint 'new&fast', expected features .*constraint"),
        (Resources(memory_mb=10**7), r"found memory 10000000, expected what a node has .*executor.memory"),
        (Resources(extra=("--no-such-option",)), r"unrecognized option '--no-such-option'"),
    ],
)  # fmt: skip
def test_what_slurm_refuses_is_one_line_and_starts_nothing(
    slurm: Slurm, resources: Resources, words: str
) -> None:
    with pytest.raises(UsageError, match=words) as error:
        LAUNCHER.start(["true"], 12, resources)
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match=r"^sbatch: ") as error:
        LAUNCHER.check(resources)
    assert "\n" not in str(error.value)
    assert slurm.ask("squeue", "-h") == ""


def test_a_controller_that_does_not_answer_is_one_line(
    slurm: Slurm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Path(slurm.configuration).read_text()
    (tmp_path / "slurm.conf").write_text(text.replace("SlurmctldPort=17817", "SlurmctldPort=17899"))
    monkeypatch.setenv("SLURM_CONF", str(tmp_path / "slurm.conf"))
    began_s = time.monotonic()
    assert LAUNCHER.state("4711/3").count("unknown") == 3
    with pytest.raises(SwathError, match=r"Slurm does not answer: .*contact"):
        LAUNCHER.cancel("4711/3")
    with pytest.raises(SwathError, match=r"Slurm does not answer: .*contact"):
        LAUNCHER.start(["true"], 1, Resources())
    assert time.monotonic() - began_s < 60


def test_jobs_that_slurm_has_forgotten_are_gone() -> None:
    assert LAUNCHER.state("999999/3").count("gone") == 3
    assert LAUNCHER.state("999998+999999/3").count("gone") == 3
    LAUNCHER.cancel("999999/3")
