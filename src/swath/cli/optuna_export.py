"""`swath-compare --export-optuna`: writes a search as a study of Optuna, for its dashboard."""

import logging
import math
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swath.analysis import SearchedField, SearchedTrial, SearchHistory, Sweep
from swath.errors import SwathError, UsageError
from swath.tracking import schema

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

OLDEST = 5
"""Oldest major version of Optuna that is written for."""

INSTALL = "install it: pip install 'swath[search]'"


def export_optuna(history: SearchHistory | None, sweep: Sweep, path: Path) -> int:
    """Write a search into a new journal file of Optuna; returns the number of its trials.

    The file is a copy: swath does not read it. Trials that were stopped are PRUNED, those that failed or were
    interrupted FAIL, the others COMPLETE; their intermediate values are those at rungs.

    Args:
      history: the search; None if the sweep is none, or its manifest cannot be read.
      sweep: its sweep.
      path: the file.

    Raises:
      UsageError: the sweep is no search, or the file exists already.
      SwathError: Optuna is missing, or the file cannot be written.
    """
    if history is None:
        raise UsageError(f"--export-optuna: sweep {sweep.name} {sweep.sweep_id} is no search")
    if path.exists():
        raise UsageError(f"--export-optuna {path}: it exists already; type another name, or delete it first")
    optuna = _optuna()
    from optuna.storages.journal import JournalFileBackend

    trials = [_trial(history, trial) for trial in history.trials]
    try:
        # Written beside its place and renamed, so that nobody opens a part of it.
        with tempfile.TemporaryDirectory(prefix=".swath-", dir=path.absolute().parent) as folder:
            whole = Path(folder) / path.name
            storage = optuna.storages.JournalStorage(JournalFileBackend(str(whole)))
            study = optuna.create_study(
                storage=storage,
                study_name=f"{sweep.name} {sweep.sweep_id}",
                direction="maximize" if history.sign > 0 else "minimize",
            )
            study.set_user_attr("objective", history.objective)
            study.add_trials(trials)
            whole.rename(path)
    except OSError as error:
        raise SwathError(f"--export-optuna {path}: {error.strerror or error}") from error
    return len(trials)


def _optuna() -> Any:
    """Optuna, quiet.

    Raises:
      SwathError: it is not installed, or it is too old.
    """
    try:
        import optuna
    except ImportError as error:
        raise SwathError(f"--export-optuna needs Optuna; {INSTALL}") from error
    if int(optuna.__version__.partition(".")[0]) < OLDEST:
        raise SwathError(f"--export-optuna needs Optuna {OLDEST}, found {optuna.__version__}; {INSTALL}")
    optuna.logging.set_verbosity(logging.WARNING)
    return optuna


def _trial(history: SearchHistory, trial: SearchedTrial) -> "FrozenTrial":
    """A trial of Optuna."""
    from optuna.trial import TrialState, create_trial

    existing = [
        field for field in history.fields if field.name in trial.point and field.exists_in(trial.point)
    ]
    has_value = trial.run.status == "FINISHED" and not math.isnan(trial.value)
    is_whole = len(trial.values) == len(history.rungs)
    found = create_trial(
        state=TrialState.FAIL if not has_value else TrialState.COMPLETE if is_whole else TrialState.PRUNED,
        value=trial.value if has_value else None,
        params={field.label: _value(field, trial.point[field.name]) for field in existing},
        distributions={field.label: _distribution(field) for field in existing},
        intermediate_values=dict(zip(history.rungs, trial.values, strict=False)),
        user_attrs=_attributes(history, trial),
    )
    found.datetime_start = datetime.fromtimestamp(trial.run.start_ms / 1000)
    if trial.run.end_ms is not None:
        found.datetime_complete = datetime.fromtimestamp(trial.run.end_ms / 1000)
    return found


def _attributes(history: SearchHistory, trial: SearchedTrial) -> dict[str, Any]:
    """What Optuna's dashboard shows beside a trial."""
    attributes: dict[str, Any] = {
        "trial": trial.number,
        "round": trial.round_number,
        "run_id": trial.run.run_id,
        "why": trial.why,
        "steps": trial.steps,
    }
    if (test := trial.run.metrics.get(schema.TEST_ACCURACY)) is not None:
        attributes[schema.TEST_ACCURACY] = test
    for finalist in history.confirmed:
        if finalist.trial is trial:
            attributes |= {"seeds": len(finalist.values), "mean over seeds": finalist.mean}
    return attributes


def _value(field: SearchedField, text: str) -> str | int | float:
    if not field.is_interval:
        return text
    return int(text) if field.whole else float(text)


def _distribution(field: SearchedField) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not field.is_interval:
        return CategoricalDistribution(field.choices)
    if field.whole:
        return IntDistribution(int(field.low), int(field.high), log=field.log)
    return FloatDistribution(field.low, field.high, log=field.log)
