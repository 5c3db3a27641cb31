"""`swath-reproduce`, and other ways to repeat a run from its stored config."""

import hashlib
import json
import os
import re
import shlex
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from support.command import error_lines, swath, swath_compare, swath_reproduce
from support.waiting import query_store

GRID = (
    "-m",
    "data=digits",
    "data.validation_size=300",
    "batch_size=20,50",
    "learning_rate=1e-7,1e36",
    "max_steps=30,60",
    "evaluate_every_steps=25",
)
REPRODUCE_PAGE = Path(__file__).resolve().parents[2] / "docs" / "reproduce.md"
RUN_IDS_QUERY = "select run_uuid from tags where key = 'swath.kind' and value = 'run'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of eight configurations, four of which diverge."""
    folder = tmp_path_factory.mktemp("reproduce")
    assert swath(folder, *GRID).returncode == 1
    return folder


@pytest.fixture(scope="module")
def run_ids(folder: Path) -> list[str]:
    """Ids of the finished runs."""
    query = f"select run_uuid from runs where status = 'FINISHED' and run_uuid in ({RUN_IDS_QUERY})"
    return [str(run_id) for (run_id,) in query_store(folder, f"{query} order by run_uuid")]


def digest_of_store(folder: Path) -> str:
    """SHA-256 of all files of a store."""
    digest = hashlib.sha256()
    for path in sorted([folder / "mlflow.db", *(folder / "mlruns").rglob("*")]):
        digest.update(str(path).encode() + (path.read_bytes() if path.is_file() else b""))
    return digest.hexdigest()


def test_reproduce_reports_every_run_as_identical_and_leaves_the_store_unchanged(folder: Path) -> None:
    before = digest_of_store(folder)
    done = swath_reproduce(folder, "--sweep", "ad-hoc")
    assert done.returncode == 0, done.stderr
    assert [line.split("  ")[1] for line in done.stdout.splitlines()] == ["identical, bit for bit"] * 8
    assert digest_of_store(folder) == before


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "4711", "LC_ALL": "de_DE.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Tokyo"},
        {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "7", "OPENBLAS_NUM_THREADS": "3"},
    ],
)
def test_reproduction_does_not_depend_on_environment_or_folder(
    folder: Path, run_ids: list[str], tmp_path: Path, environment: dict[str, str]
) -> None:
    uri = f"sqlite:///{folder}/mlflow.db"
    done = swath_reproduce(tmp_path, run_ids[0], "--uri", uri, **environment)
    assert done.returncode == 0, done.stderr + done.stdout
    assert list(tmp_path.iterdir()) == []


def test_solo_runs_are_reproduced_as_lanes_and_lanes_as_solo_runs(
    folder: Path, run_ids: list[str], tmp_path: Path
) -> None:
    solo = swath_reproduce(folder, run_ids[1])  # it was trained as a lane
    assert solo.stdout == f"{run_ids[1]}  identical, bit for bit\n"
    arguments = ("data=digits", "batch_size=20", "max_steps=30")
    for rate in ("1e-7", "1e-6"):
        assert swath(tmp_path, *arguments, f"learning_rate={rate}", "hydra/launcher=basic").returncode == 0
    solo_run_ids = [str(run_id) for (run_id,) in query_store(tmp_path, RUN_IDS_QUERY)]
    together = swath_reproduce(tmp_path, *solo_run_ids)
    assert together.stdout.count("identical, bit for bit") == 2
    assert together.returncode == 0


def test_record_option_stores_the_verdict(folder: Path, run_ids: list[str], tmp_path: Path) -> None:
    workdir = tmp_path / "copy"
    shutil.copytree(folder, workdir)
    refused = swath_reproduce(workdir, run_ids[0], "--record")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"files are read from {workdir}/mlruns/1, beside the database" in refused.stderr
    (line,) = error_lines(refused.stderr, "swath-reproduce")
    assert "was copied or moved" in line
    assert line.endswith("; correct it with: swath-compare --relocate")
    assert swath_compare(workdir, "--relocate", "--yes").returncode == 0
    done = swath_reproduce(workdir, run_ids[0], "--record")
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"{run_ids[0]}  identical, bit for bit\n"
    tagged = query_store(workdir, "select run_uuid, value from tags where key = 'swath.reproduced'")
    assert {value for _, value in tagged} == {"identical, bit for bit"}
    reproduction = next(run_id for run_id, _ in tagged if run_id != run_ids[0])
    of_reproduction = f"select value from tags where run_uuid = '{reproduction}' and key = "
    assert query_store(workdir, of_reproduction + "'swath.reproduces'") == [(run_ids[0],)]
    of_params = "select key, value from params where key like '%learning_rate' and run_uuid = "
    params = [query_store(workdir, f"{of_params}'{run_id}'") for run_id in (reproduction, run_ids[0])]
    assert sorted(params[0]) == sorted(params[1])
    assert len(params[0]) == 2, "and its logarithm"
    of_original = f"select value from tags where run_uuid = '{run_ids[0]}' and key = "
    digest = query_store(workdir, of_reproduction + "'swath.bits'")
    assert digest == query_store(workdir, of_original + "'swath.bits'")
    assert len(digest) == 1
    again = swath(workdir, *GRID, "resume=true")  # a reproduction does not count as a run of the sweep
    assert "Resume: 4 already done, 4 restarted." in again.stderr.splitlines()


