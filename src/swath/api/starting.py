"""Starts sweeps, runs and reproductions as the commands do."""

import difflib
import math
import os
import shlex
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from swath import analysis, tracking
from swath.api.declarations import with_names
from swath.api.overrides import Fields, merged, overrides_of
from swath.api.results import SweepResult
from swath.cli import (
    CheckedCommand,
    Progress,
    check_command,
    estimated_s,
    postprocess_when,
    verdict_of,
)
from swath.config import computed_values, primary_configs, question_of, readable_name, register
from swath.errors import ConfigError, SwathError
from swath.execution import AD_HOC, SINGLE, Event, Note, RunRequest, SweepInfo
from swath.searching import Search, SearchPlan
from swath.sweeps import Session, failure_of, ignored_settings, postprocessing_of, train
from swath.system import hide_passwords

if TYPE_CHECKING:
    from swath.analysis import Verdict


def sweep(
    name: str | Fields | None = None, changes: Fields | None = None, *, progress: bool = True, **fields: Any
) -> SweepResult:
    """Train a sweep in this process, as `swath -m` or `swath -cn NAME` does, and return its result.

    `sweep("learning_rate", {"seed": [0, 1, 2]})` trains a named sweep with changed fields;
    `sweep(batch_size=[50, 100], learning_rate=[1e-7, 1e-6])` all combinations of the values.

    Args:
      name: a named sweep; None for a grid of the given values.
      changes: fields by dotted name, such as `{"data.validation_size": 5000}`; a list is swept over.
      progress: whether to show a progress bar.
      **fields: more fields, whose names have no dots, and config groups, such as `data="digits"`. `model` may
        also be an object: a `swath.models.Model` with a name, or a `swath.models.OwnModel`; `data` a
        `swath.datasets.OwnDataset`.

    Raises:
      ConfigError: a mistake in a name or value; nothing was started.
      SwathError: the data set or the store cannot be used.
    """
    if isinstance(name, Mapping):
        return _train(None, {**name, **merged(changes, fields)}, True, progress)
    return _train(name, merged(changes, fields), True, progress)


def search(
    name: str | Fields | None = None,
    changes: Fields | None = None,
    *,
    trials: int | None = None,
    sampler: str | None = None,
    within_s: float | None = None,
    progress: bool = True,
    **fields: Any,
) -> SweepResult:
    """Search for the best configuration in this process, as `swath -cn search` does; return its result.

    `search("search", trials=24)` starts a named search;
    `search(learning_rate=swath.interval(1e-8, 1e-2, log=True), max_steps=5000)` looks through a space.
    Fields with a list are searched too. Other settings of a search are fields: `{"search.confirm": 0}`.

    Args:
      name: a named search; None for a space of the given values.
      changes: as for `sweep`.
      trials: `search.trials`, trials in all; None for the setting.
      sampler: `search.sampler`; None for the setting.
      within_s: `search.within_s`, seconds; None for the setting.
      progress: whether to show a progress bar.
      **fields: as for `sweep`.

    Raises:
      ConfigError: a mistake in a name or value, or no validation images to rank on; nothing was started.
      SwathError: the data set or the store cannot be used, or a failure has stopped the search before its
        end; `resume="yes"` trains the rest.
    """
    named, first = (None, name) if isinstance(name, Mapping) else (name, {})
    settings = {"search.trials": trials, "search.sampler": sampler, "search.within_s": within_s}
    given = {key: value for key, value in settings.items() if value is not None}
    # A setting that is typed makes a search, also where every field has a list of values.
    always = {"search.halving": True} if named is None else {}
    return _train(named, {**always, **first, **merged(changes, fields), **given}, True, progress)


def run(changes: Fields | None = None, *, progress: bool = True, **fields: Any) -> SweepResult:
    """Train one configuration, as `swath FIELD=VALUE ...` does; its result is a sweep of one run.

    The parameters are those of `sweep`; a list is a mistake, except for a field that is a list.
    """
    return _train(None, merged(changes, fields), False, progress)


def reproduce(
    run_id: str,
    *,
    uri: str | None = None,
    rtol: float | None = None,
    data_dir: str | Path | None = None,
    model: Any = None,
    data: Any = None,
) -> "Verdict":
    """Train a run again, compare all results bit by bit, and return the verdict.

    Args:
      run_id: id of the run, or its first characters.
      uri: MLflow store; None for $MLFLOW_TRACKING_URI, else mlflow.db in the working folder.
      rtol: relative tolerance; None to require bit-identical results.
      data_dir: place of the images; None for $SWATH_DATA_DIR, the cache or a download.
      model: the object that `sweep` got, where a program declares the model of the run.
      data: the object that `sweep` got, where a program declares its data set.

    Raises:
      ConfigError: `model` or `data` is no declaration.
      SwathError: there is no such run, or the store cannot be read.
    """
    with_names({"model": model, "data": data})
    tracking.configure_environment()
    reader = tracking.open_reader(uri)
    return verdict_of(
        reader, analysis.run_with(reader, run_id), rtol, None if data_dir is None else Path(data_dir)
    )


