"""Wherever the curves are kept, everything that reads them finds the same."""

import json
import os
import signal
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image
from support.command import error_lines, swath, swath_compare, swath_reproduce
from support.stores import curves_of
from support.waiting import has_steps, query_store, running, wait_for

from swath import load_curves, load_sweep

MODES = ("metrics", "file", "both")
GRID = (
    "-m",
    "data=digits",
    "data.validation_size=300",
    "learning_rate=1e-6,1e36",
    "max_steps=60,250",
    "batch_size=20",
    "evaluate_every_steps=100",
)
"""Shorter runs are prefixes of longer ones; of each length, one run diverges."""

CAPTION = 20
"""Height of the line below a picture, which names the sweep."""

ROWS = """select cast(params.value as int), step
from metrics join params using (run_uuid) join runs using (run_uuid)
where metrics.key = 'train/loss' and params.key = 'max_steps' and status = 'FINISHED' order by 1, 2"""


def uri_of(folder: Path) -> str:
    return f"sqlite:///{folder}/mlflow.db"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with the same sweep three times."""
    folder = tmp_path_factory.mktemp("curves")
    for mode in MODES:
        done = swath(folder, *GRID, f"tracking.curves={mode}", SWATH_POSTPROCESS="wait")
        assert done.returncode == 1, done.stderr
    return folder


def id_of(folder: Path, mode: str) -> str:
    """The id of a sweep, by its order."""
    found = query_store(
        folder,
        "select value from tags join runs using (run_uuid) where key = 'swath.sweep_id' and run_uuid in "
        "(select run_uuid from tags where key = 'swath.kind' and value = 'sweep') order by start_time",
    )
    return str(found[MODES.index(mode)][0])


def curves(folder: Path, mode: str) -> pd.DataFrame:
    """Curves by configuration and the result digest, without ids."""
    uri, sweep = uri_of(folder), id_of(folder, mode)
    fields = ["learning_rate", "max_steps"]
    runs = load_sweep(sweep, uri).set_index("run_id")[fields]
    found = load_curves(sweep, ["train/accuracy", "train/loss", "validation/loss"], uri).join(
        runs, on="run_id"
    )
    by = [*fields, "metric", "step"]
    return found.sort_values(by)[[*by, "value"]].reset_index(drop=True)


def run_ids(folder: Path, mode: str) -> dict[tuple[float, int], str]:
    runs = load_sweep(id_of(folder, mode), uri_of(folder))
    return {(run.learning_rate, run.max_steps): str(run.run_id) for run in runs.itertuples()}


def test_curves_are_the_same(folder: Path) -> None:
    whole = curves(folder, "metrics")
    assert len(whole) == 2 * (60 + 250) + 2 * 2 * 2 + len(whole[whole.metric == "validation/loss"])
    for mode in ("file", "both"):
        pd.testing.assert_frame_equal(curves(folder, mode), whole, check_exact=True)


def test_metrics_have_each_nth_step_beside_the_file(folder: Path) -> None:
    ids = run_ids(folder, "file").values()
    rows = query_store(folder, ROWS.replace("where", f"where run_uuid in {tuple(ids)} and"))
    assert rows == [*((60, step) for step in (0, 59)), *((250, step) for step in (0, 100, 200, 249))]


def test_diff_and_reproduction_compare_the_whole_curve(folder: Path) -> None:
    first, second, third = (run_ids(folder, mode)[1e-6, 250] for mode in MODES)
    for other in (second, third):
        done = swath_compare(folder, "--diff", first, other)
        assert (done.returncode, done.stdout) == (0, "numbers: identical, bit for bit\n"), done.stderr
    done = swath_reproduce(folder, "--sweep", id_of(folder, "file"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.split("  ")[1] for line in done.stdout.splitlines()] == ["identical, bit for bit"] * 4


def test_reproduction_notices_a_step_that_only_the_file_has(folder: Path) -> None:
    from swath.tracking.curve_files import decode, encode

    run_id = run_ids(folder, "both")[1e-6, 60]
    (path,) = (folder / "mlruns").glob(f"*/{run_id}/artifacts/curves/*/*.parquet")
    before = path.read_bytes()
    steps, values = decode(before)
    values = {name: each.copy() for name, each in values.items()}
    values["train/loss"][17] += 1e-7
    path.write_bytes(encode(steps, values))
    done = swath_reproduce(folder, run_id)
    assert done.returncode == 1
    assert "train/loss: differs from step 17 on" in done.stdout
    path.write_bytes(before[:-20])
    done = swath_reproduce(folder, run_id)
    assert done.returncode == 2
    assert f"cannot be reproduced: run {run_id}: curves/" in done.stdout and "is damaged" in done.stdout
    path.write_bytes(before)


def test_pictures_are_the_same(folder: Path) -> None:
    found: dict[str, list[bytes]] = {}
    for mode in MODES:
        (summary,) = (
            path.parent
            for path in folder.glob("mlruns/*/*/artifacts/sweep-manifest.json")
            if json.loads(path.read_text())["sweep_id"] == id_of(folder, mode)
        )
        drawn = [Image.open(path) for path in sorted(summary.glob("*curves.png"))]
        found[mode] = [each.crop((0, 0, each.width, each.height - CAPTION)).tobytes() for each in drawn]
    assert len(found["metrics"]) == 2
    assert found["file"] == found["both"] == found["metrics"]


def test_longer_run_continues_from_the_end_of_a_shorter_one(tmp_path: Path) -> None:
    arguments = ("data=digits", "batch_size=20", "learning_rate=1e-6", "tracking.curves=file")
    assert swath(tmp_path, *arguments, "max_steps=100").returncode == 0
    done = swath(tmp_path, *arguments, "max_steps=160", "resume=true")
    assert done.returncode == 0, done.stderr
    assert "Resume: 1 resumed." in done.stderr
    longer, shorter = sorted(curves_of(tmp_path).values(), key=len, reverse=True)
    assert longer[: len(shorter)] == shorter
    assert swath_reproduce(tmp_path, "--sweep", "single").returncode == 0


def test_interrupted_run_keeps_its_curves_where_they_are(tmp_path: Path) -> None:
    arguments = ("data=digits", "batch_size=50", "max_steps=3000000", "learning_rate=1e-6")
    with running(tmp_path, *arguments, "tracking.curves=file", "checkpoint.every_s=0.5") as process:
        wait_for(lambda: has_steps(tmp_path))
        os.killpg(process.pid, signal.SIGKILL)
    with running(tmp_path, *arguments, "resume=true") as process:
        wait_for(lambda: bool(query_store(tmp_path, "select 1 from tags where key = 'swath.resumed'")))
        wait_for(lambda: len(list(tmp_path.glob("mlruns/*/*/artifacts/curves/*"))) == 2)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert query_store(tmp_path, "select distinct value from tags where key = 'swath.curves'") == [("file",)]
    ((run_id,),) = query_store(tmp_path, "select run_uuid from runs")
    losses = load_curves([str(run_id)], "train/loss", uri_of(tmp_path))
    assert losses["step"].tolist() == list(range(len(losses)))
    rows = query_store(tmp_path, "select step from metrics where key = 'train/loss' order by step")
    assert [step for (step,) in rows] == list(range(0, len(losses), 100)), "of the first command"


def test_resumed_sweep_cannot_change_the_place(folder: Path) -> None:
    done = swath(folder, *GRID, "tracking.curves=file", "resume=true")
    assert done.returncode == 1
    (line,) = error_lines(done.stderr)
    changes = "tracking.every_steps: 1, now 100; tracking.curves: both, now file"
    assert line.startswith(f"swath: changed since this sweep started: {changes}. ")


def test_unknown_place_is_a_mistake(tmp_path: Path) -> None:
    done = swath(tmp_path, "data=digits", "tracking.curves=files")
    assert done.returncode == 2
    (line,) = error_lines(done.stderr)
    assert "tracking.curves" in line and "metrics, file, both" in line