def changed_copy(folder: Path, target: Path, statement: str, *values: object) -> None:
    shutil.copytree(folder, target)
    with sqlite3.connect(target / "mlflow.db") as database:
        assert database.execute(statement, values).rowcount > 0


def test_different_value_is_reported_with_step_and_likely_reason(
    folder: Path, run_ids: list[str], tmp_path: Path
) -> None:
    statement = "update metrics set value = value * (1 + 1e-9) where key = 'train/loss' and step = 17"
    changed_copy(folder, tmp_path / "value", f"{statement} and run_uuid = ?", run_ids[0])
    done = swath_reproduce(tmp_path / "value", *run_ids[:2])
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{run_ids[0]}  differs: train/loss: differs from step 17 on (")
    assert re.search(r"largest difference 1\.\d+e-09, 1e-09 relative; ", first)
    assert first.endswith("the cause is something that is not recorded")
    assert second == f"{run_ids[1]}  identical, bit for bit"
    with sqlite3.connect(tmp_path / "value" / "mlflow.db") as database:
        database.execute("update tags set value = '2.20.0' where key = 'swath.tensorflow'")
    reason = swath_reproduce(tmp_path / "value", run_ids[0])
    assert "; likely because of TensorFlow 2.20.0, now 2." in reason.stdout
    tolerated = swath_reproduce(tmp_path / "value", run_ids[0], "--rtol", "1e-8")
    assert tolerated.returncode == 0
    assert "equal within tolerance: largest relative difference 1e-09" in tolerated.stdout
    assert swath_reproduce(tmp_path / "value", run_ids[0], "--rtol", "1e-10").returncode == 1


def test_unreproducible_runs_are_reported_with_the_reason(
    folder: Path, run_ids: list[str], tmp_path: Path
) -> None:
    target = tmp_path / "missing"
    changed_copy(folder, target, "update runs set status = 'KILLED' where run_uuid = ?", run_ids[0])
    workdir = next((target / "mlruns").glob(f"*/{run_ids[1]}/artifacts"))
    (workdir / "predictions.npz").unlink()
    with sqlite3.connect(target / "mlflow.db") as database:
        changes = {run_ids[0]: ("swath.bits", None), run_ids[2]: ("mlflow.swath.config_schema", "99")}
        for run_id, (name, value) in changes.items():
            if value is None:
                database.execute("delete from tags where run_uuid = ? and key = ?", (run_id, name))
            else:
                database.execute(
                    "update tags set value = ? where run_uuid = ? and key = ?", (value, run_id, name)
                )
    ((summary,),) = query_store(
        target, "select run_uuid from tags where key = 'swath.kind' and value = 'sweep'"
    )
    done = swath_reproduce(target, *run_ids, "0123", str(summary))
    assert done.returncode == 2
    message = [line.split("  ", 1)[1] for line in done.stdout.splitlines()]
    assert message[0] == "cannot be reproduced: it is KILLED"
    assert message[1].startswith(f"cannot be reproduced: run {run_ids[1]}: predictions.npz cannot be read")
    assert message[2].startswith("cannot be reproduced: made by a newer version of swath")
    assert message[3] == "identical, bit for bit"
    assert message[4].startswith("cannot be reproduced: no run 0123 in this store")
    assert message[5] == "cannot be reproduced: it is not a run of one configuration made by swath"


def test_config_file_is_compared_with_a_run(folder: Path, run_ids: list[str], tmp_path: Path) -> None:
    stored = next((folder / "mlruns").glob(f"*/{run_ids[0]}/artifacts/config.yaml"))
    path = tmp_path / "config.yaml"
    shutil.copy(stored, path)
    uri = ("--uri", f"sqlite:///{folder}/mlflow.db")
    same = swath_reproduce(tmp_path, "config.yaml", "--against", run_ids[0], *uri)
    assert same.returncode == 0, same.stderr + same.stdout
    path.write_text(path.read_text().replace("seed: 0", "seed: 1"))
    other = swath_reproduce(tmp_path, "config.yaml", "--against", run_ids[0], *uri)
    assert other.returncode == 1
    assert "because the configuration differs: seed 0, now 1" in other.stdout
    workdir = tmp_path / "recorded"
    shutil.copytree(folder, workdir)
    assert swath_compare(workdir, "--relocate", "--yes").returncode == 0
    shutil.copy(path, workdir / "edited.yaml")
    recorded = swath_reproduce(workdir, "edited.yaml", "--against", run_ids[0], "--record")
    assert recorded.returncode == 1
    assert "seed 0, now 1" in recorded.stdout


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("_target_: os.system\n", "config.yaml: _target_: unknown field"),
        (
            "seed: ${oc.env:SECRET}\n",
            "config.yaml: seed=${oc.env:SECRET}: expected a value, not an interpolation",
        ),
        ("seed: !!python/object/apply:os.system ['touch pwned']\n", "config.yaml is not a configuration"),
        ("- seed\n", "config.yaml is not a configuration: expected FIELD: VALUE lines"),
        ("seed: -1\n", "config.yaml: seed=-1: expected a whole number from 0"),
    ],
)
def test_untrusted_config_is_not_executed(
    folder: Path, run_ids: list[str], tmp_path: Path, text: str, message: str
) -> None:
    stored = next((folder / "mlruns").glob(f"*/{run_ids[0]}/artifacts/config.yaml")).read_text()
    kept = [line for line in stored.splitlines() if not line.startswith("seed:")]
    body = text if text.startswith("-") else "\n".join([*kept, text])
    (tmp_path / "config.yaml").write_text(body)
    uri = ("--uri", f"sqlite:///{folder}/mlflow.db")
    done = swath_reproduce(
        tmp_path, "config.yaml", "--against", run_ids[0], *uri, SECRET="password_overrides"
    )
    assert done.returncode == 2
    assert done.stderr.startswith(f"swath-reproduce: {message}")
    assert "password_overrides" not in done.stderr + done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_pickles_in_a_store_are_not_loaded(folder: Path, run_ids: list[str], tmp_path: Path) -> None:
    target = tmp_path / "pickled"
    shutil.copytree(folder, target)
    workdir = next((target / "mlruns").glob(f"*/{run_ids[0]}/artifacts"))

    class Touch:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, ("touch pwned",)

    np.savez(workdir / "weights.npz", weights=np.array([Touch()], dtype=object))
    with sqlite3.connect(target / "mlflow.db") as database:
        deleted = "delete from tags where run_uuid = ? and key = 'mlflow.swath.files'"
        assert database.execute(deleted, (run_ids[0],)).rowcount == 1
    done = swath_reproduce(target, run_ids[0])
    assert done.returncode == 2
    assert "weights.npz is damaged" in done.stdout
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize(
    ("tag", "value", "message"),
    [
        ("mlflow.swath.files", '{"/etc/hostname": "0"}', "names an unknown file: '/etc/hostname'"),
        ("mlflow.swath.files", '{"../../secret": "0"}', "names an unknown file: '../../secret'"),
        ("mlflow.swath.files", "[]", "its tag mlflow.swath.files is damaged"),
        ("swath.every_steps", "x", "its tag swath.every_steps is damaged"),
    ],
)
def test_untrusted_tags_are_validated(
    folder: Path, run_ids: list[str], tmp_path: Path, tag: str, value: str, message: str
) -> None:
    statement = "update tags set value = ? where key = ? and run_uuid = ?"
    changed_copy(folder, tmp_path / "tags", statement, value, tag, run_ids[0])
    done = swath_reproduce(tmp_path / "tags", run_ids[0])
    assert done.returncode == 2
    assert message in done.stdout
    assert "Traceback" not in done.stderr


