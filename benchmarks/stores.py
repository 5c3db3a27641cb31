"""A run of 1,000 steps stored in SQLite, in PostgreSQL and through a server, by two checkouts.

`python -m benchmarks.stores [REPEATS]`. $SWATH_BEFORE names the python of the other checkout, such as that
of the commit before a change; without it, only this one is measured. $SWATH_POSTGRES is the address of a
PostgreSQL server, whose user may make databases; without it, PostgreSQL is left out, and the tracking server
keeps its runs in SQLite. Sides are measured in turn, each by a process that stays.
"""

import contextlib
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.request import urlopen

import sqlalchemy

NOW, BEFORE = "now", "before"

CHILD = Path(__file__).with_name("stored_runs.py")

REPEATS = 12


@contextlib.contextmanager
def _side(python: str, arguments: list[str], folder: Path) -> Iterator[subprocess.Popen[str]]:
    """A child that has opened its store."""
    folder.mkdir(parents=True)
    child = subprocess.Popen(
        [python, "-P", str(CHILD), *arguments],
        cwd=folder,
        env=os.environ | {"SWATH_CACHE_DIR": str(folder / "cache")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None and child.stdout is not None
    try:
        assert child.stdout.readline() == "opened\n"
        yield child
    finally:
        child.stdin.close()
        child.wait()


def _seconds(child: subprocess.Popen[str]) -> float:
    assert child.stdin is not None and child.stdout is not None
    child.stdin.write("\n")
    child.stdin.flush()
    return float(child.stdout.readline())


@contextlib.contextmanager
def _server(folder: Path, backend: str) -> Iterator[str]:
    """A tracking server of two processes that passes artifacts on."""
    folder.mkdir(parents=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = ["server", "--port", str(port), "--workers", "2", "--backend-store-uri", backend]
    with (folder / "log").open("w") as log:
        server = subprocess.Popen(
            [str(Path(sys.executable).with_name("mlflow")), *arguments],
            cwd=folder,
            env=os.environ | {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=log,
            stderr=log,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(240):
            with contextlib.suppress(OSError), urlopen(address + "/health", timeout=5):
                break
            time.sleep(0.5)
        yield address
    finally:
        server.terminate()
        server.wait()


@contextlib.contextmanager
def _databases(postgres: str | None, folder: Path) -> Iterator[list[str]]:
    """Addresses of two new databases of a PostgreSQL; none if there is no PostgreSQL."""
    if postgres is None:
        yield []
        return
    url = sqlalchemy.make_url(postgres)
    engine = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT")
    names = [f"swath_{uuid.uuid4().hex[:8]}" for _ in range(2)]
    with engine.connect() as connection:
        for name in names:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        try:
            yield [url.set(database=name).render_as_string(hide_password=False) for name in names]
        finally:
            for name in names:
                connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")


def stores(repeats: int) -> dict[str, dict[str, list[float]]]:
    """Seconds that a run took, by store and side."""
    pythons = {NOW: sys.executable}
    if other := os.environ.get("SWATH_BEFORE"):
        pythons = {BEFORE: other, **pythons}
    found: dict[str, dict[str, list[float]]] = {}
    with (
        tempfile.TemporaryDirectory(prefix="swath-benchmark-") as name,
        _databases(os.environ.get("SWATH_POSTGRES"), Path(name)) as databases,
        _server(Path(name) / "server", databases[1] if databases else "sqlite:///mlflow.db") as server,
    ):
        addresses = {"SQLite": "", **({"PostgreSQL": databases[0]} if databases else {}), "server": server}
        for store, address in addresses.items():
            with contextlib.ExitStack() as stack:
                children = {}
                for side, python in pythons.items():
                    folder = Path(name) / store / side
                    arguments = [address or f"sqlite:///{folder}/mlflow.db"]
                    if store != "server":
                        arguments.append(str(folder / "artifacts"))
                    children[side] = stack.enter_context(_side(python, arguments, folder))
                found[store] = {side: [] for side in pythons}
                for _ in range(repeats):
                    for side, child in children.items():
                        found[store][side].append(_seconds(child))
            medians = {side: statistics.median(values) for side, values in found[store].items()}
            shown = ", ".join(f"{side} {1000 * median:.0f} ms" for side, median in medians.items())
            ratio = f", {medians[NOW] / medians[BEFORE]:.2f} x" if BEFORE in medians else ""
            print(f"{store}: a run takes {shown}{ratio}", file=sys.stderr, flush=True)
    return found


if __name__ == "__main__":
    print(json.dumps(stores(int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS)))
