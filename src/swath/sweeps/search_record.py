"""What decides the trials of a search, as its manifest keeps it: enough to decide everything again."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Self

from swath.analysis import searched_fields
from swath.execution import SweepInfo

FREE = ("confirm", "confirm_seeds", "round_size", "trials", "rounds", "drawn_by", "columns")
"""Attributes that may have other values when the same search goes on."""


@dataclass(frozen=True)
class SearchRecord:
    """A search, as JSON can hold it.

    Attributes:
      space: an override with an interval or several values for each dimension.
      when: a line for each dimension that exists with some values of another only; see `search.when`.
      fixed: overrides that set all other fields that decide a run's numbers.
      sampler: name of the sampler.
      seed: of the proposals.
      rungs: steps of each rung; the last is the full length.
      factor: one trial of this many goes on at a rung.
      objective: metric that ranks trials.
      test: `finalists` or `all`.
      confirm: finalists that are trained with other seeds.
      confirm_seeds: further seeds of each.
      round_size: trials that are proposed together; 0 for all.
      trials: trials in all.
      rounds: trials of each round, those of earlier commands first.
      drawn_by: the library that draws proposals, with its version; another version may draw others.
      columns: columns of a lane in a product that lanes share; they decide which lanes are free; 0 for none.
    """

    space: list[str]
    fixed: list[str]
    sampler: str
    seed: int
    rungs: list[int]
    factor: int
    objective: str
    test: str
    confirm: int
    confirm_seeds: int
    round_size: int
    trials: int
    rounds: list[int] = field(default_factory=list)
    when: list[str] = field(default_factory=list)
    drawn_by: str = ""
    columns: int = 0

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """The record of a manifest; values of a later version that this one does not know are left out.

        Raises:
          TypeError: values are missing.
          ValueError: `rounds` or `columns`, with which a search goes on, have no such values.
        """
        known = {each.name for each in fields(cls)}
        found = cls(**{name: value for name, value in values.items() if name in known})
        if not (type(found.columns) is int and found.columns >= 0):
            raise ValueError(f"columns: expected a whole number from 0 up, found {found.columns!r}")
        is_list = isinstance(found.rounds, list)
        if not (is_list and all(type(each) is int and each > 0 for each in found.rounds)):
            raise ValueError(f"rounds: expected whole numbers from 1 up, found {found.rounds!r}")
        return found

    def values(self) -> dict[str, Any]:
        """The record, for a manifest."""
        return asdict(self)

    def continuing(self, before: "SearchRecord | None") -> Self:
        """This search with the rounds of an earlier command, and further ones up to the number of trials."""
        if before is None:
            return replace(self, rounds=rounds_of(self.trials, self.round_size))
        rounds = rounds_of(self.trials, self.round_size, before.rounds)
        return replace(self, rounds=rounds, columns=before.columns)  # an earlier version filled no free lanes

    def begun(self, trials: Collection[int]) -> Self:
        """The record without the rounds of which no trial is stored: they need not be as they were planned.

        Args:
          trials: the numbers of the stored trials.
        """
        rounds: list[int] = []
        for size in self.rounds:
            if not any(number >= sum(rounds) for number in trials):
                break
            rounds.append(size)
        return replace(self, rounds=rounds)

    def differences(self, before: "SearchRecord") -> Iterator[str]:
        """What makes the earlier search another one; one line each."""
        for name in (each.name for each in fields(self) if each.name not in FREE):
            first, second = getattr(before, name), getattr(self, name)
            if first == second:
                continue
            label = name if name in ("space", "when", "fixed") else f"search.{name}"
            if isinstance(first, list):
                less, more = _without(first, second), _without(second, first)
                yield f"{label}: {less or '(none)'}, now {more or '(none)'}"
            else:
                yield f"{label}: {first}, now {second}"


def drawn_by_others(record: SearchRecord, now: SearchRecord) -> str:
    """The end of a message about proposals that are not those of the store, if libraries may be the reason.

    Args:
      record: that of the store.
      now: what this environment would record.
    """
    is_other = record.drawn_by and record.drawn_by != now.drawn_by
    return f"; they were drawn with {record.drawn_by}, here is {now.drawn_by}" if is_other else ""


def _without(values: Sequence[object], others: Sequence[object]) -> str:
    return " ".join(str(value) for value in values if value not in others)


def rounds_of(trials: int, size: int, before: Sequence[int] = ()) -> list[int]:
    """Trials of each round: the earlier rounds as they were, then full ones, then the rest.

    Args:
      trials: in all.
      size: trials of a full round; 0 for all that are left.
      before: trials of each earlier round.
    """
    rounds = list(before)
    while (left := trials - sum(rounds)) > 0:
        rounds.append(min(size or left, left))
    return rounds


def searched_by(sweep_info: SweepInfo, search: SearchRecord | None) -> SweepInfo:
    """The metadata of a sweep with what a search looks through and ranks by; unchanged without a search."""
    if search is None:
        return sweep_info
    return replace(
        sweep_info,
        space=searched_fields(search.space, search.when),
        space_lines=(*search.space, *search.when),
        objective=search.objective,
    )