def test_logarithms_of_a_run_are_not_part_of_it(folder: Path, run_ids: list[str], tmp_path: Path) -> None:
    """They are for MLflow's page, which does not change them."""
    edited = "update params set value = '7' where key = 'log10 learning_rate' and run_uuid = ?"
    changed_copy(folder, tmp_path / "edited", edited, run_ids[0])
    done = swath_reproduce(tmp_path / "edited", run_ids[0])
    assert (done.returncode, done.stdout) == (0, f"{run_ids[0]}  identical, bit for bit\n")
    compared = swath_compare(tmp_path / "edited", "--diff", run_ids[0], run_ids[1])
    assert compared.returncode == 0, compared.stderr
    assert "log10" not in compared.stdout


def test_show_option_prints_the_recipe(folder: Path, run_ids: list[str]) -> None:
    done = swath_reproduce(folder, run_ids[0], "--show")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    ((name,),) = query_store(folder, f"select name from runs where run_uuid = '{run_ids[0]}'")
    assert str(name).endswith(" (batch_size learning_rate max_steps)")
    assert lines[0].startswith(f"# run {run_ids[0]}: {name}")
    assert "log10" not in done.stdout
    commit = query_store(
        folder, f"select value from tags where key = 'swath.commit' and run_uuid = '{run_ids[0]}'"
    )
    assert not commit or any(line.startswith(f"git checkout {commit[0][0]}") for line in lines)
    (install,) = [line for line in lines if line.startswith("pip install ")]
    assert "tensorflow==2." in install and "mlflow==3." in install
    (command,) = [line for line in lines if line.startswith("swath data=digits ")]
    assert {"data.validation_size=300", "seed=0", "preprocessing=mean_image"} <= set(command.split())
    assert "seed: 0" in lines


