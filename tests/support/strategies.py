"""Hypothesis strategies for fields, derived from their declarations."""

from typing import Any

from hypothesis import strategies as st

from swath.config import FIELDS, FieldSpec, TrainConfig, walk_schema
from swath.config.constraints import Choice, Flag, Lines, Range, SizeList, Sizes, Text
from swath.config.schema import build


class Texts(list[str]):
    """Texts that an override can hold."""

    def __str__(self) -> str:
        return str([f"{each}" for each in self])


def allowed(spec: FieldSpec) -> st.SearchStrategy[Any]:
    """Values that a field allows, except None."""
    match spec.constraint:
        case Range(least=least, above=above, most=most, below=below, float32=float32):
            most = below if most is None else most
            if spec.kind is int:
                return st.integers(int(least or 0), None if most is None else int(most))
            low = above if least is None else least
            return st.floats(
                low,
                most,
                exclude_min=least is None,
                allow_nan=False,
                allow_infinity=False,
                width=32 if float32 else 64,
            ).filter(spec.allows)
        case Choice(words=words, aliases=aliases):
            return st.sampled_from([*words, *aliases])
        case Text(schemes=schemes):
            text = st.text("abcxyz019-_./", min_size=1)
            return st.tuples(st.sampled_from(schemes), text).map("://".join) if schemes else text
        case SizeList(most=most, longest=longest):
            return st.lists(st.integers(1, most), min_size=1, max_size=longest).map(Sizes)
        case Flag():
            return st.booleans()
        case Lines():
            return st.lists(st.text("abcxyz=:", min_size=1), max_size=3).map(Texts)
    raise AssertionError(spec.constraint)


def refused(spec: FieldSpec) -> st.SearchStrategy[Any]:
    """Values of the right type that a field does not allow."""
    match spec.constraint:
        case Range(least=least, above=above, most=most):
            low = least if above is None else above
            assert low is not None
            below = (
                st.integers(max_value=int(low) - 1)
                if spec.kind is int
                else st.floats(max_value=low, exclude_max=least is not None)
            )
            return below if most is None else below | st.integers(min_value=int(most) + 1)
        case Choice():
            return st.text("abcxyz", min_size=1).filter(lambda word: not spec.allows(word))
        case SizeList(most=most):
            return st.sampled_from(["x", 0, -1, 1.5, [], [0], [most + 1], [True], [1.0], ["1"], {"a": 1}])
        case Lines():
            return st.sampled_from(["x", "", 1, 0.5, True, [1], [""], [" "], {"a": "x"}])
        case Text(schemes=schemes):
            return st.sampled_from(["", " ", *(["x", "ftp://x"] if schemes else [])])
    return st.nothing()


def train_configs() -> st.SearchStrategy[TrainConfig]:
    """Configurations of allowed values, with batches that are small enough for every data set."""
    names = [name for name, _ in walk_schema(TrainConfig)]
    few = {"data.validation_size": st.integers(0, 1_000), "batch_size": st.integers(1, 400)}
    values = {name: few.get(name, allowed(FIELDS[name])) for name in names}
    return st.fixed_dictionaries(values).map(lambda found: build(TrainConfig, consistent(found)))


def consistent(values: dict[str, Any]) -> dict[str, Any]:
    """Values without the fields that do not exist beside the others, and with a warm-up that ends."""
    found = dict(values)
    for name, spec in walk_schema(TrainConfig):
        unwanted = spec.not_with is not None and values[spec.not_with[0]] in spec.not_with[1]
        if unwanted or (spec.only_with is not None and values[spec.only_with[0]] not in spec.only_with[1]):
            found[name] = None
        elif spec.only_with is not None and found[name] is None and not spec.null_means:
            found[name] = Sizes([8]) if name == "model.hidden_units" else spec.constraint.least
    end = found["schedule_steps"] or found["max_steps"]
    if found["schedule"] != "constant":
        found["warmup_steps"] = min(found["warmup_steps"], end - 1)
    return found
