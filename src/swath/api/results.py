"""The result of a sweep, read from its store: data frames, figures and a page in a notebook."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from swath import analysis, tracking
from swath.errors import SwathError, UsageError

if TYPE_CHECKING:
    import pandas as pd

    from swath.plotting import ShownFigure

MOST_ROWS = 20
"""Rows of a ranking in a notebook."""


@dataclass(frozen=True)
class SweepResult:
    """A finished sweep, read from its store.

    Attributes:
      sweep_id: id of the sweep.
      uri: address of its store; None for the default.
    """

    sweep_id: str
    uri: str | None = None

    @property
    def runs(self) -> "pd.DataFrame":
        """One row per run, in the order of their start; see `swath.load_sweep`."""
        return analysis.load_sweep(self.sweep_id, self.uri)

    @property
    def best(self) -> "pd.Series[Any]":
        """The first row of `rank`: the best run.

        Raises:
          SwathError: no run has finished.
        """
        ranked = self.rank()
        if not len(ranked) or ranked["rank"].isna().all():
            raise SwathError(f"no run of sweep {self.sweep_id} has finished")
        return ranked.iloc[0]

    def rank(self, metric: str | None = None, where: str | None = None) -> "pd.DataFrame":
        """The runs, best first; see `swath.compare`."""
        return analysis.compare(self.sweep_id, metric, where, self.uri)

    def curves(self, metrics: str | Sequence[str] = tracking.schema.PER_STEP) -> "pd.DataFrame":
        """Per-step metrics in long form; see `swath.load_curves`."""
        return analysis.load_curves(self.sweep_id, metrics, self.uri)

    def answer(self) -> list[str]:
        """The answer in sentences, as the command prints it; empty if no run has finished."""
        sweep = self._sweep()
        if not sweep.finished:
            return []
        metric = analysis.metric_of(sweep.finished, None)
        ranked, groups = analysis.rank_sweep(sweep.finished, metric)
        space = analysis.stored_space(sweep)
        found = analysis.answer_of(ranked, groups, sweep.runs, sweep.swept, metric, space)
        return analysis.answer_lines(found)

    def plot(self, name: str | None = None, metric: str | None = None) -> "ShownFigure":
        """A figure of the sweep.

        Args:
          name: `accuracy`, `accuracy_by_steps`, `heat_map`, `learning_curves`, `loss_curves`, `weights` or
            `confusion`; of a search also `best_so_far`, `rungs`, `slices`, `importance`; None for the first
            that the sweep has.
          metric: metric to rank by; None for the default.

        Raises:
          SwathError: the sweep has no such figure, or no run has finished.
        """
        from swath.plotting import figures_of

        sweep = self._sweep()
        if not sweep.finished:
            raise SwathError(f"no run of sweep {self.sweep_id} has finished; nothing to plot")
        seen = []
        for found, figure in figures_of(tracking.open_reader(self.uri), sweep, metric):
            if name in (None, found):
                return figure
            seen.append(found)
        raise UsageError(f"plot {name!r}: expected one of {', '.join(seen)}")

    def _sweep(self) -> analysis.Sweep:
        return analysis.find_sweep(tracking.open_reader(self.uri), self.sweep_id)

    def __repr__(self) -> str:
        return "\n".join(self.answer() or [f"Sweep {self.sweep_id}: no run has finished."])

    def _repr_html_(self) -> str:
        """The answer and the ranking, for a notebook."""
        from html import escape

        import pandas as pd

        lines = "<br>".join(escape(line) for line in repr(self).splitlines())
        if not self.answer():
            return f"<p>{lines}</p>"
        sweep = self._sweep()
        metric = analysis.metric_of(sweep.finished, None)
        ranked, groups = analysis.rank_sweep(sweep.finished, metric)
        columns, rows = analysis.ranking_page(ranked, groups, sweep.swept, metric, MOST_ROWS)
        table = pd.DataFrame(rows, columns=columns).to_html(index=False, border=0)
        picture = base64.b64encode(self.plot()._repr_png_()).decode("ascii")
        return f'<p>{lines}</p>{table}<img alt="" src="data:image/png;base64,{picture}">'
