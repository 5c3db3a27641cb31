"""What a person sees when a command has ended: the ranked table, what failed, what to type next."""

import shlex
from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from swath.analysis import Ranking
from swath.cli.tables import RUN, TableData, print_table
from swath.config import computed_values, readable_name, varying
from swath.datasets import DATASETS
from swath.execution import RunResult, SweepInfo, rank_results
from swath.tracking import StoreInfo, compare_command, run_page, schema, sweep_pages, ui_hints
from swath.training import TRAIN_ACCURACY_STEPS

MOST_ROWS = 100
"""Configurations that a table shows, and failures below it."""


MOST_ALIKE = 5
"""Failures for one reason that are named one by one."""


TIME = "time (s)"


def print_sweep(
    results: Sequence[RunResult],
    asked_for: int,
    sweep_info: SweepInfo,
    store: StoreInfo,
    console: Console,
    wall_s: float,
) -> None:
    """Print the ranked table of a sweep, its failures, and how to see it.

    Args:
      results: of the configurations that were begun, in the order asked for.
      asked_for: how many there were to be.
      sweep_info: the sweep.
      store: where they are.
      console: where to print.
      wall_s: seconds that all of it has taken.
    """
    sweep_info = replace(sweep_info, swept=sweep_info.swept or varying([result.config for result in results]))
    finished = [result for result in results if result.status == "FINISHED"]
    if finished:
        ranking = rank_results(finished)
        print_table(
            console, _table([finished[index] for index in ranking.order[:MOST_ROWS]], sweep_info.swept)
        )
        if len(finished) > MOST_ROWS:
            print_line(console, f"The best {MOST_ROWS} of {len(finished)}; the MLflow UI shows all.")
        _print_ranking_note(ranking, finished, sweep_info.over_seeds, console)
    _print_failures([result for result in results if result.status != "FINISHED"], sweep_info, console)
    left = asked_for - len(results)
    not_begun = f"; {left} were not begun" if left else ""
    steps = sum(result.config.max_steps for result in finished if not result.before)
    print_line(
        console,
        f"{len(finished)} of {asked_for} configurations finished in {wall_s:.1f} s, {steps / wall_s:,.0f} "
        f"steps/s all in all{not_begun}; sweep {sweep_info.sweep}, id {sweep_info.sweep_id}",
    )
    known = next((result.run_id for result in results if result.run_id), None)
    if known is not None and store.uri:
        best_first = [str(finished[index].run_id) for index in ranking.order] if finished else []
        pages = sweep_pages(store.experiment_id, sweep_info.sweep_id, best_first)
        for line in ui_hints(store.uri, pages, known):
            print_line(console, line)
        if finished:
            command = compare_command(store.uri, sweep_info.sweep_id)
            print_line(console, f"How sure that is, and what mattered: {command}")


def print_single(result: RunResult, store: StoreInfo, console: Console) -> None:
    """Print a single run's id, and how to see it."""
    if result.error is not None:
        print_line(console, f"{result.status}: {result.error}")
    if not result.run_id:
        return
    print_line(console, f"Run {result.run_id}")
    pages = [("its page", run_page(store.experiment_id, result.run_id))]
    for line in ui_hints(store.uri, pages, result.run_id):
        print_line(console, line)


def _print_failures(others: Sequence[RunResult], sweep_info: SweepInfo, console: Console) -> None:
    """A line for each; one line for many with the same reason."""
    reasons: dict[tuple[str, str | None], list[RunResult]] = {}
    for result in others:
        reasons.setdefault((result.status, result.error), []).append(result)
    lines = []
    for (status, error), alike in reasons.items():
        if len(alike) > MOST_ALIKE:
            lines.append(f"{status} {len(alike)} configurations: {error}")
            continue
        for result in alike:
            run = "" if not result.run_id else f" (run {result.run_id})"
            lines.append(f"{status} {readable_name(result.config, sweep_info.swept)}: {error}{run}")
    for line in lines[:MOST_ROWS]:
        print_line(console, line)
    if len(lines) > MOST_ROWS:
        print_line(console, f"... and {len(lines) - MOST_ROWS} lines of this kind")


def print_check(compared: Sequence[tuple[RunResult, bool]], sweep_info: SweepInfo, console: Console) -> None:
    """Print whether configurations that were trained once more, alone, have the same bits."""
    for result, same in compared:
        if not same:
            name = readable_name(result.config, sweep_info.swept)
            print_line(console, f"lanes.verify: {name} has other bits alone (run {result.run_id})")
    identical = sum(same for _, same in compared)
    print_line(
        console, f"lanes.verify: {identical} of {len(compared)} identical, bit for bit, when trained alone"
    )


def resume_command(command: str) -> str:
    """What to type to take up what a command was interrupted in."""
    words = [word for word in shlex.split(command) if not word.startswith(("resume=", "force_resume="))]
    return shlex.join([*words, "resume=true"])


def print_line(console: Console, line: str) -> None:
    """Print a line as it is, however long."""
    console.print(line, highlight=False, markup=False, soft_wrap=True)


def _table(ranked: Sequence[RunResult], swept: Sequence[str]) -> TableData:
    splits = [
        split for split in schema.SPLITS if any(schema.accuracy(split) in result.metrics for result in ranked)
    ]
    rows = []
    for place, result in enumerate(ranked, start=1):
        values = computed_values(result.config)
        reached = [result.train_accuracy, *(result.metrics.get(schema.accuracy(split)) for split in splits)]
        rows.append(
            [
                str(place),
                *(str(values[field]) for field in swept),
                *("" if accuracy is None else f"{accuracy:.4f}" for accuracy in reached),
                f"{result.computing_s:.2f}",
                result.run_id or "",
            ]
        )
    train, *others = (f"{split} accuracy" for split in ("train", *splits))
    return TableData(("rank", *swept, train, *others, TIME, RUN), rows, bold=[0], optional=(TIME, train))


def _print_ranking_note(ranking: Ranking, results: Sequence[RunResult], over: str, console: Console) -> None:
    if ranking.metric == schema.TEST_ACCURACY:
        images = DATASETS[results[0].config.data.name].train_images // 10
        print_line(
            console,
            f"Ranked by {ranking.metric}{over}, because no images were held back for validation. To rank "
            f"without looking at the test set, add data.validation_size={images}",
        )
    else:
        print_line(console, f"Ranked by {ranking.metric}{over}.")
    print_line(console, f"Train accuracy: mean of the batches of the last {TRAIN_ACCURACY_STEPS} steps.")
