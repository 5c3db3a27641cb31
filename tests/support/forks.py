"""Commands carried out in forks of a process that has loaded TensorFlow: seconds less for each.

What a fork does is what the command does once its imports are done. Tests of starting, of signals, of the
installed wheel and of environments that imports read start the real command instead.
"""

import atexit
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

TIMEOUT_S = 300


class _Server:
    """A process that waits for words on its standard input, one line of JSON a command."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "support.forks"],
            cwd=Path(__file__).resolve().parents[1],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        atexit.register(self._process.kill)

    def run(
        self, module: str, folder: Path, words: tuple[str, ...], environment: dict[str, str]
    ) -> "subprocess.CompletedProcess[str]":
        assert self._process.stdin is not None and self._process.stdout is not None
        with tempfile.TemporaryDirectory(prefix="swath-test-") as name:
            out, err = Path(name) / "out", Path(name) / "err"
            asked = {
                "module": module,
                "folder": str(folder),
                "words": words,
                "environment": {**os.environ, **environment},
                "out": str(out),
                "err": str(err),
            }
            self._process.stdin.write(json.dumps(asked) + "\n")
            self._process.stdin.flush()
            status = int(self._process.stdout.readline())
            return subprocess.CompletedProcess([module, *words], status, out.read_text(), err.read_text())


_server: _Server | None = None


def run_in_a_fork(
    module: str, folder: Path, words: tuple[str, ...], environment: dict[str, str]
) -> "subprocess.CompletedProcess[str]":
    """Carry out `module.main()` with some words in `folder`, to its end."""
    global _server
    if _server is None:
        _server = _Server()
    return _server.run(module, folder, words, environment)


def _carry_out(asked: dict[str, object]) -> None:
    """In the fork: become the command."""
    import importlib

    os.setsid()
    os.chdir(str(asked["folder"]))
    environment = asked["environment"]
    assert isinstance(environment, dict)
    os.environ.clear()
    os.environ.update(environment)
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    for number, key in ((1, "out"), (2, "err")):
        descriptor = os.open(str(asked[key]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(descriptor, number)
        os.close(descriptor)
    words = asked["words"]
    assert isinstance(words, list)
    module = str(asked["module"])
    sys.argv = [module.split(".")[1], *map(str, words)]
    sys.path[:] = [entry for entry in sys.path if not entry.endswith("/tests")]
    status = 70
    try:
        importlib.import_module(module).main()
        status = 0
    except SystemExit as leaving:
        status = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    except BaseException:
        import traceback

        traceback.print_exc()
        status = 1
    finally:
        with contextlib.suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def serve() -> None:
    """Load what takes long, then fork for every line."""
    import hydra  # noqa: F401

    import swath.compute  # noqa: F401

    replies = os.fdopen(os.dup(1), "w")
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _carry_out(json.loads(line))
        _, waited = os.waitpid(child, 0)
        replies.write(f"{os.waitstatus_to_exitcode(waited)}\n")
        replies.flush()


if __name__ == "__main__":
    serve()
