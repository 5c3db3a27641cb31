"""Of the files of several writers, each step counts once: that of who began last."""

import pytest

from swath.errors import SwathError
from swath.tracking.curve_spans import Span, chain, end_of, spans_in


def counting(*spans: Span) -> list[tuple[str, int, int]]:
    """What counts: key, first step, and the step after the last."""
    found = chain(spans)
    assert found == chain(reversed(spans)), "the order of tags does not matter"
    return [(span.key, span.first, end) for span, end in found]


def test_resumed_run_goes_on() -> None:
    assert counting(Span("a", 0, 500, 2), Span("b", 500, 900, 1)) == [("a", 0, 500), ("b", 500, 900)]


def test_what_a_zombie_writes_after_its_successor_began_does_not_count() -> None:
    zombie, successor = Span("a", 0, 700, 3, epoch=1), Span("b", 500, 900, 2, epoch=2)
    assert counting(zombie, successor) == [("a", 0, 500), ("b", 500, 900)]


@pytest.mark.parametrize("ends", [(700, 600), (600, 700)])
def test_of_two_that_began_at_the_same_step_the_later_epoch_counts(ends: tuple[int, int]) -> None:
    spans = [Span("a", 0, 500, 1), Span("z", 500, ends[0], 1, epoch=3), Span("b", 500, ends[1], 1, epoch=4)]
    assert counting(*spans) == [("a", 0, 500), ("b", 500, ends[1])]


def test_merged_files_replace_those_before_them() -> None:
    before = [Span("a", 0, 500, 1), Span("b", 500, 900, 1)]
    merged = Span("m", 0, 900, 1, merged=1)
    assert counting(*before, merged) == [("m", 0, 900)]
    assert counting(*before, merged, Span("c", 900, 950, 1, merged=1)) == [("m", 0, 900), ("c", 900, 950)]


def test_offline_run_that_was_merged_counts_after_the_point_where_it_began() -> None:
    # The store has what was sent before it was away, and perhaps more whose answer was lost.
    assert counting(Span("a", 0, 700, 2), Span("o", 500, 900, 1, merged=1)) == [
        ("a", 0, 500),
        ("o", 500, 900),
    ]


def test_tags_are_read_as_they_were_written() -> None:
    span = Span("3-ab", 250, 500, 2, epoch=3, merged=1)
    tags = {span.tag: span.text(), "swath.curves": "file"}
    assert spans_in(tags) == [span]
    assert end_of(tags) == 500
    assert end_of({}) == 0


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", "1", '{"first": 0}', '{"first": "x", "end": 1, "files": 1}']
)
def test_damaged_tag_is_named(text: str) -> None:
    tag = Span("k", 0, 1, 1).tag
    with pytest.raises(
        SwathError, match=r"the tag mlflow.swath.curve.k is damaged: .*; expected \{\"first\""
    ):
        spans_in({tag: text})
    assert end_of({tag: text}) == 0


def test_names_of_files_sort_by_number() -> None:
    names = [Span("k", 0, 1, 1).file(number) for number in (0, 9, 10, 99_999)]
    assert names == sorted(set(names))
