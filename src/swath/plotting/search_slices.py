"""Draws what mattered in a search: its objective over each field, and the importance of the fields."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from swath.analysis import Importance, SearchedField, SearchedTrial, SearchHistory
from swath.plotting.layout import ShownFigure, label_of, new_figure
from swath.plotting.palette import COLOURS

MOST_FIELDS = 6
"""Panels of a figure; of more fields, the most important are shown."""

JITTER = 0.18
"""Half the width of a column of points over a choice, so that equal values do not hide each other."""

BEST = "best"


def draw_slices(history: SearchHistory, importances: Sequence[Importance]) -> ShownFigure | None:
    """Draw the last value of each trial over each searched field; a ring marks the best.

    Values of trials that were stopped are those of fewer steps: the earlier a trial was stopped, the lighter
    it is. Axes are logarithmic where the field was searched so.

    Args:
      history: the search.
      importances: of the fields, which decide the order of the panels; empty for that of the search.

    Returns:
      None if no trial has a value, or nothing varies.
    """
    fields = {name: field for name, field in history.named_fields.items() if _varies(history, name)}
    order = [each.name for each in importances if each.name in fields]
    shown = [*order, *(name for name in fields if name not in order)][:MOST_FIELDS]
    trials = [trial for trial in history.trials if not math.isnan(trial.value)]
    if not shown or not trials:
        return None
    figure, axes = new_figure(max(5.6, 3.4 * len(shown)), 4.2, len(shown))
    for place, name in zip(axes, shown, strict=True):
        _draw_slice(place, history, fields[name], trials)
    axes[0].set_ylabel(label_of(history.objective))
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, frameon=False, fontsize=8, loc="outside upper center", ncols=len(labels))
    return figure


def _varies(history: SearchHistory, name: str) -> bool:
    return len({trial.point.get(name) for trial in history.trials}) > 1


def _draw_slice(
    axes: Axes, history: SearchHistory, field: SearchedField, trials: Sequence[SearchedTrial]
) -> None:
    known = [trial for trial in trials if field.name in trial.point]
    positions = _positions(field, known)
    last = len(history.rungs)
    for came in range(1, last + 1):
        members = [place for place, trial in enumerate(known) if len(trial.values) == came]
        if not members:
            continue
        is_end = came == last
        axes.scatter(
            [positions[place] for place in members],
            [known[place].value for place in members],
            s=26 if is_end else 16,
            color=COLOURS[1] if is_end else str(0.75 - 0.35 * (came - 1) / max(1, last - 1)),
            marker="o" if is_end else "s^Dv"[(came - 1) % 4],
            linewidths=0,
            zorder=2 + came,
            label=f"{history.rungs[came - 1]:,} steps",
        )
    winner = history.winner
    if winner is not None and winner in known:
        ring: dict[str, Any] = {
            "marker": "o",
            "s": 150,
            "facecolors": "none",
            "edgecolors": "#D55E00",
            "linewidths": 2,
        }
        label = f"{BEST}, by the mean over seeds" if history.confirmed else BEST
        axes.scatter([positions[known.index(winner)]], [winner.value], label=label, zorder=20, **ring)
    _set_axis(axes, field)


def _positions(field: SearchedField, trials: Sequence[SearchedTrial]) -> list[float]:
    if field.is_interval:
        return [float(trial.point[field.name]) for trial in trials]
    shifts = np.random.default_rng(0).uniform(-JITTER, JITTER, len(trials)).tolist()
    return [
        field.choices.index(trial.point[field.name]) + shift
        for trial, shift in zip(trials, shifts, strict=True)
    ]


def _set_axis(axes: Axes, field: SearchedField) -> None:
    axes.set_xlabel(label_of(field.name))
    if field.is_interval:
        if field.log:
            axes.set_xscale("log")
        return
    is_long = sum(map(len, field.choices)) > 30
    axes.set_xticks(range(len(field.choices)), field.choices, rotation=30 if is_long else 0)
    axes.set_xlim(-0.5, len(field.choices) - 0.5)


def draw_importance(importances: Sequence[Importance]) -> ShownFigure | None:
    """Draw the importance of fields as bars, the largest above; None without any."""
    if len(importances) < 2:
        return None
    figure, (axes,) = new_figure(6.4, 1.2 + 0.4 * len(importances))
    names = [each.name for each in reversed(importances)]
    shares = [100 * each.share for each in reversed(importances)]
    bars = axes.barh(names, shares, color=COLOURS[1], height=0.6)
    axes.bar_label(bars, [f"{share:.0f}%" for share in shares], padding=4, fontsize=9)
    axes.set_xlim(0, max(100, 1.1 * max(shares)))
    axes.set_xlabel("importance (%), by PED-ANOVA")
    return figure
