"""The plan of a search follows from its record alone, whatever config and folder the command had."""

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from support.own_models import added, make_tanh

from swath.cli.validation import check_command
from swath.config import Range, config_groups, hydra_ready, model_field, register
from swath.errors import ConfigError
from swath.models import OwnModel
from swath.searching import Course, SearchOutcome, SearchPlan, plan_of_record
from swath.sweeps import SearchRecord

RATE = "learning_rate=tag(log,interval(1e-8,1e-2))"
HELD_BACK = "data.validation_size=5000"
TANH = OwnModel("tanh", make_tanh, {"units": model_field(4, Range(1), "Units.", unit="units")})

OWN_FILE = """
defaults:
  - config
  - override data: digits
  - override optimizer: nesterov
  - _self_
optimizer:
  momentum: 0.85
batch_size: 33
data:
  validation_size: 300
hydra:
  mode: MULTIRUN
  sweeper:
    params:
      learning_rate: tag(log,interval(1e-8,1e-2))
      optimizer: momentum,nesterov
search:
  trials: 9
"""


def plan_of_command(name: str, *texts: str, folders: tuple[Path, ...] = ()) -> SearchPlan:
    register(folders)
    few = () if any(text.startswith("search.trials") for text in texts) else ("search.trials=8",)
    plan = check_command(name, [*texts, *few], name == "config", folders).search
    assert plan is not None
    return plan


def first_round(plan: SearchPlan) -> list[object]:
    with hydra_ready():
        states = Course(plan, SearchOutcome()).begin_round()
    return [(each.proposal.point, each.proposal.config) for each in states]


def of_record(plan: SearchPlan) -> SearchPlan:
    """The plan of the record as a store gives it back, with Hydra as another command has it."""
    register()
    record = SearchRecord.of(json.loads(json.dumps(plan.record.values())))
    with hydra_ready():
        return plan_of_record(record, config_groups())


@pytest.mark.parametrize(
    ("name", "texts"),
    [
        ("search", []),
        ("search", ["search.trials=30", "search.round=8", "search.factor=3", "search.first_steps=70"]),
        ("search", ["max_steps=700,300", "search.halving=false", "search.objective=validation/loss"]),
        ("grid_halved", []),
        ("minute", []),
        ("preprocessing", []),
        ("mlp_search", ["search.sampler=random"]),
        ("config", [RATE, HELD_BACK, "optimizer=sgd,momentum,nesterov,adam"]),
        ("config", [RATE, HELD_BACK, "model=softmax_regression,mlp", "optimizer=momentum"]),
        ("config", [RATE, HELD_BACK, "model=mlp", "model.hidden_units=[64,32],[128]", "init_seed=null,3"]),
        ("config", [RATE, HELD_BACK, "model=mlp", "model.hidden_units=64,[128]"]),
        ("config", [RATE, HELD_BACK, "schedule=cosine", "schedule_steps=null,2000", "warmup_steps=10"]),
        ("config", [RATE, HELD_BACK, "schedule=constant,cosine,step", "max_steps=interval(10,900)"]),
        ("config", [RATE, "data=digits,mnist", "data.validation_size=300", "l2=0,1e-4"]),
        (
            "config",
            [
                RATE,
                HELD_BACK,
                "model=softmax_regression,mlp",
                "search.when=['model=mlp: optimizer=sgd,momentum']",
            ],
        ),
        (
            "config",
            [
                RATE,
                HELD_BACK,
                "optimizer=sgd,momentum",
                "search.when=['optimizer=momentum: optimizer.momentum=interval(0.5,0.9)']",
            ],
        ),
    ],
)
def test_record_decides_the_same_search(name: str, texts: list[str]) -> None:
    plan = plan_of_command(name, *texts)
    again = of_record(plan)
    assert again.record == plan.record
    assert first_round(again) == first_round(plan)


def test_record_of_a_config_of_the_user_needs_neither_the_file_nor_its_folder(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "mine.yaml").write_text(OWN_FILE, encoding="utf-8")
    plan = plan_of_command("mine", folders=(tmp_path / "configs",))
    expected = first_round(plan)
    (tmp_path / "configs" / "mine.yaml").unlink()
    (tmp_path / "elsewhere").mkdir()
    with contextlib.chdir(tmp_path / "elsewhere"):
        again = of_record(plan)
        assert list(Path.cwd().iterdir()) == []
    assert again.record == plan.record
    assert first_round(again) == expected
    assert {config.optimizer.momentum for _, config in expected} == {0.85}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "texts",
    [["model=tanh", "model.units=interval(3,9)"], ["model=tanh,mlp"], ["model=tanh", "model.units=3"]],
)
def test_record_of_a_model_with_fields_of_its_own(texts: list[str]) -> None:
    with added(TANH):
        plan = plan_of_command("config", RATE, HELD_BACK, *texts, "search.trials=6")
        again = of_record(plan)
        assert again.record == plan.record
        assert first_round(again) == first_round(plan)


def test_record_of_a_model_that_is_not_installed_says_so() -> None:
    with added(TANH):
        plan = plan_of_command("config", RATE, HELD_BACK, "model=tanh", "search.trials=6")
    with pytest.raises(ConfigError, match="tanh"):
        of_record(plan)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("factor", 0),
        ("seed", -1),
        ("sampler", "cmaes"),
        ("rungs", []),
        ("rounds", [0]),
        ("trials", "many"),
        ("columns", "many"),
        ("columns", -1),
        ("columns", True),
    ],
)
def test_value_that_is_none_of_a_search_is_named(name: str, value: object) -> None:
    register()
    record = replace(plan_of_command("search").record, **{name: value})
    with hydra_ready(), pytest.raises(ConfigError, match=name):
        plan_of_record(record, config_groups())


def test_rounds_hold_few_enough_weights() -> None:
    """A search of very many trials proposes 480 at once at most; a grid is halved as a whole."""
    space = (RATE, "seed=interval(0,1000000)", "data=digits")
    assert plan_of_command("config", *space, "search.trials=1000").rounds == (480, 480, 40)
    assert plan_of_command("config", *space, "search.trials=60", "search.sampler=tpe").rounds == (
        24,
        24,
        12,
    )
    grid = plan_of_command("grid_halved", "seed=range(0,30)", "search.trials=600")
    assert grid.rounds == (600,)
