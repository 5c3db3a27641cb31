"""PostgreSQL as a store at the start of a command: refused in one line, or made ready once for several."""

import contextlib
import socket
import time
from pathlib import Path

import pytest
from support.command import error_lines, swath, swath_compare
from support.server import free_port
from support.waiting import running

from services.contents import contents
from services.postgres import USER, Postgres

ONE = ("data=digits", "max_steps=20", "batch_size=20")
SWEEP = ("-m", *ONE, "learning_rate=1e-7,1e-6")


def refused(folder: Path, *arguments: str, status: int = 1) -> str:
    """The one line with which a sweep is refused before anything is trained, within ten seconds."""
    swath(folder, "--version")  # start the fork server outside the measured time
    started = time.monotonic()
    done = swath(folder, *SWEEP, *arguments)
    assert time.monotonic() - started < 10
    assert done.returncode == status, done.stderr
    (line,) = error_lines(done.stderr)
    assert not (folder / "multirun").exists()
    assert "p@ss" not in done.stderr and "p%40ss" not in done.stderr
    return line


def test_database_that_does_not_exist(tmp_path: Path, postgres: Postgres) -> None:
    line = refused(tmp_path, f"tracking.uri={postgres.address('nowhere')}")
    assert "it has no database 'nowhere'" in line
    assert f"createdb -h 127.0.0.1 -p {postgres.port} -U {USER} nowhere" in line


@pytest.mark.parametrize(("user", "password"), [(USER, "wrong"), ("nobody", "p%40ss%2Fword")])
def test_login_that_is_refused(tmp_path: Path, postgres: Postgres, user: str, password: str) -> None:
    line = refused(tmp_path, f"tracking.uri={postgres.address('postgres', user, password)}")
    assert f"the login of {user} is refused" in line
    assert "correct user and password in the address, or set PGPASSWORD" in line


def test_reading_what_cannot_be_opened(tmp_path: Path, postgres: Postgres) -> None:
    done = swath_compare(tmp_path, "--uri", postgres.address("nowhere"))
    assert done.returncode == 1
    (line,) = error_lines(done.stderr, "swath-compare")
    assert "it has no database 'nowhere'" in line and "p@ss" not in line


def test_address_without_a_server(tmp_path: Path) -> None:
    port = free_port()
    line = refused(tmp_path, f"tracking.uri=postgresql://somebody:secret@127.0.0.1:{port}/x")
    assert f"no database answers at 127.0.0.1:{port} (Connection refused); is it running there?" in line


def test_server_that_accepts_connections_and_says_nothing(tmp_path: Path) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        port = silent.getsockname()[1]
        line = refused(tmp_path, f"tracking.uri=postgresql://somebody:secret@127.0.0.1:{port}/x")
    assert f"no database answers at 127.0.0.1:{port}" in line and "time" in line


def test_user_who_may_not_make_tables(tmp_path: Path, postgres: Postgres) -> None:
    postgres.new_database("closed")
    postgres.sql("CREATE ROLE guest LOGIN PASSWORD 'guest-word'")
    line = refused(tmp_path, f"tracking.uri={postgres.address('closed', 'guest', 'guest-word')}")
    assert "guest may not make tables in the database closed" in line
    assert "GRANT CREATE ON SCHEMA public TO guest" in line
    assert postgres.sql("select count(*) from pg_tables where schemaname = 'public'", "closed") == "0"


def test_commands_that_start_at_once_on_an_empty_database_all_finish(
    tmp_path: Path, postgres: Postgres
) -> None:
    uri = postgres.new_database("empty")
    with contextlib.ExitStack() as commands:
        started = []
        for number in range(4):
            folder = tmp_path / str(number)
            folder.mkdir()
            arguments = (
                "-m", *ONE, f"learning_rate={number + 1}e-7,{number + 1}e-6", f"tracking.uri={uri}"
            )  # fmt: skip
            started.append(commands.enter_context(running(folder, *arguments)))
        for command in started:
            _, errors = command.communicate(timeout=240)
            assert command.returncode == 0, errors
    runs = {key: run for key, run in contents(uri).items() if not key.startswith("sweep")}
    assert [(run["status"], run["steps"]) for run in runs.values()] == [("FINISHED", 20)] * 8
    assert postgres.sql("select name from experiments order by 1", "empty").split() == ["Default", "swath"]
    listed = swath_compare(tmp_path, "--uri", uri)
    assert listed.returncode == 0, listed.stderr


def test_tables_are_made_by_a_command_after_one_that_was_killed_meanwhile(
    tmp_path: Path, postgres: Postgres
) -> None:
    uri = postgres.new_database("cut_off")
    # MLflow makes its first tables, then the others in a second transaction: only the first was carried out.
    half = (
        "import sqlalchemy; from mlflow.store.db.utils import InitialBase; "
        f"InitialBase.metadata.create_all(sqlalchemy.create_engine({uri!r}))"
    )
    done = swath(tmp_path, "--version", patch=half)
    assert done.returncode == 0, done.stderr
    before = int(postgres.sql("select count(*) from pg_tables where schemaname = 'public'", "cut_off"))
    done = swath(tmp_path, *SWEEP, f"tracking.uri={uri}")
    assert done.returncode == 0, done.stderr
    after = int(postgres.sql("select count(*) from pg_tables where schemaname = 'public'", "cut_off"))
    assert 0 < before < after
