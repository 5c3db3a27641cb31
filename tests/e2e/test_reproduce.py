"""`swath-reproduce`, and the other ways from a config back to the run."""

import hashlib
import json
import os
import re
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
from mlflow.tracking import MlflowClient
from support.command import swath, swath_reproduce
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
CONFIGURATIONS = "select run_uuid from tags where key = 'swath.kind' and value = 'run'"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of eight configurations, four of which diverge."""
    folder = tmp_path_factory.mktemp("reproduce")
    assert swath(folder, *GRID).returncode == 1
    return folder


@pytest.fixture(scope="module")
def run_ids(folder: Path) -> list[str]:
    """Its finished runs."""
    query = f"select run_uuid from runs where status = 'FINISHED' and run_uuid in ({CONFIGURATIONS})"
    return [str(run_id) for (run_id,) in query_store(folder, f"{query} order by run_uuid")]


def digest_of_everything(folder: Path) -> str:
    """Of every file of a store."""
    digest = hashlib.sha256()
    for path in sorted([folder / "mlflow.db", *(folder / "mlruns").rglob("*")]):
        digest.update(str(path).encode() + (path.read_bytes() if path.is_file() else b""))
    return digest.hexdigest()


def test_every_run_is_identical_and_the_store_is_left_alone(folder: Path) -> None:
    before = digest_of_everything(folder)
    done = swath_reproduce(folder, "--sweep", "ad-hoc")
    assert done.returncode == 0, done.stderr
    assert [line.split("  ")[1] for line in done.stdout.splitlines()] == ["identical, bit for bit"] * 8
    assert digest_of_everything(folder) == before


@pytest.mark.parametrize(
    "environment",
    [
        {"PYTHONHASHSEED": "4711", "LC_ALL": "de_DE.UTF-8", "LANG": "tr_TR.UTF-8", "TZ": "Asia/Tokyo"},
        {"OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "7", "OPENBLAS_NUM_THREADS": "3"},
    ],
)
def test_process_and_place_do_not_matter(
    folder: Path, run_ids: list[str], tmp_path: Path, environment: dict[str, str]
) -> None:
    uri = f"sqlite:///{folder}/mlflow.db"
    done = swath_reproduce(tmp_path, run_ids[0], "--uri", uri, **environment)
    assert done.returncode == 0, done.stderr + done.stdout
    assert list(tmp_path.iterdir()) == []


def test_lone_run_is_reproduced_in_company_and_the_other_way_round(
    folder: Path, run_ids: list[str], tmp_path: Path
) -> None:
    alone = swath_reproduce(folder, run_ids[1])  # it was trained as a lane among others
    assert alone.stdout == f"{run_ids[1]}  identical, bit for bit\n"
    words = ("data=digits", "batch_size=20", "max_steps=30")
    for rate in ("1e-7", "1e-6"):
        assert swath(tmp_path, *words, f"learning_rate={rate}", "hydra/launcher=basic").returncode == 0
    lone = [str(run_id) for (run_id,) in query_store(tmp_path, CONFIGURATIONS)]
    together = swath_reproduce(tmp_path, *lone)
    assert together.stdout.count("identical, bit for bit") == 2
    assert together.returncode == 0


def test_verdict_is_recorded_where_it_is_asked_for(folder: Path, run_ids: list[str], tmp_path: Path) -> None:
    place = tmp_path / "copy"
    shutil.copytree(folder, place)
    done = swath_reproduce(place, run_ids[0], "--record")
    assert done.returncode == 0, done.stderr
    assert f"files are read from {place}/mlruns/1, beside the database" in done.stderr
    tagged = query_store(place, "select run_uuid, value from tags where key = 'swath.reproduced'")
    assert {value for _, value in tagged} == {"identical, bit for bit"}
    repetition = next(run_id for run_id, _ in tagged if run_id != run_ids[0])
    of_repetition = f"select value from tags where run_uuid = '{repetition}' and key = "
    assert query_store(place, of_repetition + "'swath.reproduces'") == [(run_ids[0],)]
    of_original = f"select value from tags where run_uuid = '{run_ids[0]}' and key = "
    bits = query_store(place, of_repetition + "'swath.bits'")
    assert bits == query_store(place, of_original + "'swath.bits'")
    assert len(bits) == 1
    again = swath(place, *GRID, "resume=true")  # a repetition is nobody's configuration
    assert "Resume: 4 already done, 4 restarted." in again.stdout


def test_page_shows_the_files_of_a_copied_store_once_it_is_told_where_they_are(
    folder: Path, run_ids: list[str], tmp_path: Path
) -> None:
    place = tmp_path / "copy"
    shutil.copytree(folder, place)
    shutil.rmtree(place / "multirun")
    documented = re.findall(r'sqlite3 mlflow.db "(UPDATE .*)"', REPRODUCE_PAGE.read_text(encoding="utf-8"))
    assert len(documented) == 2
    with sqlite3.connect(place / "mlflow.db") as database:
        for statement in documented:
            database.execute(statement.replace("/OLD/FOLDER", str(folder)).replace("/NEW/FOLDER", str(place)))
    database.close()
    client = MlflowClient(f"sqlite:///{place}/mlflow.db")
    assert client.get_run(run_ids[0]).info.artifact_uri.startswith(str(place))
    assert "weights.npz" in {file.path for file in client.list_artifacts(run_ids[0])}


def changed_copy(folder: Path, target: Path, statement: str, *values: object) -> None:
    shutil.copytree(folder, target)
    with sqlite3.connect(target / "mlflow.db") as database:
        assert database.execute(statement, values).rowcount > 0


def test_value_that_differs_is_named_with_its_step_and_the_likely_reason(
    folder: Path, run_ids: list[str], tmp_path: Path
) -> None:
    statement = "update metrics set value = value * (1 + 1e-9) where key = 'train/loss' and step = 17"
    changed_copy(folder, tmp_path / "value", f"{statement} and run_uuid = ?", run_ids[0])
    done = swath_reproduce(tmp_path / "value", *run_ids[:2])
    assert done.returncode == 1
    first, second = done.stdout.splitlines()
    assert first.startswith(f"{run_ids[0]}  differs: train/loss: differs from step 17 on (")
    assert "largest difference" in first and "units in the last place" in first
    assert first.endswith("the recorded environment is identical; the stored values may have been modified")
    assert second == f"{run_ids[1]}  identical, bit for bit"
    with sqlite3.connect(tmp_path / "value" / "mlflow.db") as database:
        database.execute("update tags set value = '2.20.0' where key = 'swath.tensorflow'")
    reason = swath_reproduce(tmp_path / "value", run_ids[0])
    assert "; likely because of TensorFlow 2.20.0, now 2." in reason.stdout
    passed_over = swath_reproduce(tmp_path / "value", run_ids[0], "--rtol", "1e-8")
    assert passed_over.returncode == 0
    assert "equal within tolerance: largest relative difference 1e-09" in passed_over.stdout
    assert swath_reproduce(tmp_path / "value", run_ids[0], "--rtol", "1e-10").returncode == 1


def test_what_is_missing_is_said(folder: Path, run_ids: list[str], tmp_path: Path) -> None:
    target = tmp_path / "missing"
    changed_copy(folder, target, "update runs set status = 'KILLED' where run_uuid = ?", run_ids[0])
    place = next((target / "mlruns").glob(f"*/{run_ids[1]}/artifacts"))
    (place / "predictions.npz").unlink()
    with sqlite3.connect(target / "mlflow.db") as database:
        changes = {run_ids[0]: ("swath.bits", None), run_ids[2]: ("swath.config_schema", "99")}
        for run_id, (name, value) in changes.items():
            if value is None:
                database.execute("delete from tags where run_uuid = ? and key = ?", (run_id, name))
            else:
                database.execute(
                    "update tags set value = ? where run_uuid = ? and key = ?", (value, run_id, name)
                )
    ((own,),) = query_store(target, "select run_uuid from tags where key = 'swath.kind' and value = 'sweep'")
    done = swath_reproduce(target, *run_ids, "0123", str(own))
    assert done.returncode == 2
    said = [line.split("  ", 1)[1] for line in done.stdout.splitlines()]
    assert said[0] == "cannot be reproduced: it is KILLED"
    assert said[1].startswith(f"cannot be reproduced: run {run_ids[1]}: predictions.npz cannot be read")
    assert said[2].startswith("cannot be reproduced: made by a newer version of swath")
    assert said[3] == "identical, bit for bit"
    assert said[4].startswith("cannot be reproduced: no run 0123 in this store")
    assert said[5] == "cannot be reproduced: it is not a run of one configuration made by swath"


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
    place = tmp_path / "recorded"
    shutil.copytree(folder, place)
    shutil.copy(path, place / "edited.yaml")
    recorded = swath_reproduce(place, "edited.yaml", "--against", run_ids[0], "--record")
    assert recorded.returncode == 1
    assert "seed 0, now 1" in recorded.stdout


@pytest.mark.parametrize(
    ("text", "said"),
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
def test_config_of_a_stranger_is_data(
    folder: Path, run_ids: list[str], tmp_path: Path, text: str, said: str
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
    assert done.stderr.startswith(f"swath-reproduce: {said}")
    assert "password_overrides" not in done.stderr + done.stdout
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_pickles_in_a_store_are_not_opened(folder: Path, run_ids: list[str], tmp_path: Path) -> None:
    target = tmp_path / "pickled"
    shutil.copytree(folder, target)
    place = next((target / "mlruns").glob(f"*/{run_ids[0]}/artifacts"))

    class Touch:
        def __reduce__(self) -> tuple[object, ...]:
            return os.system, ("touch pwned",)

    np.savez(place / "weights.npz", weights=np.array([Touch()], dtype=object))
    with sqlite3.connect(target / "mlflow.db") as database:
        database.execute("delete from tags where run_uuid = ? and key = 'swath.files'", (run_ids[0],))
    done = swath_reproduce(target, run_ids[0])
    assert done.returncode == 2
    assert "weights.npz is damaged" in done.stdout
    assert not list(tmp_path.rglob("pwned"))


@pytest.mark.parametrize(
    ("tag", "value", "said"),
    [
        ("swath.files", '{"/etc/hostname": "0"}', "names an unknown file: '/etc/hostname'"),
        ("swath.files", '{"../../secret": "0"}', "names an unknown file: '../../secret'"),
        ("swath.files", "[]", "its tag swath.files is damaged"),
        ("swath.every_steps", "x", "its tag swath.every_steps is damaged"),
    ],
)
def test_tags_of_a_stranger_are_data(
    folder: Path, run_ids: list[str], tmp_path: Path, tag: str, value: str, said: str
) -> None:
    statement = "update tags set value = ? where key = ? and run_uuid = ?"
    changed_copy(folder, tmp_path / "tags", statement, value, tag, run_ids[0])
    done = swath_reproduce(tmp_path / "tags", run_ids[0])
    assert done.returncode == 2
    assert said in done.stdout
    assert "Traceback" not in done.stderr


def test_what_would_be_run_can_be_shown(folder: Path, run_ids: list[str]) -> None:
    done = swath_reproduce(folder, run_ids[0], "--show")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith(f"# run {run_ids[0]}: batch_size=")
    commit = query_store(
        folder, f"select value from tags where key = 'swath.commit' and run_uuid = '{run_ids[0]}'"
    )
    assert not commit or any(line.startswith(f"git checkout {commit[0][0]}") for line in lines)
    (install,) = [line for line in lines if line.startswith("pip install ")]
    assert "tensorflow==2." in install and "mlflow==3." in install
    assert any(line.startswith("swath data=digits data.validation_size=300 batch_size=") for line in lines)
    assert "seed: 0" in lines


def bits_in(folder: Path) -> set[object]:
    return {value for (value,) in query_store(folder, "select value from tags where key = 'swath.bits'")}


def test_every_way_from_a_config_leads_to_the_same_bits(
    folder: Path, run_ids: list[str], tmp_path: Path
) -> None:
    query = f"select value from tags where key = '%s' and run_uuid = '{run_ids[0]}'"
    ((bits,),) = query_store(folder, query % "swath.bits")
    ((overrides,),) = query_store(folder, query % "swath.overrides")
    artifacts = next((folder / "mlruns").glob(f"*/{run_ids[0]}/artifacts"))
    jobs = (folder / "multirun").glob("*/*/*/.hydra")
    typed = set(json.loads(str(overrides)))
    hydra = next(job for job in jobs if typed == set(_yaml_list(job / "overrides.yaml")))
    for words in (
        ("--config-dir", str(artifacts), "--config-name", "config"),
        ("--config-dir", str(hydra), "--config-name", "config"),
        tuple(json.loads(str(overrides))),
    ):
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        place.mkdir()
        done = swath(place, *words)
        assert done.returncode == 0, done.stderr
        assert bits_in(place) == {bits}


def _yaml_list(path: Path) -> list[str]:
    return [line.removeprefix("- ") for line in path.read_text().splitlines()]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "expected run ids or --sweep SWEEP"),
        (("a", "--sweep", "b"), "expected run ids or --sweep SWEEP"),
        (("nothing.yaml", "--against", "a"), "nothing.yaml: no such file"),
        (("a", "--data-dir", "nowhere"), "--data-dir nowhere: no such folder"),
        (("a", "--record", "--show"), "--show trains nothing"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    done = swath_reproduce(tmp_path, *words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"swath-reproduce: {said}")


def test_data_that_is_not_here_or_is_another_is_said(tmp_path: Path, cifar10_dir: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(cifar10_dir / "cifar-10-batches-py", data / "cifar-10-batches-py")
    place = tmp_path / "place"
    place.mkdir()
    assert swath(place, "max_steps=3", f"data.dir={data}").returncode == 0
    ((run_id,),) = query_store(place, CONFIGURATIONS)
    here = swath_reproduce(place, str(run_id), "--data-dir", str(data))
    assert here.stdout == f"{run_id}  identical, bit for bit\n"
    (tmp_path / "empty").mkdir()
    missing = swath_reproduce(place, str(run_id), "--data-dir", str(tmp_path / "empty"))
    assert missing.returncode == 2
    assert "cannot be reproduced: its data cannot be loaded: " in missing.stdout
    batch = data / "cifar-10-batches-py" / "data_batch_3"
    raw = bytearray(batch.read_bytes())
    raw[len(raw) // 2] ^= 1  # one bit of one pixel
    batch.write_bytes(bytes(raw))
    other = swath_reproduce(place, str(run_id), "--data-dir", str(data))
    assert other.returncode == 2
    assert "its data differs from what it was trained on: digest" in other.stdout
