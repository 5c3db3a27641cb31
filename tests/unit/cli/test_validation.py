"""Messages about invalid commands: the field, the value and what was expected."""

import shlex

import pytest

from hydra_plugins.swath_lanes.sweeper import LanesSweeper
from swath.cli.arguments import read_arguments
from swath.cli.validation import CheckedCommand, check_command
from swath.config import config_groups, parse_overrides, register
from swath.errors import ConfigError

DATA = ", ".join(config_groups()["data"])
BATCH_SIZE = "a whole number of images from 1 to the training images less data.validation_size"
LEARNING_RATE = "a number above 0 that float32 can hold"
LIMITS = 'see "What swath does not do" in docs/limits.md'
SEED = "a whole number from 0 to 9223372036854775807"

ONE_MISTAKE = {
    "max_stepz=10": "max_stepz=10: unknown field max_stepz; did you mean max_steps?",
    "tracking.urI=3": "tracking.urI=3: unknown field tracking.urI; did you mean tracking.uri?",
    "+foo=3": "+foo=3: unknown field foo; to list all fields, run: swath --help",
    "=3": "=3: missing field name; to list all fields, run: swath --help",
    "batch_size=0": f"batch_size=0: expected {BATCH_SIZE}",
    "batch_size=null": f"batch_size=None: expected {BATCH_SIZE}",
    "batch_size=50001": (
        "batch_size=50001: expected at most 50000 images, because cifar10 has 50000 training images"
    ),
    "batch_size=46000 data.validation_size=5000": (
        "batch_size=46000: expected at most 45000 images, because cifar10 has 50000 training images less "
        "data.validation_size=5000"
    ),
    "data.validation_size=50000": (
        "data.validation_size=50000: expected at most 49999 images, because cifar10 has 50000 training images"
    ),
    "learning_rate=nan": f"learning_rate=nan: expected {LEARNING_RATE}",
    "learning_rate=0": f"learning_rate=0: expected {LEARNING_RATE}",
    "learning_rate=1e-60": f"learning_rate=1e-60: expected {LEARNING_RATE}",
    "learning_rate=1e60": f"learning_rate=1e+60: expected {LEARNING_RATE}",
    "learning_rate=fast": f"learning_rate=fast: expected {LEARNING_RATE}",
    "max_steps=1.5": "max_steps=1.5: expected a whole number of steps from 1 up",
    "max_steps=0": "max_steps=0: expected a whole number of steps from 1 up",
    "seed=-1": f"seed=-1: expected {SEED}",
    "seed=9223372036854775808": f"seed=9223372036854775808: expected {SEED}",
    "preprocessing=mean": "preprocessing=mean: expected one of mean_image, none, scale, standardize",
    "device=cpu": "device has been removed; swath computes on the CPU",
    "print_every_steps=0": "print_every_steps=0: expected a whole number of steps from 1 up",
    "log_every_steps=5": "log_every_steps is now print_every_steps",
    "tracking.afterwards=wait": "tracking.afterwards is now tracking.postprocess",
    "tracking.artifacts=x": "tracking.artifacts is now tracking.artifact_location",
    "tracking.models=all": "tracking.models is now tracking.log_models",
    "fuse.max_lanes=3": "fuse.max_lanes is now lanes.max",
    "-m fuse.check=3,4": "fuse.check is now lanes.verify",
    "hydra/launcher=fused": "hydra/launcher=fused is now hydra/launcher=lanes",
    "hydra/sweeper=fused": "hydra/sweeper=fused is now hydra/sweeper=lanes",
    "resume=anyway": "resume=anyway is now resume=yes force_resume=true",
    "resume=perhaps": "resume=perhaps: expected one of no, yes, failed, true, false",
    "force_resume=true": "force_resume=true: expected together with resume=yes or resume=failed",
    "data=cifra10": f"data=cifra10: expected one of {DATA}; did you mean cifar10?",
    "-m data=glob(x*)": f"data=glob(x*): expected one of {DATA}",
    "data={name:digits}": "data={name:digits}: set each field of data separately, for example data.name=...",
    "tracking={uri:x}": (
        "tracking={uri:x}: set each field of tracking separately, for example tracking.uri=..."
    ),
    "~seed": "~seed: fields cannot be deleted; each has a default",
    "+seed=3": "+seed=3: the field exists; remove the leading +",
    "seed": "seed: expected seed=VALUE",
    "data": f"data: expected {' or '.join(f'data={name}' for name in DATA.split(', '))}",
    "batch_size": "batch_size: expected batch_size=VALUE; to train this sweep, run: swath -cn batch_size",
    "-m max_steps=choice()": "max_steps=choice(): choice() without values; type values: -m max_steps=50,100",
    "-m learning_rate=range()": (
        "learning_rate=range(): range() without values; type values: -m learning_rate=1e-7,1e-6"
    ),
    "-m tracking.experiment=sort()": (
        "tracking.experiment=sort(): sort() without values; type values: -m tracking.experiment=A,B"
    ),
    "max_steps=a#b": "max_steps=a#b: expected a whole number of steps from 1 up",
    "dry_run=~": "dry_run=~: expected true or false",
    "resume=a#b": "resume=a#b: expected one of no, yes, failed, true, false",
    "data=~": f"data=~: expected one of {DATA}",
    "data=/home/me/pictures": (
        f"data=/home/me/pictures: expected one of {DATA}; the folder is data.dir=/home/me/pictures"
    ),
    "optimizer=momenta": (
        "optimizer=momenta: expected one of adam, momentum, nesterov, sgd; did you mean momentum?"
    ),
    "momentum=0.9": "momentum=0.9: unknown field momentum; did you mean optimizer.momentum?",
    "optimizer.momentum=0.9": (
        "optimizer.momentum=0.9: only with optimizer=momentum or optimizer=nesterov, found optimizer=sgd"
    ),
    "optimizer=momentum optimizer.momentum=1": (
        "optimizer.momentum=1: expected a number from 0 to below 1 that float32 can hold"
    ),
    "-m optimizer=momentum optimizer.momentum=0.9,null": (
        "optimizer.momentum=null: expected a number from 0 to below 1 that float32 can hold"
    ),
    "l2=-1e-60": "l2=-1e-60: expected a number from 0 up that float32 can hold",
    "schedule_steps=5": (
        "schedule_steps=5: only with schedule=cosine or schedule=step, found schedule=constant"
    ),
    "schedule=cosine warmup_steps=9 max_steps=9": (
        "warmup_steps=9: expected fewer than max_steps=9 with schedule=cosine"
    ),
    "Weight_Decay=1e-4": "Weight_Decay=1e-4: unknown field Weight_Decay; did you mean l2?",
    "dropout=0.5": (
        f"dropout=0.5: a layer of dropout, and other activations, are for a model of your own; {LIMITS}"
    ),
    "gpu=true": f"gpu=true: the CPU only; {LIMITS}",
    "-m max_steps=range(0.1,0.15,0.1)": "max_steps=0.1: expected a whole number of steps from 1 up",
    "batch_size=50,100": "batch_size=50,100: expected one value; to sweep several values, add -m",
    "-m tracking.uri=a,b": ("tracking.uri=a,b: expected one value for the whole sweep"),
    "-m resume=yes,no": "resume=yes,no: expected one value for the whole sweep",
    "-m retries=0,3": "retries=0,3: expected one value for the whole sweep",
    "-m seed=0,1 retries=${seed}": "retries: expected one value for the whole sweep; found 0, 1",
    "-m lanes.max=1,24": ("lanes.max=1,24: expected one value for the whole sweep"),
    "-m dry_run=false,true": ("dry_run=false,true: expected one value for the whole sweep"),
    "-m data=digits,cifar10 tracking.experiment=${data.name}": (
        "tracking.experiment: expected one value for the whole sweep; found cifar10, digits"
    ),
    "-m batch_size=interval(0,9)": f"batch_size=interval(0,9): expected {BATCH_SIZE}",
    "-m batch_size=interval(1,9) data.validation_size=0": (
        "data.validation_size=0: a search ranks trials on validation images; hold some back, such as "
        "data.validation_size=5000"
    ),
    "learning_rate=interval(1e-7,1e-6)": (
        "learning_rate=interval(1e-7,1e-6): expected one value; to search, add -m"
    ),
    "-m batch_size=range(0,3)": f"batch_size=0: expected {BATCH_SIZE}",
    "-m data=digits,cifar10 batch_size=20000": (
        "batch_size=20000: expected at most 1497 images, because digits has 1497 training images"
    ),
    "batch_size=${nope}": "Interpolation key 'nope' not found; full_key: batch_size",
    "batch_size=${seed}": f"batch_size=0: expected {BATCH_SIZE}",
    "-cn learning_rate batch_size=many": f"batch_size=many: expected {BATCH_SIZE}",
    "--config-dir nowhere": "--config-dir nowhere: no such folder",
    "--multirum": "unrecognized arguments: --multirum; for usage, run: swath --help",
}


