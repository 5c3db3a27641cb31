"""The section on what a search finds."""

import statistics
import textwrap

from benchmarks.search_worth import GRID_SIDE, HALVED, RANDOM, SAME_TRIALS, SEEDS, SIMULATED, STEPS
from benchmarks.table import Found, table

MOST_REGRET = 0.002

TEXT = (
    "The softmax classifier on CIFAR-10: learning rates from 1e-8 to 1e-2, six batch sizes from 16 to 500, "
    f"{STEPS:,} steps, 5,000 validation images. Searches have {len(SEEDS)} seeds of their proposals; "
    "medians, with the least and the most in parentheses. Random search has as many trials as fit into the "
    "image-steps of the halved search. The winner is the best run of full length by its validation "
    "accuracy, and test is its accuracy on the test images."
)


def search_worth_section(found: Found) -> str:
    """A row for each side, then the regret."""
    runs = found["runs"]
    rows = [
        (
            side,
            f"{statistics.median(each['trials'] for each in runs[side]):.0f}",
            _spread([each["image_steps"] / 1e6 for each in runs[side]], ".1f"),
            _spread([each["cpu_s"] for each in runs[side]], ".0f"),
            _spread([each["validation"] for each in runs[side]], ".4f"),
            _spread([each["test"] for each in runs[side]], ".4f"),
        )
        for side in (HALVED, RANDOM, GRID_SIDE, SAME_TRIALS)
    ]
    headings = ("search", "trials", "million image-steps", "CPU seconds", "winner, validation", "test")
    real = [
        all_["validation"] - halved["validation"]
        for halved, all_ in zip(runs[HALVED], runs[SAME_TRIALS], strict=True)
    ]
    small = sum(regret <= MOST_REGRET for regret in found["regret"])
    said = (
        "The regret of a halved search is how much worse its winner is than the best of the same trials, all "
        f"trained to the end. By real training: {', '.join(f'{each:.4f}' for each in real)}. On stored "
        f"curves of 72 runs, interpolated between their rates: at most {MOST_REGRET} in {small} of "
        f"{len(SIMULATED)} seeds (target: 19), {max(found['regret']):.4f} at most."
    )
    lines = ["## What a search finds", "", *textwrap.wrap(TEXT, 105), "", "![](search-worth.png)", ""]
    return "\n".join([*lines, table(headings, rows), "", *textwrap.wrap(said, 105), ""])


def _spread(values: list[float], form: str) -> str:
    middle, least, most = (f(values) for f in (statistics.median, min, max))
    if len(values) == 1:
        return f"{middle:{form}}"
    return f"{middle:{form}} ({least:{form}} to {most:{form}})"
