"""Tasks on a real Ray: how they end, and what happens when something dies."""

import os
import signal
import subprocess
import sys
import time
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

from services.ray_cluster import RayCluster
from swath.errors import SwathError
from swath.execution.launchers import RayLauncher, Resources

LAUNCHER = RayLauncher()

NODES = {"127.0.0.12": "n1", "127.0.0.13": "n2"}


@pytest.fixture(autouse=True)
def surroundings(ray_cluster: RayCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables by which Ray is found, and a cache folder for each test."""
    for name, value in ray_cluster.variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SWATH_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("SWATH_TRACES", str(tmp_path))


def parent_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def runs(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def actors() -> list[int]:
    """Processes of swath's actors."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().startswith(b"ray::Tasks"):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


def test_the_end_of_a_task_decides_what_follows(tmp_path: Path) -> None:
    check_ends(LAUNCHER, tmp_path, Resources(workers=2))


def test_cancelled_tasks_put_themselves_down_once_and_the_others_do_not_start(tmp_path: Path) -> None:
    check_cancelled(LAUNCHER, tmp_path, Resources(workers=2))


def test_tasks_get_folder_environment_and_their_share_of_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "it's 5 * $HOME")
    monkeypatch.setenv("OTHER", "stays here")
    script = 'trace found "$PWD" "$SWATH_CPUS" "$AWS_SECRET_ACCESS_KEY" "$OTHER"'
    launch(LAUNCHER, tmp_path, script, resources=Resources()).wait_until_over()
    assert (tmp_path / "trace").read_text().splitlines()[-1] == f"0 found {tmp_path} 1 it's 5 * $HOME "


def test_a_folder_that_a_node_does_not_have_is_replaced_by_that_of_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    script = 'sleep 1; trace "$PWD"; exit $(( starts == 0 ? 75 : 0 ))'
    tasks = launch(LAUNCHER, tmp_path, script, resources=Resources())
    monkeypatch.chdir(tmp_path)
    tasks.wait_for_start(0)
    (tmp_path / "here").rmdir()
    tasks.wait_until_over()
    name = tasks.ids.partition("@")[0]
    assert [words[1] for words in tasks.trace()[1::2]] == [
        str(tmp_path / "here"),
        str(tmp_path / "cache" / "launched" / name),
    ]


def test_output_of_all_starts_of_a_task_is_kept_where_asked(tmp_path: Path) -> None:
    script = "echo start $starts; exit $(( starts == 0 ? 75 : 0 ))"
    logs = tmp_path / "logs"
    launch(LAUNCHER, tmp_path, script, resources=Resources(logs=str(logs))).wait_until_over()
    assert (logs / "0.log").read_text().splitlines() == ["start 0", "start 1"]


def test_a_task_of_a_killed_worker_puts_itself_down_and_is_begun_again(tmp_path: Path) -> None:
    tasks = launch(LAUNCHER, tmp_path, f"if [ $starts -gt 0 ]; then exit 0; fi {PUTS_ITSELF_DOWN} {SLEEPS}")
    tasks.wait_for_start(0)
    os.kill(parent_of(tasks.pid(0)), signal.SIGKILL)
    states = tasks.wait_until_over()
    assert tasks.signals() == ["TERM"]
    assert tasks.starts() == {0: 2}
    assert (states.tasks[0].status, states.tasks[0].restarts) == (0, 1)


def test_a_task_of_a_killed_node_goes_on_on_another(ray_cluster: RayCluster, tmp_path: Path) -> None:
    tasks = launch(LAUNCHER, tmp_path, "[ $starts -gt 0 ] || sleep 300")
    tasks.wait_for_start(0)
    wait_for(lambda: tasks.state().count("running") == 1)
    node = tasks.state().tasks[0].note
    before = tasks.pid(0)
    ray_cluster.kill(NODES[node])
    try:
        wait_for(lambda: not runs(before), 5)
        states = tasks.wait_until_over(150)
    finally:
        ray_cluster.start(NODES[node])
    assert {node, states.tasks[0].note} == set(NODES)
    assert (states.tasks[0].status, states.tasks[0].restarts) == (0, 1)


def test_a_killed_actor_begins_its_tasks_again(tmp_path: Path) -> None:
    """Ray ends the tasks that it had started, at once."""
    others = set(actors())
    tasks = launch(LAUNCHER, tmp_path, f"if [ $starts -gt 0 ]; then exit 0; fi {PUTS_ITSELF_DOWN} {SLEEPS}")
    tasks.wait_for_start(0)
    before = tasks.pid(0)
    (actor,) = set(actors()) - others
    os.kill(actor, signal.SIGKILL)
    wait_for(lambda: not runs(before))
    states = tasks.wait_until_over()
    assert tasks.starts() == {0: 2}
    assert states.tasks[0].status == 0


