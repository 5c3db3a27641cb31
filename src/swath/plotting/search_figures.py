"""Draws how a search went: the best so far over its cost, and the rungs as a tournament."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter

from swath.analysis import SearchedTrial, SearchHistory, expected_best
from swath.plotting.layout import LINES, ShownFigure, label_of, new_figure
from swath.plotting.palette import COLOURS

STOPPED, WINNER = "0.75", "#D55E00"
"""Colours of trials that were stopped, and of the best one."""

NAMED = 6
"""Finalists that are coloured and named."""


def draw_best_so_far(history: SearchHistory) -> ShownFigure | None:
    """Draw the best value so far over image-steps, and what random search is expected to find for them.

    A trial costs its steps times its batch size; trials come in the order of their numbers, and confirming
    runs are left out. Random search draws from the values of the search itself, and trains every trial to its
    full length; see `expected_best`. A trial that was stopped counts with its last value, because what it
    would have reached is not known, and one that failed with the worst.

    Returns:
      None if no trial has a value.
    """
    if all(math.isnan(trial.value) for trial in history.trials):
        return None
    better = np.fmax if history.sign > 0 else np.fmin
    costs = np.cumsum([float(trial.steps) * trial.batch_size for trial in history.trials])
    best = better.accumulate([trial.value for trial in history.trials])
    figure, (axes,) = new_figure(7.2, 4.4)
    how = f"{history.sampler}, halved" if len(history.rungs) > 1 else history.sampler
    axes.step(costs, best, where="post", color="black", linewidth=1.8, label=f"this search ({how})")
    drawn = _independent(history)
    values = [trial.value for trial in drawn]
    worst = min(value * history.sign for value in values if not math.isnan(value)) * history.sign
    each = float(np.mean([trial.batch_size for trial in drawn])) * history.rungs[-1]
    expected = expected_best([worst if math.isnan(value) else value for value in values], history.sign > 0)
    axes.plot(
        each * np.arange(1, len(expected) + 1),
        expected,
        color=COLOURS[1],
        linestyle="--",
        marker="." if len(expected) <= 2 else None,
        label=f"random search, each trial {history.rungs[-1]:,} steps (expected)",
    )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.set_xlabel("image-steps: steps × batch size, of all trials so far")
    axes.set_ylabel(f"best {label_of(history.objective)} so far")
    axes.legend(frameon=False, fontsize=8, loc="lower right" if history.sign > 0 else "upper right")
    return figure


def _independent(history: SearchHistory) -> Sequence[SearchedTrial]:
    """The trials that were proposed without knowing others; with TPE, those of the first two rounds.

    The proposals of a round know the rounds before the one before.
    """
    if history.sampler != "tpe":
        return history.trials
    early = [trial for trial in history.trials if trial.round_number < 2]
    return early if any(not math.isnan(trial.value) for trial in early) else history.trials


def draw_rungs(history: SearchHistory) -> ShownFigure | None:
    """Draw the objective at each rung, a line for each trial; those that reached the end are coloured.

    Returns:
      None if there is only one rung, or no trial has come to one.
    """
    trials = [trial for trial in history.best_first if any(map(math.isfinite, trial.values))]
    if len(history.rungs) < 2 or not trials:
        return None
    figure, (axes,) = new_figure(7.2, 4.6)
    finalists = history.finalists
    named = {trial.number: place for place, trial in enumerate(_winner_first(history, finalists)[:NAMED])}
    for trial in reversed(trials):
        steps, values = history.rungs[: len(trial.values)], trial.values
        if trial.number not in named:
            colour = "0.45" if trial in finalists else STOPPED
            axes.plot(steps, values, color=colour, linewidth=0.8, marker=".", markersize=4, zorder=1)
            continue
        place = named[trial.number]
        axes.plot(
            steps,
            values,
            color=WINNER if place == 0 else COLOURS[1 + (place - 1) % (len(COLOURS) - 1)],
            linestyle=LINES[place % len(LINES)],
            linewidth=2.4 if place == 0 else 1.5,
            marker="o",
            markersize=4,
            zorder=4 if place == 0 else 3,
            label=f"trial {trial.number}: {trial.named}",
        )
    axes.plot([], [], color=STOPPED, linewidth=0.8, marker=".", label="stopped, or failed later")
    _draw_bars(axes, history)
    axes.set_xscale("log")
    axes.set_xticks(history.rungs, [f"{steps:,}" for steps in history.rungs])
    axes.set_xticks([], minor=True)
    axes.set_xlabel("rung (steps)")
    axes.set_ylabel(label_of(history.objective))
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda at: _legend_place(labels[at], named))
    figure.legend(
        [handles[at] for at in order],
        [labels[at] for at in order],
        frameon=False,
        fontsize=8,
        loc="outside upper center",
        ncols=1 if max(map(len, labels)) > 45 else 2,
    )
    return figure


def _winner_first(history: SearchHistory, finalists: Sequence[SearchedTrial]) -> list[SearchedTrial]:
    return sorted(finalists, key=lambda trial: trial is not history.winner)


def _legend_place(label: str, named: dict[int, int]) -> int:
    """Trials from the best, then the others."""
    return next((place for number, place in named.items() if label.startswith(f"trial {number}:")), NAMED)


def _draw_bars(axes: Axes, history: SearchHistory) -> None:
    """Mark the value of the last trial that went on; in several rounds, that of the least demanding one."""
    for steps in history.rungs[:-1]:
        bars = [row.bar for row in history.rung_rows() if row.steps == steps and row.bar is not None]
        if bars:
            bar = min(bars) if history.sign > 0 else max(bars)
            mark: dict[str, Any] = {"marker": "_", "s": 260, "color": "black", "linewidths": 1.4, "zorder": 5}
            label = "last that went on" if steps == history.rungs[0] else None
            axes.scatter([steps], [bar], label=label, **mark)
