"""Values of configurations by their fields' names, and what the declarations say of them."""

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from operator import attrgetter
from typing import Any, cast

from swath.config.added_fields import forget_when_fields_change
from swath.config.earlier_fields import removed_choice
from swath.config.fields import LEVELS, FieldSpec, Level, walk_schema
from swath.system import readable_number


@dataclass(frozen=True)
class _Walk:
    """The leaves of a schema; a sweep walks over a hundred thousand configurations, so all is at hand.

    Attributes:
      specs: declaration of each leaf by dotted name, in source order.
      values: (configuration) -> value of each leaf, in the same order.
    """

    specs: Mapping[str, FieldSpec]
    values: Callable[[Any], tuple[Any, ...]]

    @cached_property
    def always(self) -> tuple[tuple[int, str, FieldSpec], ...]:
        """Place, name and declaration of the fields that every configuration has."""
        return tuple(entry for entry in self._placed if not (entry[2].only_with or entry[2].not_with))

    @cached_property
    def sometimes(self) -> tuple[tuple[int, str, FieldSpec], ...]:
        """The same of the others."""
        return tuple(entry for entry in self._placed if entry[2].only_with or entry[2].not_with)

    @cached_property
    def identity(self) -> tuple[str, ...]:
        """The fields that decide a run's numbers."""
        return tuple(name for name, spec in self.specs.items() if spec.scope == "identity")

    @cached_property
    def meaning(self) -> tuple[tuple[str, FieldSpec], ...]:
        """Those of them that mean another field where they are None."""
        return tuple((name, self.specs[name]) for name in self.identity if self.specs[name].null_means)

    @property
    def _placed(self) -> Iterator[tuple[int, str, FieldSpec]]:
        return ((place, name, spec) for place, (name, spec) in enumerate(self.specs.items()))


@cache
def _walk(schema: Any) -> _Walk:
    specs = dict(walk_schema(schema))
    first, *others = specs
    if others:
        return _Walk(specs, attrgetter(*specs))
    alone = attrgetter(first)  # it gives no tuple
    return _Walk(specs, lambda config: (alone(config),))


forget_when_fields_change(_walk.cache_clear)


def _walk_of(config: object) -> _Walk:
    return _walk(cast(Hashable, type(config)))


def specs_of(config: object) -> Mapping[str, FieldSpec]:
    """The declaration of every leaf of a configuration by dotted name, in source order."""
    return _walk_of(config).specs


def walk_values(config: object) -> Iterator[tuple[str, Any, FieldSpec]]:
    """Every leaf of a configuration as (dotted name, value, declaration), in source order."""
    walk = _walk_of(config)
    return zip(walk.specs, walk.values(config), walk.specs.values(), strict=True)


def computed_values(config: object) -> dict[str, Any]:
    """The fields that decide a run's numbers, by dotted name: `{"batch_size": 100, "data.name": ...}`.

    Fields without a value are left out: a configuration that has no such field has no such param.
    """
    walk = _walk_of(config)
    found = dict(zip(walk.specs, walk.values(config), strict=True))
    return {name: found[name] for name in walk.identity if found[name] is not None}


def effective_values(config: object) -> dict[str, Any]:
    """The fields that decide a run's numbers, with what None means in its place, by dotted name."""
    walk = _walk_of(config)
    found = dict(zip(walk.specs, walk.values(config), strict=True))
    values = {name: found[name] for name in walk.identity}
    for name, spec in walk.meaning:
        if values[name] is None and exists(spec, values):
            values[name] = values[spec.null_means]
    return values


def exists(spec: FieldSpec, values: Mapping[str, Any]) -> bool:
    """Whether a configuration with these values has the field."""
    wanted, unwanted = spec.only_with, spec.not_with
    return (wanted is None or values[wanted[0]] in wanted[1]) and (
        unwanted is None or values[unwanted[0]] not in unwanted[1]
    )


def completed(schema: type, params: Mapping[str, str]) -> dict[str, str]:
    """Params of a run of any version: fields that were added later have their value in older stores."""
    return {
        name: params.get(name, str(spec.when_absent))
        for name, spec in _walk(cast(Hashable, schema)).specs.items()
        if name in params or (spec.is_later and spec.when_absent is not None)
    } | dict(params)


