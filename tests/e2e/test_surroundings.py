"""What surrounds a command: its folder, streams, encodings, variables, proxies and stores."""

import contextlib
import os
import shlex
import subprocess
import time
from pathlib import Path

import pytest
from support.command import (
    SWATH,
    SWATH_COMPARE,
    SWATH_REPRODUCE,
    error_lines,
    swath,
    swath_compare,
    swath_reproduce,
)
from support.server import free_port, mlflow_server
from support.stores import open_read_only

import swath as package
from swath.errors import SwathError
from swath.tracking import environment_tags

SINGLE = ("data=digits", "max_steps=5")
COMMANDS = {"swath": SWATH, "swath-compare": SWATH_COMPARE, "swath-reproduce": SWATH_REPRODUCE}


def in_bash(folder: Path, line: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run a line in bash; `$swath` is the command."""
    variables = {**os.environ, "swath": str(SWATH), "compare": str(SWATH_COMPARE), **environment}
    return subprocess.run(
        ["bash", "-c", line], cwd=folder, env=variables, capture_output=True, text=True, timeout=300
    )


def statuses(folder: Path) -> list[str]:
    with contextlib.closing(open_read_only(folder)) as database:
        return [status for (status,) in database.execute("select status from runs order by start_time")]


def only_run(folder: Path) -> str:
    with contextlib.closing(open_read_only(folder)) as database:
        ((run_id,),) = database.execute("select run_uuid from runs").fetchall()
    return str(run_id)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with one run."""
    folder = tmp_path_factory.mktemp("store")
    assert swath(folder, *SINGLE).returncode == 0
    return folder


SHADOWS = ("random", "mlflow", "numpy", "json", "swath", "tensorflow", "hydra", "logging", "sqlalchemy")


def test_python_files_in_the_working_folder_are_not_imported(tmp_path: Path) -> None:
    for name in SHADOWS:
        (tmp_path / f"{name}.py").write_text(f"open('imported', 'a').write({name!r})\nraise SystemExit(7)\n")
    done = swath(tmp_path, *SINGLE, real=True, SWATH_POSTPROCESS="wait")
    assert done.returncode == 0, done.stderr
    ranked = swath_compare(tmp_path, "single", PYTHONUNBUFFERED="1")
    assert ranked.returncode == 0, ranked.stderr
    repeated = swath_reproduce(tmp_path, only_run(tmp_path), PYTHONUNBUFFERED="1")
    assert repeated.returncode == 0, repeated.stderr + repeated.stdout
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_closed_streams(tmp_path: Path, closed: str) -> None:
    done = in_bash(tmp_path, f'"$swath" {" ".join(SINGLE)} {closed}')
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert statuses(tmp_path) == ["FINISHED"]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".db"] == ["mlflow.db"]


@pytest.mark.parametrize("closed", ["2>&-", "<&- >&- 2>&-"])
def test_closed_streams_of_other_commands(store: Path, closed: str) -> None:
    assert in_bash(store, f'"$compare" {closed}').returncode == 0
    assert in_bash(store, f'"$compare" nosuchsweep {closed}').returncode == 2
    assert in_bash(store, f'"$swath" --help {closed}').returncode == 0
    assert in_bash(store, f'"$swath" nosuchfield=1 {closed}').returncode == 2


def assert_names_standard_output(done: "subprocess.CompletedProcess[str]", command: str) -> None:
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    (line,) = error_lines(done.stderr, command)
    assert line == f"{command}: standard output cannot be written: No space left on device"
    assert "resume" not in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.parametrize("variables", [{}, {"PYTHONUNBUFFERED": "1"}])
@pytest.mark.parametrize(
    "line", ["--help", "dry_run=true", "--version", "--info", "--info config", "--cfg job", "--hydra-help"]
)
def test_full_standard_output_of_a_command_that_prints(
    tmp_path: Path, line: str, variables: dict[str, str]
) -> None:
    done = in_bash(tmp_path, f'"$swath" {line} > /dev/full', **variables)
    assert_names_standard_output(done, "swath")


@pytest.mark.parametrize("variables", [{}, {"PYTHONUNBUFFERED": "1"}])
@pytest.mark.parametrize("line", ["", "single"])
def test_full_standard_output_of_a_comparison(store: Path, line: str, variables: dict[str, str]) -> None:
    done = in_bash(store, f'"$compare" {line} > /dev/full', **variables)
    assert_names_standard_output(done, "swath-compare")


@pytest.mark.parametrize("variables", [{}, {"PYTHONUNBUFFERED": "1"}])
def test_full_standard_output_of_a_sweep_does_not_stop_it(tmp_path: Path, variables: dict[str, str]) -> None:
    line = f'"$swath" -m {" ".join(SINGLE)} learning_rate=1e-6,1e-5 > /dev/full'
    done = in_bash(tmp_path, line, **variables)
    assert_names_standard_output(done, "swath")
    assert statuses(tmp_path) == 3 * ["FINISHED"]


