"""Mistakes in config files: file, line, what was found and what to write."""

from pathlib import Path

import pytest

from swath.cli.arguments import read_arguments
from swath.cli.validation import CheckedCommand, check_command
from swath.config import config_groups, register
from swath.errors import ConfigError

DATA = ", ".join(config_groups()["data"])
LIMITS = 'see "What swath does not do" in docs/limits.md'
FIRST = "defaults: [config, _self_]\n"
PARAMS = f"{FIRST}hydra:\n  mode: MULTIRUN\n  sweeper:\n    params:\n"
NO_DEFAULTS = "line 1: no defaults; write as the first line below comments: defaults: [config, _self_]"


def check(folder: Path, *typed: str, name: str = "mine") -> CheckedCommand:
    arguments = read_arguments(["--config-dir", str(folder), "-cn", name, *typed])
    register(arguments.user_folders)
    try:
        return check_command(
            name, list(arguments.overrides), arguments.flags.multirun, arguments.user_folders
        )
    finally:
        register(())


def mistakes(folder: Path, text: str, *typed: str, file: str = "mine") -> list[str]:
    """The lines about a config file, without its path."""
    path = folder / f"{file}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        check(folder, *typed)
    assert all(line.startswith(str(path)) for line in caught.value.mistakes), caught.value.mistakes
    return [line.removeprefix(str(path)).lstrip(",: ") for line in caught.value.mistakes]


SYNTAX = {
    f"{FIRST}max_steps: [5\nseed: 3\n": (
        "line 3: no YAML: expected ',' or ']', but got ':', in a flow sequence that "
        "begins in line 2; close the bracket"
    ),
    f"{FIRST}max_steps: 5: 6\n": (
        "line 2: no YAML: mapping values are not allowed here; a value with a colon needs quotes"
    ),
    f"{FIRST}\tseed: 3\n": (
        "line 2: no YAML: found character '\\t' that cannot start any token; indent with blanks"
    ),
    f"{FIRST}max_steps: 5\nseed: 3\nmax_steps: 6\n": (
        "line 4: max_steps is there already, in line 2; keep one of them"
    ),
    f"{FIRST}tracking:\n  every_steps: 5\n  every_steps: 6\n": (
        "line 4: tracking.every_steps is there already, in line 3; keep one of them"
    ),
    "- a\n- b\n": "line 1: expected lines FIELD: VALUE",
    "# Which?\nhello\n": "line 2: expected lines FIELD: VALUE",
    f"{FIRST}seed: !!python/name:os.system\n": (
        "line 2: no YAML: could not determine a constructor for the tag "
        "'tag:yaml.org,2002:python/name:os.system'"
    ),
}


@pytest.mark.parametrize(("text", "line"), SYNTAX.items())
@pytest.mark.parametrize("typed", [(), ("max_steps=3",), ("-m", "seed=1,2")])
def test_file_that_is_no_config(text: str, line: str, typed: tuple[str, ...], tmp_path: Path) -> None:
    assert mistakes(tmp_path, text, *typed) == [line]


def test_file_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_bytes(f"{FIRST}# größe\n".encode("latin-1"))
    with pytest.raises(ConfigError) as caught:
        check(tmp_path)
    assert caught.value.mistakes == [f"{tmp_path / 'mine.yaml'}: expected YAML in UTF-8"]