def complete_overrides(config: object) -> list[str]:
    """Overrides that give a configuration whatever the defaults are: `data=digits`, `batch_size=100`, ...

    They set every field that decides the numbers. Config groups come first, as in Hydra's own files.
    """
    groups, fields = [], []
    values = {name: value for name, value, _ in walk_values(config)}
    for name, value, spec in walk_values(config):
        group, _, field = name.rpartition(".")
        if spec.scope != "identity" or not exists(spec, values):
            continue
        if field == "name":  # the file of a config group has the group's name for the choice
            groups.append(f"{group}={value}")
        else:
            fields.append(f"{name}={'null' if value is None else value}")
    return [*groups, *fields]


def shared_values(config: object, level: Level) -> dict[str, Any]:
    """The values that all runs at a level have in common, by dotted name."""
    values = effective_values(config)
    return {name: values[name] for name in _shared_names(cast(Hashable, type(config)), level)}


def shared_key(config: object, level: Level) -> tuple[Any, ...]:
    """The same as a key: two configurations share a program, group or lane where their keys are equal."""
    values = effective_values(config)
    return tuple([values[name] for name in _shared_names(cast(Hashable, type(config)), level)])


@cache
def _shared_names(schema: Any, level: Level) -> tuple[str, ...]:
    walk, levels = _walk(schema), LEVELS[: LEVELS.index(level) + 1]
    return tuple(name for name in walk.identity if walk.specs[name].shared_by in levels)


forget_when_fields_change(_shared_names.cache_clear)


def shape_values(config: object) -> dict[str, Any]:
    """The fields that decide the shapes of a run's tensors, by dotted name."""
    return {name: value for name, value, spec in walk_values(config) if spec.shape}


def named_values(values: Mapping[str, Any], fields: Sequence[str]) -> str:
    """Those of `fields` that have a value, with it: `learning_rate=1e-06 max_steps=500`."""
    return " ".join(f"{field}={readable_number(values[field])}" for field in fields if field in values)


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by dotted name, as a configuration nests them: `{"data": {"name": ...}}`."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        *groups, leaf = name.split(".")
        node = found
        for group in groups:
            node = node.setdefault(group, {})
        node[leaf] = value
    return found


def varying(configs: Sequence[object]) -> tuple[str, ...]:
    """The fields that decide the numbers and are not the same in all of `configs`, by dotted name."""
    if not configs:
        return ()
    walk = _walk_of(configs[0])
    # One field after the other: a row for each of a hundred thousand configurations would need memory.
    columns = ((name, list(map(attrgetter(name), configs))) for name in walk.identity)
    began = {
        name: next(place for place, value in enumerate(values) if value is not None)
        for name, values in columns
        if len(set(values)) > 1
    }
    return tuple(sorted(began, key=began.__getitem__))  # fields of later configurations come last


def field_mistakes(config: object) -> list[str]:
    """A line for each value that its field does not allow, or that the configuration has no field for."""
    walk = _walk_of(config)
    found = walk.values(config)
    values = dict(zip(walk.specs, found, strict=True))
    wrong = [entry for entry in walk.always if not entry[2].allows(found[entry[0]])]
    return [
        line
        for _, name, spec in sorted((*wrong, *walk.sometimes))  # places differ, so only they are compared
        for line in _mistakes(name, values[name], spec, values)
    ]


def _mistakes(name: str, value: Any, spec: FieldSpec, values: Mapping[str, Any]) -> Iterator[str]:
    if not exists(spec, values):
        other, words = spec.only_with or spec.not_with or ("", ())
        choice = other.removesuffix(".name")
        if value is not None and spec.not_with is not None:
            yield f"{name}={value}: {choice}={values[other]} has no such field"
        elif value is not None:
            having = " or ".join(f"{choice}={word}" for word in words)
            yield f"{name}={value}: only with {having}, found {choice}={values[other]}"
    elif not spec.allows(value) or (value is None and spec.only_with is not None and not spec.null_means):
        shown = "null" if value is None else value
        yield removed_choice(name, value) or f"{name}={shown}: {spec.refusal(value)}"
