"""What a stored search did, as sentences and table cells for commands and reports."""

from swath.analysis.ranking_cells import DIGITS, NOT_EVALUATED, number_text
from swath.analysis.search_history import Finalist, SearchHistory


def rung_page(history: SearchHistory, digits: int = DIGITS) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the rungs: trials that came, went on, failed; value of the last to go on."""
    last = history.rungs[-1]
    rows = [
        [
            str(row.round_number),
            f"{row.steps:,}",
            str(row.came),
            NOT_EVALUATED if row.steps == last else str(row.went_on),
            str(row.failed),
            NOT_EVALUATED if row.steps == last or row.bar is None else number_text(row.bar, digits),
        ]
        for row in history.rung_rows()
    ]
    return ["round", "rung (steps)", "came", "went on", "failed", "last that went on"], rows


def trial_page(history: SearchHistory, digits: int = DIGITS) -> tuple[list[str], list[list[str]]]:
    """Headings and rows of the trials: what was proposed, its last value, and why it ended."""
    rows = [
        [
            str(trial.number),
            str(trial.round_number),
            number_text(trial.value, digits) or NOT_EVALUATED,
            trial.named,
            trial.why,
        ]
        for trial in history.trials
    ]
    return ["trial", "round", "value", "proposed", "why it ended"], rows


def confirmed_lines(history: SearchHistory) -> list[str]:
    """How flattered the best trial is, and how much of the winner's lead other seeds have left over.

    The best of many values with one seed is too good: part of it is the luck of that seed. Empty without
    confirming runs.
    """
    confirmed, trials = history.confirmed, history.trials
    if not confirmed:
        return []
    winner = confirmed[0]
    best = max(confirmed, key=lambda each: (history.sign * each.values[0], -each.trial.number))
    lines = [
        f"Best of {len(trials)} with one seed {best.values[0]:.4f} (trial {best.trial.number}); "
        f"over {len(best.values)} seeds {best.mean:.4f}."
    ]
    if winner is not best:
        lines.append(
            f"The winner by the mean over seeds is trial {winner.trial.number}: with one seed "
            f"{winner.values[0]:.4f}, over {len(winner.values)} seeds {winner.mean:.4f}."
        )
    if len(confirmed) > 1:
        lines.append(_lead(winner, confirmed[1], history.sign))
    return lines


def _lead(winner: Finalist, second: Finalist, sign: float) -> str:
    one = sign * (winner.values[0] - second.values[0])
    over = sign * (winner.mean - second.mean)
    return (
        f"Its lead over the next finalist (trial {second.trial.number}): {one:+.4f} with one seed, "
        f"{over:+.4f} over the seeds."
    )


def untested_line(history: SearchHistory) -> str:
    """A line about trials that were not evaluated on the test images; empty if all were."""
    if history.tests_all or len(history.rungs) == 1:
        return ""
    return (
        "Test images were evaluated for trials of full length only (-: not evaluated); "
        "swath-reproduce evaluates them for any trial."
    )
