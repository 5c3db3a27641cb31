"""Dumps many similar values as YAML."""

from typing import Any

import yaml
from omegaconf._utils import get_omega_conf_dumper

Keys = tuple[Any, ...]


class IncrementalYaml:
    """Dumps values as `OmegaConf.to_yaml` does, and caches the text of unchanged leaves.

    Several threads may use it: what one of them replaces in the cache, another one makes again.
    """

    def __init__(self) -> None:
        self._known: dict[Keys, tuple[str, list[str]]] = {}

    def dump(self, value: Any) -> str:
        """The text of a value: plain dicts, lists and scalars.

        Args:
          value: a value that is similar to the previous one.
        """
        return "".join(self._lines((), value)) if isinstance(value, dict) and value else _dump(value)

    def _lines(self, keys: Keys, value: Any) -> list[str]:
        if not (isinstance(value, dict) and value):
            return self._leaf(keys, value)
        lines = self._leaf(keys, _ANY)[:-1] if keys else []
        for key, part in value.items():
            lines += self._lines((*keys, key), part)
        return lines

    def _leaf(self, keys: Keys, value: Any) -> list[str]:
        text = repr(value)  # distinguishes 1, 1.0 and True, which are equal
        known = self._known.get(keys)
        if known is None or known[0] != text:
            known = self._known[keys] = text, _leaf(keys, value)
        return known[1]


_ANY = {0: 0}
"""A dict whose lines, except the last, are the first lines of any other dict with the same keys above it."""


def _leaf(keys: Keys, value: Any) -> list[str]:
    """The lines of a value at the path `keys`, indented, without the lines of the levels above."""
    nested = value
    for key in reversed(keys):
        nested = {key: nested}
    return _dump(nested).splitlines(keepends=True)[len(keys) - 1 :]


def _dump(value: Any) -> str:
    text: str = yaml.dump(
        value, default_flow_style=False, allow_unicode=True, sort_keys=False, Dumper=get_omega_conf_dumper()
    )
    return text
