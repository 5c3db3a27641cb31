"""Tasks as processes of this machine, under a supervisor of their own."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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

from swath.errors import SwathError
from swath.execution.launchers import ProcessLauncher, Resources, folders, supervisor

LAUNCHER = ProcessLauncher()


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache folder for each test, whose supervisors end with it."""
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("SWATH_TRACES", str(tmp_path))
    yield
    for folder in (tmp_path / "cache" / "launched").glob("*"):
        LAUNCHER.cancel(f"{folder.name}/1")
        wait_for(lambda folder=folder: LAUNCHER.state(f"{folder.name}/1").is_over)


def supervisor_of(tasks: Launched) -> int:
    name = tasks.ids.partition("/")[0]
    return int((folders.launched_folder() / name / "pid").read_text())


def runs(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def test_the_end_of_a_task_decides_what_follows(tmp_path: Path) -> None:
    check_ends(LAUNCHER, tmp_path, Resources(workers=2))


def test_cancelled_tasks_put_themselves_down_and_the_others_do_not_start(tmp_path: Path) -> None:
    check_cancelled(LAUNCHER, tmp_path, Resources(workers=2))


def test_tasks_are_found_by_the_name_that_they_are_given_before_they_start(tmp_path: Path) -> None:
    ids = LAUNCHER.named("3-4f2a91c07b3e", 1, Resources())
    assert LAUNCHER.state(ids).count("gone") == 1
    LAUNCHER.cancel(ids)  # nothing runs: no error
    assert LAUNCHER.start(["sleep", "100"], 1, Resources(), "3-4f2a91c07b3e") == ids
    assert not LAUNCHER.state(ids).is_over
    with pytest.raises(SwathError, match="did not start: FileExistsError"):
        LAUNCHER.start(["sleep", "100"], 1, Resources(), "3-4f2a91c07b3e")
    LAUNCHER.cancel(ids)
    wait_for(lambda: LAUNCHER.state(ids).is_over)


def test_no_more_tasks_run_at_a_time_than_workers(tmp_path: Path) -> None:
    script = "sleep 0.3; trace end"
    tasks = launch(LAUNCHER, tmp_path, script, count=6, resources=Resources(workers=2))
    tasks.wait_until_over()
    at_once = most = 0
    for _, word, *_ in tasks.trace():
        at_once += 1 if word == "start" else -1
        most = max(most, at_once)
    assert most == 2
    assert tasks.starts() == dict.fromkeys(range(6), 1)


def test_tasks_get_folder_environment_and_their_share_of_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "of this test")
    script = 'trace found "$PWD" "$SWATH_CPUS" "$AWS_SECRET_ACCESS_KEY"'
    tasks = launch(LAUNCHER, tmp_path, script, resources=Resources(cpus=3))
    tasks.wait_until_over()
    assert tasks.trace()[-1] == ["0", "found", str(tmp_path), "3", "of", "this", "test"]


def test_output_of_a_task_is_kept_where_asked(tmp_path: Path) -> None:
    script = "echo word $n; echo wrong >&2"
    tasks = launch(LAUNCHER, tmp_path, script, resources=Resources(logs=str(tmp_path / "logs")))
    tasks.wait_until_over()
    assert (tmp_path / "logs" / "0.log").read_text() == "word 0\nwrong\n"
    tasks = launch(LAUNCHER, tmp_path, script)
    tasks.wait_until_over()


def test_killing_the_command_that_started_them_stops_nothing(tmp_path: Path) -> None:
    script = "sleep 2; trace end"
    ids = launch_by_a_process_that_dies("ProcessLauncher", tmp_path, script, 2, Resources(workers=1))
    tasks = Launched(LAUNCHER, ids, tmp_path)
    assert tasks.state().count("running") + tasks.state().count("waiting") == 2
    tasks.wait_until_over()
    assert [" ".join(words[:2]) for words in tasks.trace()] == ["0 start", "0 end", "1 start", "1 end"]


