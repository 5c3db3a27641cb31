"""Reads overrides as Hydra does, and says what to type instead of those that cannot be read."""

import difflib
import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    IntervalSweep as IntervalSweep,
)  # for rooms that do not import Hydra
from hydra.core.override_parser.types import Override as Override
from hydra.core.override_parser.types import OverrideType, Transformer, ValueType
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from swath.config.added_fields import forget_when_fields_change
from swath.config.folders import config_groups, primary_configs, user_folders
from swath.config.schema import FIELDS, schema_node
from swath.errors import ConfigError


def parse_overrides(texts: list[str]) -> list[Override]:
    """Parse overrides as Hydra does; `data=glob(*)` finds its configs if Hydra is initialised.

    Raises:
      ConfigError: some cannot be parsed; it lists all of them.
    """
    hydra = GlobalHydra.instance()
    loader = hydra.config_loader() if hydra.is_initialized() else None
    parser = None
    parsed, mistakes = [], []
    for text in texts:
        if (plain := _plain_number(text)) is not None:
            plain.config_loader = loader
            parsed.append(plain)
            continue
        parser = OverridesParser.create(loader) if parser is None else parser  # it takes a third of a ms
        try:
            parsed += parser.parse_overrides([text])
        except HydraException:
            mistakes.append(f"{text}: {_reading_hint(text)}")
    if mistakes:
        raise ConfigError(mistakes)
    return parsed


_PLAIN_NUMBER = re.compile(r"([a-z_0-9.]+)=(-?(?:0|[1-9][0-9]*)(\.[0-9]+)?(e[+-]?[0-9]+)?)")
"""A field that is set to a number, as a range writes its values."""


def _plain_number(text: str) -> Override | None:
    """What Hydra's parser makes of `FIELD=NUMBER`, 50 times as fast; None for any other text.

    A range may have a hundred thousand values.
    """
    found = _PLAIN_NUMBER.fullmatch(text)
    if found is None or found[1] not in FIELDS:
        return None
    value = int(found[2]) if found[3] is None and found[4] is None else float(found[2])
    return Override(OverrideType.CHANGE, found[1], ValueType.ELEMENT, value, input_line=text)


def _reading_hint(text: str) -> str:
    """Why an override cannot be read, and what to type instead."""
    key, equals, value = text.partition("=")
    if not equals:
        return _hint_without_value(text)
    if value.endswith(",") and "'" not in value and '"' not in value:
        return f"ends with a comma; expected {text.rstrip(',')}"
    name = key.lstrip("+~")
    if (call := re.fullmatch(r"(\w+)\(\s*\)", value)) and call[1] in _FUNCTIONS:
        return f"{call[1]}() without values; type values: -m {name}={example_values(name)}"
    if (found := unexpanded(name, value)) is not None:
        return f"{NOT_EXPANDED}; type: {shlex.quote(f'{key}={found}')}"
    options = config_groups(user_folders())
    if name in options:
        return f"expected one of {', '.join(options[name])}"
    if name in FIELDS and not _is_allowed(name, value):
        return f"expected {FIELDS[name].expected}"
    # Hydra's grammar: a backslash counts only before a quote, and at the end.
    quoted = re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + ('\\"' if found[2] else ""), value)
    whole = f'{key}="{quoted}"'
    return f"the value needs quotes; type: {shlex.quote(whole)}"


_FUNCTIONS = ("choice", "range", "interval", "glob", "sort", "shuffle", "tag")
"""Functions of Hydra's grammar that give the values of a sweep."""


def _hint_without_value(text: str) -> str:
    is_sweep = text in primary_configs(user_folders())
    to_train = f"to train this sweep, run: swath -cn {text}"
    if text in FIELDS:
        return f"expected {text}=VALUE{f'; {to_train}' if is_sweep else ''}"
    if text in (groups := config_groups(user_folders())):
        return f"expected {' or '.join(f'{text}={option}' for option in groups[text])}"
    if is_sweep:
        return f"expected FIELD=VALUE; {to_train}"
    if text in ("help", "version"):
        return f"expected FIELD=VALUE; did you mean: swath --{text}"
    if re.fullmatch(r"[-+.\d][-+.\deE]*,?", text):
        return "a value without a field; the values of a field are separated by commas, without blanks"
    if near := difflib.get_close_matches(text, FIELDS, n=1):
        return f"expected FIELD=VALUE; did you mean {near[0]}=VALUE?"
    return "cannot be read; expected FIELD=VALUE, for example batch_size=100"


NOT_EXPANDED = "~ is not expanded here"


def unexpanded(name: str, value: object) -> str | None:
    """A value with the user's folder in place of a ~ that nobody would expand; None without one.

    Of swath's fields, `data.dir` and `tracking.artifact_location` are expanded where they are used.
    """
    found = re.fullmatch(r"(sqlite(?:\+\w+)?:///)?(~(?:/.*)?)", str(value))
    if found is None or not name.startswith(("hydra.", "tracking.uri")):
        return None
    return f"{found[1] or ''}{Path(found[2]).expanduser()}"


def example_values(key: str) -> str:
    """Two values of a field for an example."""
    examples = {int: "50,100", float: "1e-7,1e-6"}
    return examples.get(FIELDS[key].kind, "A,B") if key in FIELDS else "50,100"


def _is_allowed(name: str, value: object) -> bool:
    try:
        return FIELDS[name].allows(typed_value(name, value))
    except OmegaConfBaseException:
        return False


def typed_value(key: str, value: object) -> Any:
    """Convert a value to the type of its field.

    Raises:
      omegaconf.errors.OmegaConfBaseException: it cannot be converted.
    """
    kind = FIELDS[key].kind
    if type(value) is kind and kind in (int, float):  # thousands of values of a range
        return _rounded(value)
    node = _scratch_node()
    OmegaConf.update(node, key, value)
    found = OmegaConf.select(node, key)
    if OmegaConf.is_config(found):
        return OmegaConf.to_container(found)  # the next conversion changes the node's own list
    return _rounded(found)


def _rounded(value: Any) -> Any:
    """A number without the dust of a sum: range(0.1,0.5,0.1) adds up to 0.30000000000000004.

    Fields are float32, which 15 digits tell apart.
    """
    return float(f"{value:.15g}") if isinstance(value, float) else value


@cache
def _scratch_node() -> DictConfig:
    """A node for all conversions: creating one takes milliseconds, and there may be thousands of values."""
    return schema_node()


forget_when_fields_change(_scratch_node.cache_clear)


def literal_values(override: Override) -> list[Any]:
    """The values of an override: one, or those of its sweep; none for a sweep over an interval."""
    if not override.is_sweep_override():
        return [override.value()]
    if not override.is_discrete_sweep():
        return []
    values = [_unquoted(value) for value in override.sweep_iterator(transformer=Transformer.identity)]
    return [_rounded(value) for value in values] if override.value_type is ValueType.RANGE_SWEEP else values


def _unquoted(value: Any) -> Any:
    return value.text if hasattr(value, "text") else value