def test_killing_the_command_that_started_them_stops_nothing(tmp_path: Path) -> None:
    ids = launch_by_a_process_that_dies("RayLauncher", tmp_path, "sleep 3; trace end", 2, Resources())
    tasks = Launched(LAUNCHER, ids, tmp_path)
    tasks.wait_until_over()
    assert [" ".join(words[:2]) for words in tasks.trace()] == ["0 start", "0 end", "1 start", "1 end"]


def test_tasks_without_room_wait(tmp_path: Path) -> None:
    tasks = launch(LAUNCHER, tmp_path, "sleep 300", count=3, resources=Resources(workers=3))
    wait_for(lambda: tasks.state().count("running") == 2)
    assert tasks.state().count("waiting") == 1
    LAUNCHER.cancel(tasks.ids)
    tasks.wait_until_over()


def test_ids_are_enough_without_the_variable_for_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = launch(LAUNCHER, tmp_path, PUTS_ITSELF_DOWN + SLEEPS)
    tasks.wait_for_start(0)
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    assert not tasks.state().is_over
    LAUNCHER.cancel(tasks.ids)
    tasks.wait_until_over()
    assert tasks.signals() == ["TERM"]


def test_the_clients_address_does_too(ray_cluster: RayCluster, tmp_path: Path) -> None:
    host, _, port = ray_cluster.variables["RAY_ADDRESS"].partition(":")
    address = f"ray://{host}:{int(port) + 1}"
    tasks = launch(LAUNCHER, tmp_path, "exit 0", resources=Resources(address=address))
    assert tasks.ids.endswith(f"@{address}/1")
    assert tasks.wait_until_over().tasks[0].status == 0


def test_client_that_did_not_connect_spoils_nothing(ray_cluster: RayCluster, tmp_path: Path) -> None:
    head = f"ray://{ray_cluster.variables['RAY_ADDRESS']}"  # it answers, but not as a client's server does
    code = f"""
from swath.errors import AwayError
from swath.execution.launchers import RayLauncher, Resources
try:
    RayLauncher().start(["true"], 1, Resources(address={head!r}))
except AwayError as error:
    print(error)
print(RayLauncher().start(["true"], 1, Resources()))
"""
    # In a process of its own: a client that did not connect leaves threads, and forks beside them may crash.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    first, ids = done.stdout.splitlines()
    assert first.startswith(f"Ray at {head} does not answer: ")
    assert Launched(LAUNCHER, ids, tmp_path).wait_until_over().count("ended") == 1


def test_a_handler_of_signals_stays(tmp_path: Path) -> None:
    handler = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        own = signal.getsignal(signal.SIGTERM)
        launch(LAUNCHER, tmp_path, "exit 0").wait_until_over()
        assert signal.getsignal(signal.SIGTERM) is own
    finally:
        signal.signal(signal.SIGTERM, handler)


def test_tasks_that_ray_has_forgotten_are_gone(ray_cluster: RayCluster) -> None:
    address = ray_cluster.variables["RAY_ADDRESS"]
    assert LAUNCHER.state(f"swath-ray-0123@{address}/2").count("gone") == 2
    LAUNCHER.cancel(f"swath-ray-0123@{address}/2")


def test_a_wrong_token_is_one_line(tmp_path: Path) -> None:
    code = "from swath.execution.launchers import *; RayLauncher().start(['true'], 1, Resources())"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "RAY_AUTH_TOKEN_PATH": str(tmp_path / "none")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("swath.errors.SwathError: Ray at 127.0.0.11:")
    assert "takes no task without its token: RAY_AUTH_TOKEN_PATH is set but" in last


def test_without_its_head_ray_forgets_everything_and_tasks_put_themselves_down(
    ray_cluster: RayCluster, tmp_path: Path
) -> None:
    """The last test: the nodes do not come back by themselves."""
    tasks = launch(LAUNCHER, tmp_path, PUTS_ITSELF_DOWN + SLEEPS)
    tasks.wait_for_start(0)
    ray_cluster.kill("head")
    assert tasks.state().count("unknown") == 1
    with pytest.raises(SwathError, match="does not answer"):
        LAUNCHER.cancel(tasks.ids)
    wait_for(lambda: not runs(tasks.pid(0)), 100)
    assert tasks.signals() == ["TERM"]
    ray_cluster.start("head")
    assert tasks.state().count("gone") == 1
    time.sleep(1)
    assert tasks.starts() == {0: 1}
