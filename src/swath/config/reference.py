"""The fields as text: the lines of `swath --help`, and the page `docs/fields.md`.

`python -m swath.config.reference > docs/fields.md` writes the page.
"""

import textwrap
from collections.abc import Iterator

from omegaconf import OmegaConf

from swath.config.fields import FieldSpec, Scope
from swath.config.folders import config_folder
from swath.config.schema import FIELDS

HELP_WIDTH = 100
"""Columns of `swath --help`."""

_UNBROKEN = "\N{NO-BREAK SPACE}"

_HEAD = """\
# Fields

Every field of the configuration, from its declaration in `swath.config.schema`. This page is written by
`python -m swath.config.reference > docs/fields.md`.
"""

_IDENTITY = """\
## Hyperparameters

They decide the numbers of a run: they are its MLflow params and make up its fingerprint. All of them can be
swept. *Shared by* is the widest unit that has one value: all lane groups of a compiled program, all lanes of
a group, all runs of a lane, or each run alone.
"""

_SETTINGS = """\
## Settings

They decide how a command is carried out. A command has one value of each, so none of them can be swept.
"""


def help_lines(scope: Scope) -> list[str]:
    """For each field its name, sentence and allowed values, wrapped to `HELP_WIDTH` columns."""
    lines: list[str] = []
    width = 2 + max(map(len, FIELDS))
    for name, spec in _of(scope):
        brief = spec.constraint.brief()
        text = f"{spec.help} [{brief.replace(' ', _UNBROKEN)}]" if brief else spec.help
        wrapped = textwrap.wrap(text, HELP_WIDTH - 2 - width)
        first, *others = (line.replace(_UNBROKEN, " ") for line in wrapped)
        lines.append(f"  {name:{width}}{first}")
        lines += [f"  {'':{width}}{line}" for line in others]
    return lines


def document() -> str:
    """The page `docs/fields.md` as Markdown."""
    defaults = _defaults()
    identity = _table(
        ["field", "type", "default", "allowed", "shared by", "meaning"],
        [
            [
                f"`{name}`",
                spec.kind.__name__,
                defaults[name],
                spec.expected,
                spec.shared_by,
                spec.help + _exists_with(spec),
            ]
            for name, spec in _of("identity")
        ],
    )
    settings = _table(
        ["field", "type", "default", "allowed", "meaning"],
        [
            [f"`{name}`", spec.kind.__name__, defaults[name], spec.expected, spec.help]
            for name, spec in _of("sweep")
        ],
    )
    later = [f"- `{name}`: {spec.when_absent}" for name, spec in FIELDS.items() if spec.is_later]
    absent = (
        ["", "Values of fields in stores that were written before the field existed:", *later]
        if later
        else []
    )
    return "\n".join([_HEAD, _IDENTITY, *identity, *absent, "", _SETTINGS, *settings, ""])


def _of(scope: Scope) -> Iterator[tuple[str, FieldSpec]]:
    return ((name, spec) for name, spec in FIELDS.items() if spec.scope == scope)


def _exists_with(spec: FieldSpec) -> str:
    if spec.not_with is not None:
        field, words = spec.not_with
        choice = field.removesuffix(".name")
        return f" Not with {' or '.join(f'`{choice}={word}`' for word in words)}."
    if spec.only_with is None:
        return ""
    field, words = spec.only_with
    choice = field.removesuffix(".name")
    return f" Only with {' or '.join(f'`{choice}={word}`' for word in words)}."


def _table(columns: list[str], rows: list[list[str]]) -> list[str]:
    cells = [columns, ["---"] * len(columns), *rows]
    return ["| " + " | ".join(row) + " |" for row in cells]


CHOICES = {"data": "cifar10", "model": "softmax_regression", "optimizer": "sgd"}
"""The default choice of each config group."""


def _defaults() -> dict[str, str]:
    """The value of each field in swath's own config files, as YAML writes it."""
    conf = config_folder("conf")
    merged = OmegaConf.merge(
        OmegaConf.load(conf / "base.yaml"),
        OmegaConf.load((conf / "config").with_suffix(".yaml")),
        *({group: OmegaConf.load(conf / group / f"{choice}.yaml")} for group, choice in CHOICES.items()),
    )
    values = {name: OmegaConf.select(merged, name) for name in FIELDS}
    spelled = {None: "null", True: "true", False: "false"}
    return {
        name: f"`{spelled[value] if value is None or isinstance(value, bool) else value}`"
        for name, value in values.items()
    }


if __name__ == "__main__":
    print(document(), end="")
