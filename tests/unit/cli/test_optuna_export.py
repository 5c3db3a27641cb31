"""Searches written as studies of Optuna, loaded back with Optuna."""

import sys
from pathlib import Path
from typing import Any

import pytest
from support.made_searches import RATES, VALUES, SearchReader, made_search
from support.sweeps import MadeReader, made_grid

from swath.analysis import SearchHistory, Sweep, history_of
from swath.cli.optuna_export import export_optuna
from swath.errors import SwathError, UsageError


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> tuple[SearchHistory, Sweep]:
    sweep = made_search(tmp_path_factory.mktemp("search"))
    history = history_of(SearchReader(sweep), sweep)
    assert history is not None
    return history, sweep


def loaded(path: Path) -> Any:
    """The only study of a journal file."""
    optuna = pytest.importorskip(
        "optuna", minversion="5", reason="Optuna is an extra: pip install 'swath[search]'"
    )
    from optuna.storages.journal import JournalFileBackend

    storage = optuna.storages.JournalStorage(JournalFileBackend(str(path)))
    (name,) = optuna.get_all_study_names(storage)
    return optuna.load_study(study_name=name, storage=storage)


def test_study_has_the_trials_of_the_search(searched: tuple[SearchHistory, Sweep], tmp_path: Path) -> None:
    pytest.importorskip("optuna", minversion="5", reason="Optuna is an extra: pip install 'swath[search]'")
    history, sweep = searched
    assert export_optuna(history, sweep, tmp_path / "study.journal") == len(VALUES)
    study = loaded(tmp_path / "study.journal")
    assert study.study_name == f"{sweep.name} {sweep.sweep_id}"
    assert study.direction.name == "MAXIMIZE"
    assert study.user_attrs == {"objective": "validation/accuracy"}
    states = [trial.state.name for trial in study.trials]
    assert states == [*("PRUNED", "PRUNED", "COMPLETE", "COMPLETE", "PRUNED", "PRUNED"), "FAIL", "FAIL"]
    for number, (trial, own) in enumerate(zip(study.trials, history.trials, strict=True)):
        assert trial.params == {
            "learning_rate": float(RATES[number]),
            "batch_size": "50" if number % 2 else "20",
        }
        rate, size = trial.distributions["learning_rate"], trial.distributions["batch_size"]
        assert (rate.low, rate.high, rate.log) == (1e-8, 1e-4, True)
        assert size.choices == ("20", "50")
        assert list(map(str, trial.intermediate_values.values())) == list(map(str, VALUES[number]))
        assert list(trial.intermediate_values) == [10, 40, 100][: len(VALUES[number])]
        assert trial.value == (None if own.has_failed else VALUES[number][-1])
        assert (trial.user_attrs["run_id"], trial.user_attrs["why"]) == (own.run.run_id, own.why)
        assert trial.datetime_start.timestamp() * 1000 == pytest.approx(own.run.start_ms)
    assert study.trials[2].user_attrs["mean over seeds"] == pytest.approx((0.85 + 0.88 + 0.9) / 3)
    assert [path.name for path in tmp_path.iterdir()] == ["study.journal"], "no lock and no part is left"


def test_conditions_and_whole_numbers_keep_their_own_distributions(tmp_path: Path) -> None:
    pytest.importorskip("optuna", minversion="5", reason="Optuna is an extra: pip install 'swath[search]'")
    space = ["learning_rate=tag(log,interval(1e-8,1e-6))", "batch_size=20,50"]
    when = ["batch_size=50: learning_rate=tag(log,interval(1e-7,1e-3))"]
    sweep = made_search(tmp_path / "search", space=space, when=when, values=VALUES[:4])
    history = history_of(SearchReader(sweep), sweep)
    export_optuna(history, sweep, tmp_path / "study.journal")
    names = [set(trial.params) for trial in loaded(tmp_path / "study.journal").trials]
    small, large = ({f"learning_rate (batch_size={size})", "batch_size"} for size in (20, 50))
    assert names == [small, large, small, large]


def test_smaller_losses_are_minimized(tmp_path: Path) -> None:
    pytest.importorskip("optuna", minversion="5", reason="Optuna is an extra: pip install 'swath[search]'")
    sweep = made_search(tmp_path / "search", objective="validation/loss")
    export_optuna(history_of(SearchReader(sweep), sweep), sweep, tmp_path / "study.journal")
    assert loaded(tmp_path / "study.journal").direction.name == "MINIMIZE"


def test_mistakes_are_one_line_and_leave_nothing(
    searched: tuple[SearchHistory, Sweep], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    history, sweep = searched
    there = tmp_path / "there"
    there.write_text("mine")
    with pytest.raises(UsageError, match=r"--export-optuna .*there: it exists already; type another name"):
        export_optuna(history, sweep, there)
    assert there.read_text() == "mine"
    grid = made_grid(tmp_path / "grid")
    with pytest.raises(UsageError, match=r"--export-optuna: sweep grid \w+ is no search"):
        export_optuna(history_of(MadeReader(grid), grid), grid, tmp_path / "new")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "optuna", None)
        with pytest.raises(SwathError, match=r"needs Optuna; install it: pip install 'swath\[search\]'"):
            export_optuna(history, sweep, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_missing_folder_is_one_line(searched: tuple[SearchHistory, Sweep], tmp_path: Path) -> None:
    pytest.importorskip("optuna", minversion="5", reason="Optuna is an extra: pip install 'swath[search]'")
    with pytest.raises(SwathError, match=r"missing/study: No such file or directory"):
        export_optuna(*searched, tmp_path / "missing" / "study")