def test_hanging_up_stops_nothing(tmp_path: Path) -> None:
    tasks = launch(LAUNCHER, tmp_path, "sleep 1; trace end")
    tasks.wait_for_start(0)
    os.kill(supervisor_of(tasks), signal.SIGHUP)
    tasks.wait_until_over()
    assert [words[1] for words in tasks.trace()] == ["start", "end"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process that its parent has died")
def test_tasks_of_a_killed_supervisor_put_themselves_down_and_are_gone(tmp_path: Path) -> None:
    tasks = launch(LAUNCHER, tmp_path, PUTS_ITSELF_DOWN + SLEEPS, count=3, resources=Resources(workers=2))
    tasks.wait_for_start(0)
    tasks.wait_for_start(1)
    os.kill(supervisor_of(tasks), signal.SIGKILL)
    states = tasks.wait_until_over()
    assert states.count("gone") == 3
    assert "supervisor has ended" in states.tasks[0].note
    wait_for(lambda: not runs(tasks.pid(0)) and not runs(tasks.pid(1)))
    assert tasks.signals() == ["TERM", "TERM"]
    LAUNCHER.cancel(tasks.ids)  # of a supervisor that is no more: no error


def test_task_that_is_being_started_when_all_are_cancelled_ends_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "POLL_S", 0.01)
    plan = supervisor.Plan(["sleep", "60"], count=2, workers=2, cpus=1, logs="")
    tasks = supervisor.Supervisor(plan, tmp_path)
    start = supervisor.start_task

    def cancelled(*arguments: Any) -> Any:
        tasks.cancel()
        return start(*arguments)

    monkeypatch.setattr(supervisor, "start_task", cancelled)
    tasks.run()
    states = [words[0] for words in json.loads((tmp_path / "state.json").read_text())]
    assert states == ["gone", "gone"]


def test_a_task_that_is_killed_again_and_again_fails_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "LONGEST_PAUSE_S", 0)
    monkeypatch.setattr(supervisor, "POLL_S", 0.01)
    argv = ["bash", "-c", f"echo >> {tmp_path}/starts; kill -9 $$", "task"]
    plan = supervisor.Plan(argv, count=1, workers=1, cpus=1, logs="")
    supervisor.Supervisor(plan, tmp_path).run()
    assert len((tmp_path / "starts").read_text()) == 21
    assert (tmp_path / "state.json").read_text() == '[["ended", 137, 20, ""]]'


def test_tasks_that_do_not_put_themselves_down_are_killed_in_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "PATIENCE_S", 0.5)
    argv = ["bash", "-c", "trap '' TERM; while :; do sleep 0.1; done", "task"]
    own = supervisor.Supervisor(supervisor.Plan(argv, count=1, workers=1, cpus=1, logs=""), tmp_path)
    previous = signal.signal(signal.SIGALRM, lambda *_: own.cancel())
    signal.setitimer(signal.ITIMER_REAL, 0.5)
    try:
        own.run()
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert (tmp_path / "state.json").read_text() == '[["gone", null, 0, "cancelled"]]'


def test_a_program_that_is_not_there_fails_and_says_so(tmp_path: Path) -> None:
    ids = LAUNCHER.start(["no-such-program"], 1, Resources())
    states = Launched(LAUNCHER, ids, tmp_path).wait_until_over()
    assert (states.failed, states.tasks[0].status) == ((0,), 127)
    (log,) = folders.launched_folder().glob("*/0.log")
    assert log.read_text() == "swath: no-such-program: No such file or directory\n"


def test_a_cache_folder_that_cannot_be_written_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "file"))
    with pytest.raises(
        SwathError, match=r"did not start: NotADirectoryError.*SWATH_CACHE_DIR=FOLDER"
    ) as error:
        LAUNCHER.start(["true"], 1, Resources())
    assert "\n" not in str(error.value)
    with pytest.raises(SwathError, match=r"did not start: NotADirectoryError.*SWATH_CACHE_DIR=FOLDER"):
        LAUNCHER.check(Resources())


def test_processes_of_another_machine_are_unknown_and_cannot_be_cancelled_here() -> None:
    ids = "elsewhere-42-20260131T120000/2"
    assert LAUNCHER.state(ids).count("unknown") == 2
    with pytest.raises(SwathError, match=r"run on elsewhere, and this is .*; type the same there"):
        LAUNCHER.cancel(ids)


@pytest.mark.parametrize("ids", ["../../etc/1", "", "4711", "4711/x", "a/b/1"])
def test_what_is_no_name_of_a_supervisor_is_refused(ids: str) -> None:
    with pytest.raises(SwathError, match="expected"):
        LAUNCHER.state(ids)


def test_folders_of_supervisors_are_removed_after_a_month(tmp_path: Path) -> None:
    tasks = launch(LAUNCHER, tmp_path, "exit 0")
    tasks.wait_until_over()
    folder = folders.launched_folder() / tasks.ids.partition("/")[0]
    ended_s = folder.stat().st_mtime
    os.utime(folder, (0, ended_s - 29 * 24 * 3600))
    launch(LAUNCHER, tmp_path, "exit 0").wait_until_over()
    assert folder.exists()
    os.utime(folder, (0, ended_s - 31 * 24 * 3600))
    launch(LAUNCHER, tmp_path, "exit 0").wait_until_over()
    assert not folder.exists()
    assert tasks.state().count("gone") == 1