@pytest.mark.parametrize("encoding", ["latin-1", "ascii"])
def test_terminal_of_another_encoding(tmp_path: Path, encoding: str) -> None:
    """Names with characters that the encoding lacks are printed with substitutes."""
    texts = ("tracking.experiment='日本 ü'", "tracking.uri='sqlite:///größe-日本.db'")
    typed = " ".join(map(shlex.quote, texts))
    for line in ("--help", f"{typed} dry_run=true", f"{typed} --cfg job"):
        command = f'"$swath" {line} > out 2> err'
        assert in_bash(tmp_path, command, PYTHONIOENCODING=encoding).returncode == 0
        out, err = ((tmp_path / name).read_bytes() for name in ("out", "err"))
        assert out
        assert "Traceback" not in err.decode(encoding)
        out.decode(encoding)


def test_sweep_in_an_ascii_terminal(tmp_path: Path) -> None:
    done = swath(
        tmp_path,
        "-m",
        *SINGLE,
        "learning_rate=1e-6,1e-5",
        "tracking.experiment='日本 ü'",
        PYTHONIOENCODING="ascii",
    )
    assert done.returncode == 0, done.stderr
    assert (done.stdout + done.stderr).isascii()
    ranked = swath_compare(tmp_path, "ad-hoc", "--format", "table", PYTHONIOENCODING="ascii")
    assert ranked.returncode == 0, ranked.stderr
    assert ranked.stdout.isascii()


@pytest.mark.parametrize("arguments", ["data=digits max_steps=5", "dry_run=true"])
def test_deleted_working_folder(tmp_path: Path, arguments: str) -> None:
    done = in_bash(tmp_path, f'mkdir gone; cd gone; rmdir ../gone; "$swath" {arguments}')
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1:] == [
        "swath: the working folder does not exist any more; change to another one"
    ]
    assert len(error_lines(done.stderr)) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["swath-compare", "swath-reproduce"])
def test_deleted_working_folder_of_other_commands(tmp_path: Path, command: str) -> None:
    done = in_bash(tmp_path, f"mkdir gone; cd gone; rmdir ../gone; {shlex.quote(str(COMMANDS[command]))} x")
    assert done.returncode == 2
    assert error_lines(done.stderr, command) == [
        f"{command}: the working folder does not exist any more; change to another one"
    ]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("warnings", ["error::DeprecationWarning", "error"])
def test_warnings_as_errors(tmp_path: Path, warnings: str) -> None:
    done = swath(tmp_path, *SINGLE, PYTHONWARNINGS=warnings, SWATH_POSTPROCESS="wait")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    ranked = swath_compare(tmp_path, "single", PYTHONWARNINGS=warnings)
    assert ranked.returncode == 0, ranked.stderr


def test_proxy_is_not_asked_for_a_server_of_this_machine(tmp_path: Path) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    proxies = {"http_proxy": dead, "HTTP_PROXY": dead, "all_proxy": dead}
    folder = tmp_path / "work"
    folder.mkdir()
    arguments = ("server", "--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--workers", "1")
    with mlflow_server(tmp_path, free_port(), "/health", *arguments) as address:
        done = swath(folder, *SINGLE, f"tracking.uri={address}", no_proxy="example.org", **proxies)
        assert done.returncode == 0, done.stderr
        listed = swath_compare(folder, "--uri", address, "--format", "csv", **proxies)
        assert listed.returncode == 0, listed.stderr
        assert len(listed.stdout.splitlines()) == 2
        by_name = address.replace("127.0.0.1", "localhost")
        assert swath_compare(folder, "--uri", by_name, **proxies).returncode == 0


