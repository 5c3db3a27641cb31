"""Modules that are left out of an import fail to load, and load as ever afterwards."""

import importlib
import sys
from pathlib import Path

import pytest

from swath.system import leaving_out


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "whole_of_a_test").mkdir()
    (tmp_path / "whole_of_a_test" / "__init__.py").write_text("")
    (tmp_path / "whole_of_a_test" / "part.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    return "whole_of_a_test"


def test_part_is_missing_within_the_block_only(package: str) -> None:
    name = f"{package}.part"
    with leaving_out(name), pytest.raises(ImportError):
        importlib.import_module(name)
    assert name not in sys.modules
    assert importlib.import_module(name).x == 1


def test_what_is_loaded_stays_and_errors_end_the_block(package: str) -> None:
    loaded = importlib.import_module(package)
    with pytest.raises(ZeroDivisionError), leaving_out(package, f"{package}.other"):
        assert importlib.import_module(package) is loaded
        raise ZeroDivisionError
    assert sys.modules[package] is loaded
    assert f"{package}.other" not in sys.modules
