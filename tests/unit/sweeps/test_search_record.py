"""What decides the trials of a search, in its manifest."""

import json
from dataclasses import replace

import pytest

from swath.errors import SwathError
from swath.sweeps import SearchRecord, drawn_by_others, rounds_of
from swath.sweeps.manifest import Manifest, read_manifest

RECORD = SearchRecord(
    space=["learning_rate=tag(log,interval(1e-8,1e-2))"],
    fixed=["batch_size=100", "max_steps=500"],
    sampler="qmc",
    seed=0,
    rungs=[50, 200, 500],
    factor=4,
    objective="validation/accuracy",
    test="finalists",
    confirm=3,
    confirm_seeds=2,
    round_size=0,
    trials=72,
    rounds=[72],
    drawn_by="scipy 1.0.0",
)


def manifest(search: SearchRecord | None) -> Manifest:
    return Manifest("search", "abc", "swath -cn search", {}, 1, [], [], search)


@pytest.mark.parametrize("search", [RECORD, None])
def test_record_survives_the_manifest(search: SearchRecord | None) -> None:
    found = read_manifest(manifest(search).text())
    assert found.search == search
    assert ("search" in manifest(search).text()) == (search is not None) or found.sweep == "search"


def test_value_of_a_later_version_is_left_out() -> None:
    assert SearchRecord.of({**RECORD.values(), "later": 1}) == RECORD


def test_missing_value_makes_a_damaged_manifest() -> None:
    values = RECORD.values()
    del values["seed"]
    with pytest.raises(TypeError):
        SearchRecord.of(values)


def test_more_trials_are_further_rounds() -> None:
    before = manifest(RECORD)
    more = manifest(replace(RECORD, trials=200)).resuming(before)
    assert more.search is not None
    assert more.search.rounds == [72, 128]
    fewer = manifest(replace(RECORD, trials=10)).resuming(before)
    assert fewer.search is not None
    assert fewer.search.rounds == [72]


@pytest.mark.parametrize(
    ("trials", "size", "before", "rounds"),
    [(72, 0, [], [72]), (72, 24, [], [24, 24, 24]), (50, 24, [], [24, 24, 2]), (100, 24, [72], [72, 24, 4])],
)
def test_rounds(trials: int, size: int, before: list[int], rounds: list[int]) -> None:
    assert rounds_of(trials, size, before) == rounds


def test_differences_are_named() -> None:
    assert list(RECORD.differences(replace(RECORD, trials=5, rounds=[5], confirm=0))) == []
    other = replace(RECORD, seed=1, space=["learning_rate=1,2"], rungs=[500])
    lines = list(other.differences(RECORD))
    assert lines == [
        "space: learning_rate=tag(log,interval(1e-8,1e-2)), now learning_rate=1,2",
        "search.seed: 0, now 1",
        "search.rungs: 50 200, now (none)",
    ]


def test_libraries_of_other_versions_do_not_make_another_search_and_are_named() -> None:
    now = replace(RECORD, drawn_by="scipy 2.0.0")
    assert list(now.differences(RECORD)) == []
    assert drawn_by_others(RECORD, now) == "; they were drawn with scipy 1.0.0, here is scipy 2.0.0"
    assert drawn_by_others(RECORD, RECORD) == ""
    assert drawn_by_others(replace(RECORD, drawn_by=""), now) == ""


def test_search_of_an_earlier_version_goes_on_without_free_lanes() -> None:
    values = replace(RECORD, columns=0).values()
    del values["columns"]
    before, now = SearchRecord.of(values), replace(RECORD, columns=10, trials=80)
    assert list(now.differences(before)) == []
    more = manifest(now).resuming(manifest(before)).search
    assert more is not None
    assert (more.columns, more.rounds) == (0, [72, 8])
    assert now.continuing(None).columns == 10
    assert replace(now, columns=0).continuing(replace(RECORD, columns=10)).columns == 10


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("columns", "many"),
        ("columns", -1),
        ("columns", True),
        ("columns", None),
        ("rounds", 3),
        ("rounds", ["many"]),
        ("rounds", [72, 0]),
    ],
)
def test_value_with_which_no_search_goes_on_makes_a_damaged_manifest(name: str, value: object) -> None:
    values = json.loads(manifest(RECORD).text())
    values["search"][name] = value
    with pytest.raises(SwathError, match=f"damaged .{name}: expected"):
        read_manifest(json.dumps(values))