def _train(name: str | None, fields: Fields, multirun: bool, progress: bool) -> SweepResult:
    fields = with_names(fields)
    register(())
    if name is not None and name not in (known := primary_configs(())):
        similar = difflib.get_close_matches(str(name), known, n=1)
        hint = f"; did you mean {similar[0]}?" if similar else ""
        raise ConfigError([f"sweep {name!r}: expected one of {', '.join(known)}{hint}"])
    texts = overrides_of(fields, multirun)
    checked = check_command(name or "config", texts, multirun, ())
    if not checked.jobs_known:
        raise ConfigError(["sweep: expected a grid; other sweepers are started with the command swath"])
    if (executor := checked.sweep.executor.name) != "threads":
        raise ConfigError(
            [f"executor={executor}: expected threads; workers are started by the command swath"]
        )
    if mistakes := list(ignored_settings(checked.sweep)):
        raise ConfigError(mistakes)
    options = ["-cn", name] if name else ["-m"] if multirun else []
    info = SweepInfo(
        (name or AD_HOC) if multirun else SINGLE,
        uuid.uuid4().hex[:12],
        checked.swept,
        command=hide_passwords(shlex.join(["swath", *options, *texts])),
        question=question_of(name, ()) if name and multirun else "",
        start_ms=time.time_ns() // 1_000_000,
        run_name=os.environ.get("MLFLOW_RUN_NAME", ""),
    )
    when = postprocess_when(checked)
    with _Bar(checked, progress) as bar:
        record = None if checked.search is None else checked.search.record
        with Session(info, checked.configs, checked.sweep, bar, search=record) as session:
            search = None if checked.search is None else _search(session, checked.search)
            run_all = _grid(session, checked, texts) if search is None else search.run
            outcome = train(session, run_all, checked.sweep.lanes.verify)
            if search is not None:
                outcome.is_search, outcome.is_cut_off = True, search.outcome.is_cut_off
            task = postprocessing_of(outcome, session, when, checked.sweep.tracking.log_models)
            if task is not None and task.in_background:
                task.start()
            unmade = task.run() if task is not None and not task.in_background else None
    if outcome.signal_status:
        raise KeyboardInterrupt
    if failure := failure_of(outcome, session) or unmade:
        raise failure
    if outcome.stopped_by:
        raise SwathError(
            f"the search has not ended: {outcome.stopped_by}; "
            'call it again with resume="yes" to train the rest'
        )
    if different := [result for result, same in outcome.verified if not same]:
        names = "; ".join(readable_name(result.config, checked.swept) for result in different)
        raise SwathError(f"lanes.verify: not bit-identical to the solo run: {names}")
    return SweepResult(session.sweep_info.sweep_id, checked.sweep.tracking.uri)


def _search(session: Session, plan: SearchPlan) -> Search:
    return Search(session, plan, lambda line: session.tell(Note(line)))


def _grid(session: Session, checked: CheckedCommand, texts: Sequence[str]) -> Callable[[], object]:
    """A function that trains every configuration."""
    return partial(_run_all, session, [_request(checked, config, texts) for config in checked.configs])


def _run_all(session: Session, requests: Sequence[RunRequest]) -> None:
    for future in session.start(requests):
        future.exception()  # waits; a failed run is a result


def _request(checked: CheckedCommand, config: Any, texts: Sequence[str]) -> RunRequest:
    values = computed_values(config)
    fixed = [text for text in texts if text.partition("=")[0] not in checked.swept]
    overrides = [*fixed, *(f"{field}={values[field]}" for field in checked.swept if field in values)]
    return RunRequest(config, tuple(overrides), checked.sweep.tracking.kept)


class _Bar:
    """An observer that shows a text bar on standard error, in a terminal and in a notebook alike."""

    def __init__(self, checked: CheckedCommand, shown: bool) -> None:
        self._progress = Progress(len(checked.configs), checked.swept, estimated_s(checked))
        layout = "{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}"
        self._bar = tqdm(total=1.0, desc="sweep", bar_format=layout, file=sys.stderr, disable=not shown)

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self._show(self._progress.fraction_done)
        self._bar.close()

    def __call__(self, event: Event) -> None:
        """Count an event, and show the progress."""
        self._progress.update(event)
        if isinstance(event, Note):
            if not event.transient and not self._bar.disable:
                tqdm.write(event.text, file=sys.stderr)
            return
        done = self._progress.fraction_done
        if not math.isclose(done, self._bar.n):
            self._show(done)

    def _show(self, done: float) -> None:
        self._bar.set_description_str(self._progress.summary(), refresh=False)
        self._bar.set_postfix_str(self._progress.best_so_far(), refresh=False)
        self._bar.update(done - self._bar.n)
