"""The report at the end of a command: ranking, failures, and commands to run next."""

import shlex
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from swath.analysis import Ranking, failure_line, ranked_by
from swath.cli.tables import RANK, RUN, Column, TableData, print_line, print_table, ranking_table, time_column
from swath.config import overridden, readable_name, varying
from swath.datasets import DATASETS
from swath.execution import RunResult, SweepInfo, rank_results
from swath.tracking import StoreInfo, compare_command, run_page, schema, sweep_pages, ui_hints
from swath.training import TRAIN_ACCURACY_STEPS

MAX_ROWS = 100
"""Listed configurations, and listed failures."""

MAX_SAME_REASON = 5
"""Failures with the same reason that are listed one by one; more get one line together."""

TRAIN = Column("train\naccuracy", "mean training accuracy", optional=2)


def print_sweep(
    results: Sequence[RunResult],
    requested: int,
    sweep_info: SweepInfo,
    store: StoreInfo,
    console: Console,
    wall_s: float,
) -> None:
    """Print the ranked table of a sweep, its failures, and how to view it.

    Args:
      results: results of the configurations that were started, in the requested order.
      requested: number of requested configurations.
      sweep_info: the sweep.
      store: the store that contains the runs.
      console: where to print.
      wall_s: duration of the command, in seconds.
    """
    sweep_info = replace(sweep_info, swept=sweep_info.swept or varying([result.config for result in results]))
    finished = [result for result in results if result.status == "FINISHED"]
    if finished:
        ranking = rank_results(finished)
        print_table(
            console, _table([finished[index] for index in ranking.order[:MAX_ROWS]], sweep_info.swept)
        )
        if len(finished) > MAX_ROWS:
            print_line(console, f"The best {MAX_ROWS} of {len(finished)}; the MLflow UI shows all.")
        _print_ranking_note(ranking, finished, sweep_info.over_seeds, console)
    _print_failures([result for result in results if result.status != "FINISHED"], sweep_info, console)
    print_line(console, _totals(results, finished, requested, sweep_info, wall_s))
    known = next((result.run_id for result in results if result.run_id is not None), None)
    if known is not None:
        best_first = [str(finished[index].run_id) for index in ranking.order] if finished else []
        pages = sweep_pages(store.experiment_id, sweep_info.sweep_id, best_first)
        for line in ui_hints(store.uri, pages, known):
            print_line(console, line)
        if finished:
            command = compare_command(store.uri, sweep_info.sweep_id)
            print_line(console, f"Confidence intervals and importances: {command}")


def _totals(
    results: Sequence[RunResult],
    finished: Sequence[RunResult],
    requested: int,
    sweep_info: SweepInfo,
    wall_s: float,
) -> str:
    """The line with the number of configurations, the duration and the throughput."""
    left = requested - len(results)
    not_started = f"; {left} were not started" if left else ""
    sweep = f"sweep {sweep_info.sweep}, id {sweep_info.sweep_id}"
    if all(result.reused for result in results):
        return (
            f"Nothing to do: {len(finished)} of {requested} runs have already finished{not_started}; {sweep}"
        )
    steps = sum(result.config.max_steps for result in finished if not result.reused)
    return (
        f"{len(finished)} of {requested} configurations finished in {wall_s:.1f} s, "
        f"{steps / wall_s:,.0f} steps/s in total{not_started}; {sweep}"
    )


def print_single(result: RunResult, store: StoreInfo, console: Console) -> None:
    """Print the id of a single run, and the address of its page."""
    if result.error is not None:
        print_line(console, f"{result.status}: {result.error}")
    if not result.run_id:
        return
    print_line(console, f"Run {result.run_id}")
    pages = [("its page", run_page(store.experiment_id, result.run_id))]
    for line in ui_hints(store.uri, pages, result.run_id):
        print_line(console, line)


def _print_failures(others: Sequence[RunResult], sweep_info: SweepInfo, console: Console) -> None:
    """Print a line per failure, or one line for many failures with the same reason."""
    reasons: dict[tuple[str, str | None], list[RunResult]] = {}
    for result in others:
        reasons.setdefault((result.status, result.error), []).append(result)
    lines = []
    for (status, error), same_reason in reasons.items():
        if len(same_reason) > MAX_SAME_REASON:
            lines.append(failure_line(status, f"{len(same_reason)} configurations", error))
            continue
        lines += [
            failure_line(status, readable_name(result.config, sweep_info.swept), error, result.run_id)
            for result in same_reason
        ]
    for line in lines[:MAX_ROWS]:
        print_line(console, line)
    if len(lines) > MAX_ROWS:
        print_line(console, f"... and {len(lines) - MAX_ROWS} more failures")


def print_verification(
    verified: Sequence[tuple[RunResult, bool]], sweep_info: SweepInfo, console: Console
) -> None:
    """Print whether configurations are bit-identical to their solo runs."""
    for result, same in verified:
        if not same:
            name = readable_name(result.config, sweep_info.swept)
            print_line(
                console, f"lanes.verify: {name} is not bit-identical to its solo run (run {result.run_id})"
            )
    identical = sum(same for _, same in verified)
    print_line(
        console, f"lanes.verify: {identical} of {len(verified)} runs are bit-identical to their solo runs"
    )


def resume_command(command: str) -> str:
    """The command that resumes an interrupted command."""
    arguments = [argument for argument in shlex.split(command) if overridden(argument) != "resume"]
    return shlex.join([*arguments, "resume=yes"])


def _table(ranked: Sequence[RunResult], swept: Sequence[str]) -> TableData:
    splits = [
        split for split in schema.SPLITS if any(schema.accuracy(split) in result.metrics for result in ranked)
    ]
    rows = []
    for place, result in enumerate(ranked, start=1):
        row = result.ranking_row(place)
        rows.append(replace(row, metrics={**row.metrics, TRAIN.name: result.train_accuracy}))
    columns = [
        RANK,
        *(Column(field) for field in swept),
        TRAIN,
        *(Column(f"{split}\naccuracy", schema.accuracy(split)) for split in splits),
        time_column(1),
        RUN,
    ]
    return ranking_table(rows, columns)


def _print_ranking_note(
    ranking: Ranking, finished: Sequence[RunResult], over_seeds: bool, console: Console
) -> None:
    validated = any(schema.VALIDATION_ACCURACY in result.metrics for result in finished)
    print_line(console, ranked_by(ranking.metric, over_seeds, validated))
    if not validated:
        images = DATASETS[finished[0].config.data.name].train_images // 10
        print_line(console, f"To rank without using the test images, add data.validation_size={images}")
    print_line(console, f"Train accuracy: mean over the batches of the last {TRAIN_ACCURACY_STEPS} steps.")
