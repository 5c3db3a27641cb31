"""Commands that die, or meet another, while they hand a sweep to an engine."""

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from support.command import SWATH, error_lines, swath
from support.waiting import query_store, wait_for

GRID = ("-m", "data=digits", "learning_rate=1e-6,1e-5", "batch_size=50,100", "executor=processes")
ENDLESS = (*GRID, "max_steps=5000000", "tracking.every_steps=1000", "executor.wait=false")

DIE = """
import os, signal
from swath.execution.launchers import ProcessLauncher
start = ProcessLauncher.start
def start_and_die(*arguments):
    {before}
    os.kill(os.getpid(), signal.SIGKILL)
ProcessLauncher.start = start_and_die
"""

ANOTHER_HOST = """
import platform, socket
platform.node = socket.gethostname = lambda: {name!r}
"""


def command(folder: Path, name: str, *arguments: str) -> str:
    done = subprocess.run(
        [str(SWATH.with_name(name)), *arguments], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def of_sweep(folder: Path, tag: str) -> list[str]:
    """Values of a tag of the sweep."""
    query = (
        "select t.value from tags t join tags k using (run_uuid) "
        f"where k.key = 'swath.kind' and k.value = 'sweep' and t.key = '{tag}'"
    )
    return [str(value) for (value,) in query_store(folder, query)]


def test_workers_of_a_command_that_died_before_it_knew_their_ids_can_be_stopped(tmp_path: Path) -> None:
    swath(tmp_path, *ENDLESS, patch=DIE.format(before="start(*arguments)"))
    (sweep_id,), (engine,) = of_sweep(tmp_path, "swath.sweep_id"), of_sweep(tmp_path, "swath.engine")
    assert engine == f"processes {os.uname().nodename}-0-{sweep_id}/2"
    log = Path(os.environ["SWATH_CACHE_DIR"], "launched", f"{os.uname().nodename}-0-{sweep_id}", "0.log")
    wait_for(log.exists)
    assert "processes: 2 workers running" in command(tmp_path, "swath-watch", sweep_id, "--once")
    refused = swath(tmp_path, *ENDLESS, "resume=yes")
    assert refused.returncode == 2
    (line,) = error_lines(refused.stderr)
    assert f"is being trained by workers ({engine})" in line
    assert line.endswith(f"swath-watch {sweep_id} shows them, swath-stop {sweep_id} stops them")
    assert "is stopped: 2 of 2 lots are left" in command(tmp_path, "swath-stop", sweep_id)
    state = log.with_name("state.json")
    wait_for(lambda: state.read_text().count('"gone"') == 2)
    assert of_sweep(tmp_path, "swath.launcher") == []


def test_of_two_machines_that_resume_a_sweep_at_once_one_starts_workers(tmp_path: Path) -> None:
    short = (*GRID, "max_steps=60", "executor.wait=false")
    swath(tmp_path, *short, patch=DIE.format(before="pass"))
    (sweep_id,) = of_sweep(tmp_path, "swath.sweep_id")
    command(tmp_path, "swath-stop", sweep_id)

    def resume(host: str) -> "subprocess.CompletedProcess[str]":
        cache = str(tmp_path / host)
        patch = ANOTHER_HOST.format(name=host)
        return swath(tmp_path, *short, "resume=yes", patch=patch, real=True, SWATH_CACHE_DIR=cache)

    with ThreadPoolExecutor(2) as threads:
        both = list(threads.map(resume, ("h1", "h2")))
    assert [done.returncode == 0 for done in both].count(True) == 1, [done.stderr for done in both]
    (refused,) = (done for done in both if done.returncode != 0)
    (line,) = error_lines(refused.stderr)
    assert f"{sweep_id} is being " in line
    assert f"swath-stop {sweep_id} stops" in line
    statuses = "select status, count(*) from runs group by status"
    wait_for(lambda: query_store(tmp_path, statuses) == [("FINISHED", 5)], timeout_s=120)
    assert len(list(tmp_path.glob("h*/launched/*"))) == 1
