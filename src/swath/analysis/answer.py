"""The answer to a sweep's question: the best configuration, how sure that is, and where to look next."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from swath.analysis.lines import LINE_LENGTH
from swath.analysis.ranking import REPEATED_BY, SHORT_ID
from swath.analysis.ranking_cells import spread_text
from swath.analysis.search_space import AT_AN_END, SearchedField
from swath.analysis.significance import Ranked, RankedConfiguration, RankedRun
from swath.config import FIELDS, typed
from swath.system import readable_number
from swath.tracking import StoredRun, schema

INDENT = " " * len("Best: ")


@dataclass(frozen=True)
class Edge:
    """A field whose best value is the smallest or largest that was tried, or lies at an end of its interval.

    Attributes:
      field: dotted name.
      value: the best value.
      is_largest: whether it is the largest; else it is the smallest.
      count: number of values that were tried; 0 for an interval.
      end: the end of the interval that it is at; 0 for listed values.
    """

    field: str
    value: str
    is_largest: bool
    count: int
    end: float = 0.0


@dataclass(frozen=True)
class Answer:
    """The best configuration of a sweep.

    Attributes:
      metric: the metric that ranks.
      fields: the fields that vary, without those that only repeat a configuration.
      best: the best run; with several seeds, of the best configuration.
      configuration: the best configuration, if any was trained with several seeds.
      others: number of other runs or, with several seeds, of other configurations.
      tested: number of those that were tested against the best.
      tied: number of those that are not significantly different from the best.
      edges: tuned fields whose best value is at the edge of the grid, or of the space of a search.
      is_search: whether a search made it.
    """

    metric: str
    fields: tuple[str, ...]
    best: RankedRun
    configuration: RankedConfiguration | None
    others: int
    tested: int
    tied: int
    edges: tuple[Edge, ...]
    is_search: bool = False


def answer_of(
    ranked: Sequence[RankedRun],
    groups: Sequence[RankedConfiguration],
    tried: Sequence[StoredRun],
    swept: Sequence[str],
    metric: str,
    space: Sequence[SearchedField] = (),
) -> Answer:
    """The answer that a ranking gives.

    Args:
      ranked: the runs, best first; at least one.
      groups: the configurations, best first; empty if none has several seeds.
      tried: all runs of the sweep: those that failed, too, tell how far the grid goes.
      swept: the fields that vary.
      metric: the metric that ranks.
      space: what a search looked through; empty for a grid.
    """
    fields = tuple(field for field in swept if field not in REPEATED_BY)
    others: Sequence[Ranked] = (groups or ranked)[1:]
    return Answer(
        metric,
        fields,
        ranked[0],
        groups[0] if groups else None,
        len(others),
        sum(entry.p_vs_best is not None for entry in others),
        sum(entry.tied_with_best for entry in others),
        tuple(edges_in(space, ranked[0].run) if space else edges_of(tried, ranked[0].run, fields)),
        bool(space),
    )


def edges_of(runs: Sequence[StoredRun], best: StoredRun, fields: Sequence[str]) -> list[Edge]:
    """The tuned fields whose value in the best run is the smallest or the largest of all runs."""
    found = []
    for field in fields:
        if field not in FIELDS or not FIELDS[field].tuned:
            continue
        values = {typed(field, run.params.get(field, "")) for run in runs}
        if len(values) < 2 or not all(isinstance(value, int | float) for value in values):
            continue
        value = typed(field, best.params.get(field, ""))
        if value in (min(values), max(values)):
            found.append(Edge(field, best.params[field], value == max(values), len(values)))
    return found


def edges_in(space: Sequence[SearchedField], best: StoredRun) -> list[Edge]:
    """The tuned fields of a search whose value in the best run is at an end of what could be proposed.

    What was proposed tells nothing: the largest of many random values is hardly ever an end.
    """
    found = []
    for field in space:
        if field.name not in FIELDS or not FIELDS[field.name].tuned or not field.exists_in(best.params):
            continue
        text = best.params.get(field.name, "")
        value = typed(field.name, text)
        if not isinstance(value, int | float):
            continue
        if field.is_interval:
            place = field.place_of(value) if not field.log or value > 0 else 0.5
            if field.low < field.high and not AT_AN_END < place < 1 - AT_AN_END:
                is_largest = place > 0.5
                found.append(Edge(field.name, text, is_largest, 0, field.high if is_largest else field.low))
            continue
        values = {typed(field.name, choice) for choice in field.choices}
        if len(values) > 1 and value in (min(values), max(values)):
            found.append(Edge(field.name, text, value == max(values), len(values)))
    return found


def answer_lines(found: Answer) -> list[str]:
    """An answer in sentences of at most `LINE_LENGTH` characters each."""
    lines = _best_lines(found)
    if found.tested:
        what = "configuration" if found.configuration is not None else "run"
        whats = f"{found.tested} other {what}s" if found.tested > 1 else f"other {what}"
        if found.tied:
            lines.append(
                f"Not significantly different from it (=; paired test, p > 0.05): "
                f"{f'{found.tied} of ' if found.tested > 1 else 'the '}{whats}."
            )
        else:
            lines.append(f"It is significantly better than the {whats} (paired test, p < 0.05).")
        if untested := found.others - found.tested:
            plural = what if untested == 1 else f"{what}s"
            lines.append(f"Not tested (predictions missing, or of other images): {untested} {plural}.")
    elif found.others and schema.split_of(found.metric) is not None:
        lines.append("Not tested for significance: predictions are missing, or are of other images.")
    if found.edges:
        lines += _edge_lines(found.edges, "space" if found.is_search else "grid")
    return lines


def _edge_lines(edges: Sequence[Edge], where: str) -> list[str]:
    parts = [f"{edge.field}={readable_number(edge.value)} ({_place(edge)})" for edge in edges]
    start = f"At the edge of the {where}, so better values may lie beyond:"
    line = f"{start} {', '.join(parts)}."
    if len(line) <= LINE_LENGTH:
        return [line]
    return [start, *(INDENT + part for part in parts)]


def _place(edge: Edge) -> str:
    if edge.count:
        return f"{'largest' if edge.is_largest else 'smallest'} of {edge.count}"
    return f"the interval {'ends' if edge.is_largest else 'begins'} at {edge.end:g}"


def _best_lines(found: Answer) -> list[str]:
    name = found.best.run.named_by(found.fields)
    values = [_value_text(found, found.metric)]
    for metric in (schema.VALIDATION_ACCURACY, schema.TEST_ACCURACY):
        if metric != found.metric and metric in found.best.run.metrics:
            values.append(_value_text(found, metric))
    values.append(f"run {found.best.run.run_id[:SHORT_ID]}")
    text = ", ".join(values)
    line = f"Best: {name}: {text}" if name else f"Best: {text}"
    if len(line) <= LINE_LENGTH:
        return [line]
    wrapped = _wrapped(f"Best: {name}", "") if name else []
    return [*wrapped, *_wrapped(text, INDENT if name else "Best: ")]


def _wrapped(text: str, start: str) -> list[str]:
    """A text in lines that are not too long."""
    return textwrap.wrap(
        text,
        LINE_LENGTH,
        initial_indent=start,
        subsequent_indent=INDENT,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _value_text(found: Answer, metric: str) -> str:
    """A metric of the best, with its uncertainty: `validation 0.409 (0.395 to 0.422)`."""
    label = metric.removesuffix("/accuracy")
    if found.configuration is not None:
        spread = found.configuration.configuration.spreads.get(metric)
        if spread is not None and spread.count > 1:
            return f"{label} {spread_text(spread, 3)} ({spread.count} seeds)"
    value = found.best.run.metrics.get(metric)
    text = "none" if value is None else f"{value:.3f}" if abs(value) < 1000 else f"{value:.3g}"
    if metric == found.metric and found.best.interval is not None:
        text += f" ({found.best.interval[0]:.3f} to {found.best.interval[1]:.3f})"
    return f"{label} {text}"