DEFAULTS = {
    "max_steps: 5\n": [NO_DEFAULTS],
    "": [NO_DEFAULTS],
    "# Which?\n": [NO_DEFAULTS],
    "max_step: 30\n": [NO_DEFAULTS, "line 1: unknown field max_step; did you mean max_steps?"],
    "defaults: config\n": ["line 1: defaults: expected a list; write: defaults: [config, _self_]"],
    "defaults: [_self_]\n": ["line 1: defaults without config; write: defaults: [config, _self_]"],
    "seed: 3\ndefaults: [data: digits]\n": [
        "line 2: defaults without config; write: defaults: [config, _self_]"
    ],
    "defaults: [nosuch]\n": ["line 1: defaults: nosuch: no such config; expected config or another one"],
    "defaults:\n  - confg\n  - _self_\n": [
        "line 2: defaults: confg: no such config; expected config or another one; did you mean config?"
    ],
    "defaults: [config, data: digit, _self_]\n": [
        f"line 1: data=digit: expected one of {DATA}; did you mean digits?"
    ],
    "defaults:\n  - config\n  - data: digits\n  - _self_\n": [
        "line 3: data is chosen already; write: override data: digits"
    ],
    "defaults: [config, _self_, override data: digit]\n": [
        f"line 1: data=digit: expected one of {DATA}; did you mean digits?"
    ],
    "defaults: [config, _self_, override dat: digits]\n": [
        "line 1: dat: expected a config group: data, executor, model, optimizer; did you mean data?"
    ],
    "defaults: [config, _self_, override hydra/launcher: fused]\n": [
        "line 1: hydra/launcher=fused is now hydra/launcher=lanes"
    ],
}


@pytest.mark.parametrize(("text", "lines"), DEFAULTS.items())
@pytest.mark.parametrize("typed", [(), ("dry_run=true",), ("data=digits",)])
def test_mistake_in_the_defaults(text: str, lines: list[str], typed: tuple[str, ...], tmp_path: Path) -> None:
    assert mistakes(tmp_path, text, *typed) == lines


FIELDS = {
    "max_steps: abc": "max_steps=abc: expected a whole number of steps from 1 up",
    "max_steps: 0": "max_steps=0: expected a whole number of steps from 1 up",
    "max_steps: 1e3": (
        "max_steps=1000.0: expected a whole number of steps from 1 up; did you mean max_steps: 1000?"
    ),
    "max_steps: {a: 3}": "max_steps: expected a whole number of steps from 1 up",
    "learning_rate: [1e-6,1e-5]": (
        "learning_rate: a list; sweep it below hydra.sweeper.params: learning_rate: 1e-06,1e-05"
    ),
    "data: {validation_size: x}": (
        "data.validation_size=x: expected a whole number of images from 0 to the training images less 1"
    ),
    "data: digits": "data=digits is chosen in defaults; write there: override data: digits",
    "tracking: x": "tracking: expected lines below it, such as uri: ...",
    "tracking.every_steps: 3": (
        "tracking.every_steps is written in two lines: tracking: and, indented, every_steps: 3"
    ),
    "momentum: 0.9": "unknown field momentum; did you mean optimizer.momentum?",
    "activation: tanh": f"a layer of dropout, and other activations, are for a model of your own; {LIMITS}",
    "learning_rat: 1e-6": "unknown field learning_rat; did you mean learning_rate?",
    "zzz: 3": "unknown field zzz; to list all fields, run: swath --help",
    "fuse: {max_lanes: 3}": "fuse is now lanes",
    "tracking: {models: all}": "tracking.models is now tracking.log_models",
    "device: cpu": "device has been removed; swath computes on the CPU",
    "resume: anyway": "resume=anyway is now resume=yes force_resume=true",
    "hydra: {nosuch: 3}": "no setting of Hydra: hydra.nosuch; to see them, run: swath --cfg hydra",
    "hydra: {job: {num: x}}": "hydra.job.num: Value 'x' of type 'str' could not be converted to Integer",
}


@pytest.mark.parametrize(("text", "line"), FIELDS.items())
def test_mistake_in_a_field(text: str, line: str, tmp_path: Path) -> None:
    assert mistakes(tmp_path, f"{FIRST}{text}\n") == [f"line 2: {line}"]
    below = f"# Which?\n\n{FIRST}\nseed: 3\n{text}\n"
    assert mistakes(tmp_path, below, "batch_size=7") == [f"line 6: {line}"]


