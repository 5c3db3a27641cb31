"""The report at the end of a command: ranking, failures, and last of all the answer."""

import shlex
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from swath import analysis
from swath.cli.output import Output
from swath.cli.ranking_tables import configuration_rows, ranking_rows
from swath.config import overridden, readable_name
from swath.execution import RunResult, SweepInfo
from swath.sweeps import RankedResults, Ranker
from swath.tracking import (
    StoreInfo,
    compare_command,
    data_sizes,
    page_server,
    run_page,
    runs_page,
    schema,
)

MAX_SAME_REASON = 5
"""Failures with the same reason that are listed one by one; more get one line together."""


@dataclass(frozen=True)
class SweepReport:
    """What a command has found out.

    Attributes:
      sweep_info: the sweep.
      store: the store that contains the runs.
      results: of the configurations that were trained or reused, in the requested order.
      requested: number of requested configurations.
      wall_s: duration of the command, in seconds.
      found: the results that finished, ranked, and the answer.
      summary_run_id: id of the sweep's own run, which has the report; None without one.
    """

    sweep_info: SweepInfo
    store: StoreInfo
    results: Sequence[RunResult]
    requested: int
    wall_s: float
    found: RankedResults
    summary_run_id: str | None = None

    @property
    def finished(self) -> list[RunResult]:
        """The results of the runs that finished."""
        return [result for result in self.results if result.status == "FINISHED"]

    @property
    def validated(self) -> bool:
        """Whether any run has validation images."""
        return any(schema.VALIDATION_ACCURACY in result.metrics for result in self.results)


def sweep_report(
    sweep_info: SweepInfo,
    store: StoreInfo,
    results: Sequence[RunResult],
    requested: int,
    wall_s: float,
    summary_run: Future[str] | None = None,
    ranker: Ranker | None = None,
) -> SweepReport:
    """Rank the results of a command; see `SweepReport`."""
    found = (ranker or Ranker()).rank(sweep_info, results)
    known = summary_run is not None and summary_run.done() and not summary_run.exception()
    summary_run_id = summary_run.result() if summary_run is not None and known else None
    return SweepReport(sweep_info, store, results, requested, wall_s, found, summary_run_id)


def print_sweep(report: SweepReport, output: Output) -> None:
    """Print the ranked table of a sweep, its failures and its totals."""
    found = report.found
    if found.ranked:
        rows = found.groups or found.ranked
        shown = len(rows) if output.rows is None else min(len(rows), output.rows)
        if report.found.groups:
            output.table(
                configuration_rows(report.found.groups[:shown], report.found.swept, report.found.metric)
            )
        else:
            output.table(ranking_rows(report.found.ranked[:shown], report.found.swept, report.found.metric))
        if shown < len(rows):
            output.say(f"... {len(rows) - shown} more: {_compare(report)}")
        output.say(analysis.ranked_by(found.metric, bool(found.groups), report.validated))
        if not report.validated:
            known = filter(None, (data_sizes(result.stored()) for result in report.finished))
            images = max(1, next(known).train_images // 10)
            output.say(f"To rank without using the test images, add data.validation_size={images}")
    _print_failures(report, output)
    output.say(_totals(report))


def print_answer(report: SweepReport, output: Output) -> None:
    """Print the answer: the best configuration, how sure that is, where to see it and where to read more."""
    known = next((result.run_id for result in report.results if result.run_id is not None), None)
    if report.found.answer is not None:
        for line in analysis.answer_lines(report.found.answer):
            output.say(line)
    if known is not None and report.store.uri:
        page = runs_page(report.store.experiment_id, report.sweep_info.sweep_id)
        output.say(page_server(report.store.uri, known).line("See it", page))
        if report.found.answer is not None:
            output.say(f"More: {_compare(report)}")


def _compare(report: SweepReport) -> str:
    return compare_command(report.store.uri, report.sweep_info.sweep_id)


def _totals(report: SweepReport) -> str:
    """The line with the number of configurations and the duration."""
    left = report.requested - len(report.results)
    not_started = f"; {left} were not started" if left else ""
    sweep = f"sweep {report.sweep_info.sweep}, id {report.sweep_info.sweep_id}"
    finished = report.finished
    of = f"{len(finished)} of {report.requested}"
    if all(result.reused for result in report.results):
        return f"Nothing to do: {of} runs have already finished{not_started}; {sweep}"
    steps = sum(result.trained_steps for result in report.results)
    speed = f"{report.wall_s:.1f} s, {steps / report.wall_s:,.0f} steps/s"
    return f"{of} runs finished in {speed}{not_started}; {sweep}"


def print_single(result: RunResult, store: StoreInfo, output: Output) -> None:
    """Print the id of a single run, and the address of its page."""
    if result.error is not None:
        output.say(f"{result.status}: {result.error}")
    if not result.run_id:
        return
    output.show(f"Run {result.run_id}")
    if store.uri:
        page = run_page(store.experiment_id, result.run_id)
        output.say(page_server(store.uri, result.run_id).line("See it", page))


def _print_failures(report: SweepReport, output: Output) -> None:
    """Print a line per failure, or one line for many failures with the same reason."""
    swept = report.found.swept
    others = [result for result in report.results if result.status != "FINISHED"]
    counts = Counter((result.status, result.error) for result in others)
    lines = []
    for (status, error), count in counts.items():
        if count > MAX_SAME_REASON or (status == "KILLED" and count > 1):
            reached = [result.steps for result in others if (result.status, result.error) == (status, error)]
            after = f", after {_range(reached)} steps" if status == "KILLED" and any(reached) else ""
            lines.append(analysis.failure_line(status, f"{count} configurations", f"{error}{after}"))
            continue
        lines += [
            analysis.failure_line(status, readable_name(result.config, swept), error, result.run_id)
            for result in others
            if (result.status, result.error) == (status, error)
        ]
    for line in lines[: analysis.MAX_FAILURES]:
        for part in analysis.short_lines(line):
            output.say(part)
    if len(lines) > analysis.MAX_FAILURES:
        output.say(f"... {len(lines) - analysis.MAX_FAILURES} more failures")


def _range(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def print_verification(
    verified: Sequence[tuple[RunResult, bool]], sweep_info: SweepInfo, output: Output
) -> None:
    """Print whether configurations are bit-identical to their solo runs."""
    for result, same in verified:
        if not same:
            name = readable_name(result.config, sweep_info.swept)
            output.say(f"lanes.verify: {name} is not bit-identical to its solo run (run {result.run_id})")
    identical = sum(same for _, same in verified)
    output.say(f"lanes.verify: {identical} of {len(verified)} runs are bit-identical to their solo runs")


def resume_command(command: str) -> str:
    """The command that resumes an interrupted command."""
    arguments = [argument for argument in shlex.split(command) if overridden(argument) != "resume"]
    return shlex.join([*arguments, "resume=yes"])