@pytest.mark.parametrize("name", ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_OBJECT_DIRECTORY"])
def test_variables_of_git_do_not_change_the_recorded_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    source = Path(package.__file__).parent
    real = subprocess.run(["git", "rev-parse", "HEAD"], cwd=source, capture_output=True, text=True)
    if real.returncode != 0 or "site-packages" in source.parts:
        pytest.skip("the code is not in a checkout")
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run([*git, "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "other"], cwd=tmp_path, check=True)
    before = environment_tags()
    places = {
        "GIT_DIR": tmp_path / ".git",
        "GIT_WORK_TREE": tmp_path,
        "GIT_INDEX_FILE": tmp_path / ".git" / "index",
        "GIT_OBJECT_DIRECTORY": tmp_path / ".git" / "objects",
    }
    monkeypatch.setenv(name, str(places[name]))
    tags = environment_tags()
    assert tags["swath.commit"] == real.stdout.strip()
    assert tags["mlflow.source.git.commit"] == real.stdout.strip()
    assert tags["swath.dirty"] == before["swath.dirty"]


def test_store_that_is_a_dangling_link(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").symlink_to("/nowhere/at/all.db")
    began = time.monotonic()
    done = swath(tmp_path, *SINGLE)
    assert time.monotonic() - began < 30  # MLflow itself retries for 100 s
    assert done.returncode == 2, done.stderr
    (line,) = error_lines(done.stderr)
    assert f"{tmp_path / 'mlflow.db'} is a link to /nowhere/at/all.db, which does not exist" in line
    compared = swath_compare(tmp_path)
    assert compared.returncode == 2
    assert len(error_lines(compared.stderr, "swath-compare")) == 1


def test_link_to_a_store_is_a_store(tmp_path: Path, store: Path) -> None:
    (tmp_path / "mlflow.db").symlink_to(store / "mlflow.db")
    listed = swath_compare(tmp_path, "--format", "csv")
    assert listed.returncode == 0, listed.stderr
    assert listed.stdout == swath_compare(store, "--format", "csv").stdout


def test_store_of_a_former_kind_in_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "mlruns" / "0").mkdir(parents=True)
    (tmp_path / "mlruns" / "0" / "meta.yaml").write_text("name: Default\n")
    for command, done in {
        "swath": swath(tmp_path, *SINGLE),
        "swath-compare": swath_compare(tmp_path),
        "swath-reproduce": swath_reproduce(tmp_path, "abc"),
    }.items():
        assert done.returncode == 2, done.stderr
        (line,) = error_lines(done.stderr, command)
        assert f"{tmp_path / 'mlruns'} is an old file store" in line
        assert "tracking.uri=sqlite:///mlflow.db" in line
        assert "mlflow migrate-filestore --source . --target sqlite:///mlflow.db" in line
    assert not (tmp_path / "mlflow.db").exists()

    typed = swath(tmp_path, *SINGLE, "tracking.uri=sqlite:///mlflow.db")
    assert typed.returncode == 0, typed.stderr
    assert statuses(tmp_path) == ["FINISHED"]
    (see,) = [line for line in (typed.stderr + typed.stdout).splitlines() if line.startswith("See it: ")]
    assert "mlflow ui --backend-store-uri sqlite:///mlflow.db" in see
    listed = swath_compare(tmp_path, "--uri", "sqlite:///mlflow.db", "--format", "csv")
    assert listed.returncode == 0, listed.stderr
    assert len(listed.stdout.splitlines()) == 2


@pytest.mark.parametrize("content", ["exp/meta.yaml", ".trash/meta.yaml", "1/abc/artifacts/meta.yaml"])
def test_folder_of_artifacts_is_no_store_of_a_former_kind(tmp_path: Path, content: str) -> None:
    path = tmp_path / "mlruns" / content
    path.parent.mkdir(parents=True)
    path.write_text("x: 1\n")
    assert swath(tmp_path, *SINGLE, "dry_run=true").returncode == 0


WRONG_STORES = (
    "mlflow.db",
    "/tmp/mlflow.db",
    "file:///tmp/mlruns",
    "sqlite:",
    "sqlite://",
    "ftp://host",
    " ",
)


@pytest.mark.parametrize("uri", WRONG_STORES)
def test_wrong_store_in_the_environment(tmp_path: Path, uri: str) -> None:
    for command, done in {
        "swath": swath(tmp_path, *SINGLE, MLFLOW_TRACKING_URI=uri),
        "swath-compare": swath_compare(tmp_path, MLFLOW_TRACKING_URI=uri),
        "swath-reproduce": swath_reproduce(tmp_path, "abc", MLFLOW_TRACKING_URI=uri),
    }.items():
        assert done.returncode == 2, done.stderr
        (line,) = error_lines(done.stderr, command)
        assert line.startswith(
            f"{command}: $MLFLOW_TRACKING_URI={uri}: expected an address that begins with "
        )
        assert "sqlite://" in line
    assert list(tmp_path.iterdir()) == []


def test_password_of_a_wrong_store_is_hidden(tmp_path: Path) -> None:
    done = swath(tmp_path, *SINGLE, MLFLOW_TRACKING_URI="postgres://ada:secret@host/db")
    assert done.returncode == 2
    assert "secret" not in done.stderr + done.stdout
    assert "MLFLOW_TRACKING_URI" in done.stderr


def test_empty_variable_means_the_default_store(store: Path) -> None:
    assert swath_compare(store, MLFLOW_TRACKING_URI="").returncode == 0


def test_store_is_a_path_in_python(tmp_path: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    by_path = package.load_sweep("single", store / "mlflow.db")
    assert by_path["run_id"].tolist() == [only_run(store)]
    assert package.load_sweep("single", f"sqlite:///{store}/mlflow.db").equals(by_path)
    assert len(package.compare("single", uri=store / "mlflow.db")) == 1
    odd = tmp_path / "100% mine?.db"
    odd.write_bytes((store / "mlflow.db").read_bytes())
    assert package.load_sweep("single", odd)["run_id"].tolist() == [only_run(store)]
    monkeypatch.chdir(store)
    assert package.load_sweep("single", Path("mlflow.db")).equals(by_path)
    with pytest.raises(SwathError, match=r"no store at .*other\.db"):
        package.load_sweep("single", store / "other.db")
