"""A PostgreSQL of a test's own: Debian's programs, a new cluster in a temporary folder, a port of its own."""

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from support.server import free_port

USER, PASSWORD = "swath", "p@ss/word"
"""The password must be quoted in an address."""


def postgres_programs() -> Path | None:
    """The folder of PostgreSQL's programs, which Debian keeps off PATH; None if there is none."""
    on_path = shutil.which("initdb")
    if on_path is not None:
        return Path(on_path).resolve().parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return found[-1].parent if found else None


class Postgres:
    """A running server; `close` ends it and removes its files."""

    def __init__(self) -> None:
        programs = postgres_programs()
        assert programs is not None
        self._programs = programs
        self.port = free_port()
        self._folder = Path(tempfile.mkdtemp(prefix="swath-postgres-"))
        password = self._folder / "password"
        password.write_text(PASSWORD)
        self._user = "postgres" if os.geteuid() == 0 else None  # the server refuses to run as root
        if self._user is not None:
            for path in (password, self._folder):
                shutil.chown(path, self._user)
        self._run(
            "initdb",
            "-N",
            "-D",
            "data",
            "-U",
            USER,
            f"--pwfile={password}",
            "--auth=scram-sha-256",
            "-E",
            "UTF8",
        )
        self.start()

    @property
    def data(self) -> Path:
        """The folder of the cluster."""
        return self._folder / "data"

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = (
            f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._folder} "
            "-c fsync=off -c max_connections=60"
        )
        self._run("pg_ctl", "-D", "data", "-l", "log", "-w", "-o", options, "start")

    def stop(self, mode: str = "fast") -> None:
        """Stop the server; `immediate` is a crash, after which it recovers when it starts."""
        self._run("pg_ctl", "-D", "data", "-m", mode, "-w", "stop")

    def restart(self, away_s: float = 0, mode: str = "fast") -> None:
        """Stop the server, and start it again after `away_s` seconds."""
        self.stop(mode)
        time.sleep(away_s)
        self.start()

    def address(self, database: str, user: str = USER, password: str = "p%40ss%2Fword") -> str:
        """The address of a database, which need not exist."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def new_database(self, name: str, template: str = "template1") -> str:
        """Make a database, empty or the copy of another; returns its address."""
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.address(name)

    def sql(self, command: str, database: str = "postgres") -> str:
        """Execute a command; returns what it prints."""
        arguments = ("-h", "127.0.0.1", "-p", str(self.port), "-U", USER, "-d", database, "-Atqc", command)
        return self._run("psql", *arguments)

    def close(self) -> None:
        """End the server and remove its files."""
        subprocess.run(
            [self._programs / "pg_ctl", "-D", self.data, "-m", "immediate", "-w", "stop"],
            user=self._user,
            cwd=self._folder,
            capture_output=True,
            check=False,
        )
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> str:
        # A file, not a pipe: the server inherits it and would keep a pipe open.
        with tempfile.TemporaryFile("w+") as output:
            done = subprocess.run(
                [self._programs / program, *arguments],
                user=self._user,
                cwd=self._folder,
                env={"PATH": os.environ["PATH"], "PGPASSWORD": PASSWORD, "LC_ALL": "C.UTF-8"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                check=False,
            )
            output.seek(0)
            text = output.read()
        assert done.returncode == 0, f"{program} ended with {done.returncode}: {text}"
        return text.strip()
