"""Models of packages: how they are found, their fields, and the line about one that cannot be used."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.own_models import added, declaration, make_tanh, write_package

from swath.config import (
    FIELDS,
    Choice,
    ModelConfig,
    Range,
    SizeList,
    TrainConfig,
    add_declared,
    complete_overrides,
    computed_values,
    fingerprint,
    model_field,
    read_stored_config,
    stored_config,
)
from swath.config.additions import MODELS as MODEL_KIND
from swath.config.additions import remove
from swath.errors import ConfigError
from swath.models import MODELS, OwnModel

LOOK = """
import json, sys
from swath.config import FIELDS
from swath.models import BROKEN, MODELS
own = {name: spec.package for name, spec in MODELS.items() if spec.own}
model = [name for name in FIELDS if name.startswith("model.") and FIELDS[name].only_with]
fields = {name: FIELDS[name].only_with[1] for name in model}
print(json.dumps([own, BROKEN, fields, "tensorflow" in sys.modules]))
"""


def look(folder: Path, at: Path | None = None) -> tuple[Any, ...]:
    """Models, those that are broken, models by field, and whether TensorFlow is loaded, in a new process."""
    environment = {"PYTHONPATH": str(folder), "PATH": "", "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOOK],
        env=environment,
        cwd=at or folder.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    return tuple(json.loads(done.stdout))


def test_model_of_a_package_is_found_without_loading_tensorflow(tmp_path: Path) -> None:
    write_package(tmp_path, "wide", declaration("wide"))
    assert look(tmp_path) == (
        {"wide": "wide 1.0"},
        {},
        {"model.hidden_units": ["mlp"], "model.units": ["wide"]},
        False,
    )


def test_working_folder_is_not_searched(tmp_path: Path) -> None:
    write_package(tmp_path / "here", "wide", declaration("wide"))
    (tmp_path / "there").mkdir()
    own, broken, *_ = look(tmp_path / "there", at=tmp_path / "here")
    assert (own, broken) == ({}, {})


def test_two_packages_may_share_a_field_that_they_declare_the_same(tmp_path: Path) -> None:
    write_package(tmp_path, "first", declaration("first"))
    write_package(tmp_path, "second", declaration("second", default=9))
    _, broken, fields, _ = look(tmp_path)
    assert (broken, fields["model.units"]) == ({}, ["first", "second"])


def test_packages_that_cannot_be_used_are_named_and_the_others_work(tmp_path: Path) -> None:
    write_package(tmp_path, "first", declaration("first"))
    write_package(tmp_path, "second", declaration("second", least=2))
    write_package(tmp_path, "broken", "import no_such_module")
    write_package(tmp_path, "number", "MODEL = 3")
    write_package(tmp_path, "other", declaration("another_name"))
    write_package(tmp_path, "mlp", declaration("mlp"))
    write_package(tmp_path, "loads", "import sys\nsys.modules['tensorflow'] = sys\nMODEL = 3")
    write_package(tmp_path, "exits", "raise SystemExit(3)")
    own, broken, _, _ = look(tmp_path)
    assert own == {"first": "first 1.0"}
    assert broken == {
        "broken": "broken 1.0: broken:MODEL cannot be imported (ModuleNotFoundError: No module named "
        "'no_such_module')",
        "exits": "exits 1.0: exits:MODEL cannot be imported (SystemExit: 3)",
        "loads": "loads 1.0: importing loads imports TensorFlow; import it inside functions",
        "mlp": "mlp 1.0: swath has a model of this name",
        "number": "number 1.0: entry point number is an int, expected a swath.models.OwnModel",
        "other": "other 1.0: entry point other declares a model of another name: another_name",
        "second": "second 1.0: field units is declared in another way by model first; rename it, or "
        "declare it the same",
    }


def test_package_that_loads_tensorflow_leaves_xla_off(tmp_path: Path) -> None:
    code = "import sys, os\nsys.modules['tensorflow'] = sys\nassert 'TF_XLA_FLAGS' not in os.environ\n"
    write_package(tmp_path, "loads", f"{code}MODEL = 3")
    look_at = "from swath.models import BROKEN; import swath.config; swath.config.FIELDS; print(BROKEN)"
    done = subprocess.run(
        [sys.executable, "-P", "-c", look_at],
        env={
            "PYTHONPATH": str(tmp_path),
            "PATH": "",
            "HOME": str(tmp_path),
            "TF_XLA_FLAGS": "--tf_xla_auto_jit=2",
        },
        cwd=tmp_path.parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "importing loads imports TensorFlow" in done.stdout


def test_a_name_that_two_packages_declare_is_neither(tmp_path: Path) -> None:
    write_package(tmp_path, "first", declaration("wide"), "wide = first:MODEL")
    write_package(tmp_path, "second", declaration("wide"), "wide = second:MODEL")
    own, broken, fields, _ = look(tmp_path)
    assert own == {}
    assert broken == {"wide": "first 1.0 and second 1.0 both declare it; uninstall one of them"}
    assert "model.units" not in fields


UNITS = model_field(5, Range(1), "Units.", unit="units")


def config(model: ModelConfig) -> TrainConfig:
    from support.small import run_config

    return run_config(model=model)


def test_field_is_checked_fingerprinted_and_stored() -> None:
    fields = {"units": UNITS, "pooling": model_field("max", Choice(("max", "mean")), "Pooling.")}
    with added(OwnModel("mine", make_tanh, fields)):
        one = config(ModelConfig("mine", own=(("units", 5), ("pooling", "max"))))
        other = config(ModelConfig("mine", own=(("units", 6), ("pooling", "max"))))
        assert computed_values(one)["model.units"] == 5
        assert fingerprint(one) != fingerprint(other)
        assert one != other
        assert read_stored_config(stored_config(one), "here") == one
        assert "model.units=5" in complete_overrides(one)
        with pytest.raises(
            ConfigError, match=r"^model\.units=0: expected a whole number of units from 1 up$"
        ):
            config(ModelConfig("mine", own=(("units", 0), ("pooling", "max"))))
        with pytest.raises(ConfigError, match=r"^model\.units=null: expected a whole number of units"):
            config(ModelConfig("mine", own=(("pooling", "max"),)))
        with pytest.raises(ConfigError, match=r"^model\.units=5: only with model=mine, found model=mlp$"):
            config(ModelConfig("mlp", (3,), own=(("units", 5),)))
    assert "model.units" not in FIELDS
    assert "mine" not in MODELS


def test_fingerprints_of_other_models_do_not_depend_on_what_is_installed() -> None:
    before = fingerprint(config(ModelConfig("mlp", (3,))))
    with added(OwnModel("mine", make_tanh, {"units": UNITS})):
        assert fingerprint(config(ModelConfig("mlp", (3,)))) == before


def test_field_of_swath_may_be_shared() -> None:
    ours = FIELDS["model.hidden_units"]
    shared = model_field([3], ours.constraint, ours.help, unit=ours.unit)
    with added(OwnModel("mine", make_tanh, {"hidden_units": shared})):
        assert FIELDS["model.hidden_units"].only_with == ("model.name", ("mlp", "mine"))
        config(ModelConfig("mine", (3,)))
    assert FIELDS["model.hidden_units"] == ours


@pytest.mark.parametrize(
    ("own", "line"),
    [
        (OwnModel("mlp", make_tanh), "model mlp: the name is taken by a model of swath; choose another name"),
        (OwnModel("mine", make_tanh, {"units": 3}), "model mine: field units is an int, expected one of"),
        (OwnModel("mine", make_tanh, {"name": UNITS}), "model mine: field name is taken; rename it"),
        (OwnModel("mine", make_tanh, {"lambda": UNITS}), "model mine: field lambda has a name that Python"),
        (
            OwnModel("mine", make_tanh, {"own": UNITS}),
            "model mine: field own has a name that Python or swath",
        ),
        (OwnModel("mine", make_tanh, {"group": UNITS}), "model mine: field group has a name that Python or"),
        (
            OwnModel("mine", make_tanh, {"hidden_units": UNITS}),
            "model mine: field hidden_units is declared in another way by swath; rename it",
        ),
    ],
)
def test_declaration_that_cannot_be_added_is_one_line(own: OwnModel, line: str) -> None:
    with pytest.raises(ConfigError, match=f"^{line}"):
        add_declared(own)
    assert "mine" not in MODELS


@pytest.mark.parametrize("name", ["", "My model", "a-b", "3d", None])
def test_name_that_cannot_be_typed_is_refused(name: Any) -> None:
    with pytest.raises(ValueError, match="expected a name of lower-case letters, digits and _"):
        OwnModel(name, make_tanh)


def test_default_must_be_allowed() -> None:
    with pytest.raises(ValueError, match="default 0: expected a whole number of units from 1 up"):
        model_field(0, Range(1), "Units.", unit="units")
    with pytest.raises(TypeError, match="expected an int, float, str, bool or list"):
        model_field(None, Range(1), "Units.")
    assert model_field([3, 4], SizeList(9, 3), "Sizes.").default == (3, 4)


def test_stored_run_of_a_model_that_is_not_there_is_one_line() -> None:
    with added(OwnModel("mine", make_tanh, {"units": UNITS})):
        text = stored_config(config(ModelConfig("mine", own=(("units", 5),))))
    with pytest.raises(ConfigError) as caught:
        read_stored_config(text, "config.yaml")
    assert caught.value.mistakes == [
        "config.yaml: model mine is not installed; install its package, or make it one: "
        "docs/how-to/own-model.md"
    ]


def test_fields_that_two_models_of_a_program_share_may_change_in_one_call() -> None:
    def both(least: int) -> list[OwnModel]:
        units = model_field(5, Range(least), "Units.", unit="units")
        return [OwnModel(name, make_tanh, {"units": units}) for name in ("mine", "other")]

    try:
        add_declared(*both(1))
        add_declared(*both(2))
        assert FIELDS["model.units"].constraint == Range(2)
        with pytest.raises(ConfigError, match=r"^model mlp: the name is taken by a model of swath"):
            add_declared(*both(3), OwnModel("mlp", make_tanh))
        assert FIELDS["model.units"].constraint == Range(2)
        assert FIELDS["model.units"].only_with == ("model.name", ("mine", "other"))
    finally:
        for name in ("mine", "other"):
            remove(MODEL_KIND, name)
    assert "model.units" not in FIELDS