def test_mistakes_of_a_file_and_of_a_command_are_reported_together(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(f"{FIRST}max_step: 3\nseed: -1\n")
    with pytest.raises(ConfigError) as caught:
        check(tmp_path, "batchsize=7")
    assert [line.rpartition(": ")[2] for line in caught.value.mistakes] == [
        "unknown field max_step; did you mean max_steps?",
        "expected a whole number from 0 to 9223372036854775807",
        "unknown field batchsize; did you mean batch_size?",
    ]


ENTRIES = {
    "max_step: 5,6": "max_step=5,6: unknown field max_step; did you mean max_steps?",
    "seed: 1,x": "seed=x: expected a whole number from 0 to 9223372036854775807",
    "seed: [1,2]": "seed: a list; sweep it below hydra.sweeper.params: seed: 1,2",
    "batch_size: interval(2,1)": ("batch_size=interval(2,1): the ends are reversed; expected interval(1,2)"),
    "seed: choice()": "seed=choice(): choice() without values; type values: -m seed=50,100",
    "seed: range(3,1)": "seed=range(3,1): no values",
    "retries: 0,3": "retries=0,3: expected one value for the whole sweep",
    "momentum: 0.9,0.99": "momentum=0.9,0.99: unknown field momentum; did you mean optimizer.momentum?",
}


@pytest.mark.parametrize(("entry", "line"), ENTRIES.items())
def test_mistake_in_what_is_swept(entry: str, line: str, tmp_path: Path) -> None:
    assert mistakes(tmp_path, f"{PARAMS}      max_steps: 5,6\n      {entry}\n") == [f"line 7: {line}"]


def test_every_mistake_in_what_is_swept_has_a_line(tmp_path: Path) -> None:
    distinct = {entry.partition(":")[0]: entry for entry in ENTRIES}
    text = PARAMS + "".join(f"      {entry}\n" for entry in distinct.values())
    found = mistakes(tmp_path, text)
    assert [line.partition(": ")[2] for line in found] == [ENTRIES[entry] for entry in distinct.values()]


@pytest.mark.parametrize("typed", [(), ("dry_run=true",), ("seed=3",)])
def test_sweep_file_without_a_mode(typed: tuple[str, ...], tmp_path: Path) -> None:
    text = PARAMS.replace("  mode: MULTIRUN\n", "") + "      max_steps: 5,6\n"
    assert mistakes(tmp_path, text, *typed) == [
        "line 4: hydra.sweeper.params without hydra.mode; write mode: MULTIRUN below hydra:, or add -m"
    ]
    assert len(check(tmp_path, "-m").configs) == 2
    assert len(check(tmp_path, "hydra.mode=RUN").configs) == 1


def test_mistake_in_a_file_that_is_included(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("defaults: [other, _self_]\n")
    assert mistakes(tmp_path, f"{PARAMS}      max_step: 5,6\n", file="other") == [
        "line 6: max_step=5,6: unknown field max_step; did you mean max_steps?"
    ]
    assert mistakes(tmp_path, f"{FIRST}max_steps: abc\n", file="other") == [
        "line 2: max_steps=abc: expected a whole number of steps from 1 up"
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (
            "name: digits\nvalidation_siz: 3\n",
            "unknown field data.validation_siz; did you mean data.validation_size?",
        ),
        (
            "name: digits\nvalidation_size: x\n",
            "data.validation_size: expected a whole number of images from 0 to the training images less 1",
        ),
        (
            "name: digits\nname: cifar10\n",
            "no YAML: found duplicate key name, in a mapping that begins in line 1",
        ),
    ],
)
def test_mistake_in_a_file_of_a_config_group(text: str, line: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(FIRST)
    assert mistakes(tmp_path, text, "data=mine", file="data/mine") == [f"line 2: {line}"]


ACCEPTED = [
    "defaults: [quickstart, _self_]\nmax_steps: 5\n",
    "defaults: [base, data: digits, _self_]\n"
    + (Path(__file__).parents[3] / "conf" / "config.yaml")
    .read_text(encoding="utf-8")
    .partition("_self_\n")[2],
    "defaults: [config, _self_, override hydra/launcher: basic, override /data: digits]\n",
    f"{FIRST}max_steps: ${{batch_size}}\n",
    f"{FIRST}resume: yes\n",
    f"{FIRST}data: {{dir: null}}\nhydra: {{job: {{name: mine}}}}\n",
    f"{FIRST}hydra:\n  sweeper: {{params: {{}}}}\n",
]


@pytest.mark.parametrize("text", ACCEPTED)
def test_file_without_mistakes(text: str, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    assert check(tmp_path).configs