def digests_in(folder: Path) -> set[object]:
    return {value for (value,) in query_store(folder, "select value from tags where key = 'swath.bits'")}


def test_runs_from_stored_configs_and_overrides_are_bit_identical(
    folder: Path, run_ids: list[str], tmp_path: Path
) -> None:
    query = f"select value from tags where key = '%s' and run_uuid = '{run_ids[0]}'"
    ((digest,),) = query_store(folder, query % "swath.bits")
    ((overrides,),) = query_store(folder, query % "swath.overrides")
    artifacts = next((folder / "mlruns").glob(f"*/{run_ids[0]}/artifacts"))
    jobs = (folder / "multirun").glob("*/*/*/.hydra")
    typed = set(json.loads(str(overrides)))
    hydra = next(job for job in jobs if typed == set(_yaml_list(job / "overrides.yaml")))
    recipe = swath_reproduce(folder, run_ids[0], "--show").stdout.splitlines()
    (shown,) = [tuple(shlex.split(line)[1:]) for line in recipe if line.startswith("swath data=")]
    for arguments in (
        ("--config-dir", str(artifacts), "--config-name", "config"),
        ("--config-dir", str(hydra), "--config-name", "config"),
        tuple(json.loads(str(overrides))),
        shown,
    ):
        workdir = tmp_path / str(len(list(tmp_path.iterdir())))
        workdir.mkdir()
        done = swath(workdir, *arguments)
        assert done.returncode == 0, done.stderr
        assert digests_in(workdir) == {digest}


def _yaml_list(path: Path) -> list[str]:
    return [line.removeprefix("- ") for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "expected run ids or --sweep SWEEP"),
        (("a", "--sweep", "b"), "expected run ids or --sweep SWEEP"),
        (("nothing.yaml", "--against", "a"), "nothing.yaml: no such file"),
        (("a", "--data-dir", "nowhere"), "--data-dir nowhere: no such folder"),
        (("a", "--record", "--show"), "--show trains nothing"),
    ],
)
def test_invalid_arguments_are_reported_in_one_line(
    tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = swath_reproduce(tmp_path, *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"swath-reproduce: {message}")


def test_missing_or_different_data_is_reported(tmp_path: Path, cifar10_dir: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(cifar10_dir / "cifar-10-batches-py", data / "cifar-10-batches-py")
    workdir = tmp_path / "place"
    workdir.mkdir()
    assert swath(workdir, "max_steps=3", f"data.dir={data}").returncode == 0
    ((run_id,),) = query_store(workdir, RUN_IDS_QUERY)
    here = swath_reproduce(workdir, str(run_id), "--data-dir", str(data))
    assert here.stdout == f"{run_id}  identical, bit for bit\n"
    (tmp_path / "empty").mkdir()
    missing = swath_reproduce(workdir, str(run_id), "--data-dir", str(tmp_path / "empty"))
    assert missing.returncode == 2
    assert "cannot be reproduced: its data cannot be loaded: " in missing.stdout
    batch = data / "cifar-10-batches-py" / "data_batch_3"
    raw = bytearray(batch.read_bytes())
    raw[len(raw) // 2] ^= 1  # one bit of one pixel
    batch.write_bytes(bytes(raw))
    other = swath_reproduce(workdir, str(run_id), "--data-dir", str(data))
    assert other.returncode == 2
    assert "its data differs from what it was trained on: digest" in other.stdout