def check(command: str) -> CheckedCommand:
    arguments = read_arguments(shlex.split(command))
    register(arguments.user_folders)
    return check_command(
        arguments.config_name, list(arguments.overrides), arguments.flags.multirun, arguments.user_folders
    )


@pytest.mark.parametrize(("command", "line"), ONE_MISTAKE.items(), ids=ONE_MISTAKE.keys())
def test_mistake_is_reported_in_one_line(command: str, line: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(command)
    assert caught.value.mistakes == [line]


def test_every_value_of_a_range_is_rounded() -> None:
    with pytest.raises(ConfigError) as caught:
        check("-m max_steps=range(0.1,0.5,0.1)")
    assert [line.partition(":")[0] for line in caught.value.mistakes] == [
        "max_steps=0.1",
        "max_steps=0.2",
        "max_steps=0.3",
        "max_steps=0.4",
    ]


@pytest.mark.parametrize("values", ["range(0.1,0.5,0.1)", "sort(range(0.1,0.5,0.1))"])
def test_jobs_of_a_range_have_rounded_overrides(values: str) -> None:
    overrides = parse_overrides([f"learning_rate={values}", "seed=1,2"])
    (jobs,) = LanesSweeper.split_arguments(overrides, None)
    assert [job[0] for job in jobs[::2]] == [f"learning_rate=0.{digit}" for digit in (1, 2, 3, 4)]
    assert len(jobs) == 8


def test_mistakes_of_a_command_are_reported_together_in_order() -> None:
    with pytest.raises(ConfigError) as caught:
        check("-m batch_size=50,0 learning_rate=-1,1e-6 max_stepz=5 seed=0,1")
    assert [line.split(":")[0] for line in caught.value.mistakes] == [
        "batch_size=0",
        "learning_rate=-1",
        "max_stepz=5",
    ]


def test_same_mistake_in_many_jobs_is_reported_once() -> None:
    with pytest.raises(ConfigError) as caught:
        check("-m batch_size=49000,49001 seed=range(50) data.validation_size=2000")
    assert len(caught.value.mistakes) == 2


def test_number_of_reported_mistakes_is_limited() -> None:
    with pytest.raises(ConfigError) as caught:
        check("-m batch_size=range(60000,60100)")
    assert len(caught.value.mistakes) == 21
    assert caught.value.mistakes[-1] == "... and more mistakes of this kind"


def test_last_job_of_a_sweep_is_checked_too() -> None:
    with pytest.raises(ConfigError, match=r"^batch_size=49999: "):
        check("-m seed=range(0,40) data.validation_size=0,10 batch_size=100,49999")


def test_grid_has_every_combination_in_the_order_of_hydra() -> None:
    checked = check("-m batch_size=50,100 learning_rate=1e-7,1e-6 max_steps=20")
    assert [(config.batch_size, config.learning_rate) for config in checked.configs] == [
        (50, 1e-7),
        (50, 1e-6),
        (100, 1e-7),
        (100, 1e-6),
    ]
    assert checked.swept == ("batch_size", "learning_rate")


def test_override_replaces_values_of_a_named_sweep() -> None:
    checked = check("-cn quickstart max_steps=20,30,40 seed=1")
    assert len(checked.configs) == 18
    assert {config.seed for config in checked.configs} == {1}
