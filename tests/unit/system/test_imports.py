"""Modules that are left out of an import fail to load, and load as ever afterwards."""

import importlib
import pickle
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType

import pytest

from swath.system import leaving_out, loading_later, object_digest


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "whole_of_a_test").mkdir()
    (tmp_path / "whole_of_a_test" / "__init__.py").write_text("")
    (tmp_path / "whole_of_a_test" / "part.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield "whole_of_a_test"
    for name in [name for name in sys.modules if name.startswith("whole_of_a_test")]:
        del sys.modules[name]


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


def write_module(package: str, name: str, text: str) -> None:
    folder = importlib.import_module(package).__file__
    assert folder is not None
    Path(folder).with_name(f"{name}.py").write_text(text)
    importlib.invalidate_caches()


def test_module_is_loaded_when_it_is_used(package: str) -> None:
    write_module(package, "later", "import whole_of_a_test.part\nx = whole_of_a_test.part.x + 1\n")
    with loading_later(package):
        later = importlib.import_module(f"{package}.later")
    assert later.__name__ == f"{package}.later" and later.__file__ is not None
    assert f"{package}.part" not in sys.modules
    assert later.x == 2
    assert f"{package}.part" in sys.modules
    assert type(later) is ModuleType
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = later.no_such_name


def test_first_use_may_be_a_list_of_names_or_an_import_of_one(package: str) -> None:
    write_module(package, "listed", "x = 1\n")
    write_module(package, "taken", "def __getattr__(name): return name\n")
    with loading_later(package):
        listed = importlib.import_module(f"{package}.listed")
        exec(f"from {package} import taken", names := {})  # type: ignore[var-annotated]
    assert "x" in dir(listed)
    assert names["taken"].anything == "anything"


def test_modules_further_down_and_outside_the_package_are_loaded_at_once(package: str) -> None:
    whole = importlib.import_module(package)
    assert whole.__file__ is not None
    inner = Path(whole.__file__).with_name("inner")
    inner.mkdir()
    (inner / "__init__.py").write_text("x = 1\n")
    (inner / "deep.py").write_text("x = 2\n")
    write_module(package, "other", "x = 3\n")
    with loading_later(package):
        deep = importlib.import_module(f"{package}.inner.deep")
    assert "x" not in vars(sys.modules[f"{package}.inner"])
    assert "x" in vars(deep)
    with loading_later(f"{package}.inner"):
        assert "x" in vars(importlib.import_module(f"{package}.other"))


def test_module_that_is_not_loaded_is_pickled_and_digested_as_one_that_is(package: str) -> None:
    write_module(package, "later", "x = 1\n")
    with loading_later(package):
        later = importlib.import_module(f"{package}.later")
    before = object_digest({"a": later})
    assert pickle.loads(pickle.dumps(later)) is later
    assert "x" not in vars(later)
    assert later.x == 1
    assert object_digest({"a": later}) == before


def test_attribute_that_is_set_before_a_module_is_loaded_stays(package: str) -> None:
    write_module(package, "later", "x = 1\ny = 2\n")
    with loading_later(package):
        later = importlib.import_module(f"{package}.later")
    later.x = 3  # type: ignore[attr-defined]
    assert (later.x, later.y) == (3, 2)
    assert set(vars(later)) == set(vars(importlib.import_module(f"{package}.part"))) | {"y"}


def test_error_of_a_module_appears_at_each_use(package: str) -> None:
    write_module(package, "wrong", "1 / 0\n")
    with loading_later(package):
        wrong = importlib.import_module(f"{package}.wrong")
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            _ = wrong.x


def test_threads_that_use_a_module_at_the_same_moment_wait_until_it_is_loaded(package: str) -> None:
    write_module(package, "slow", "import time\ntime.sleep(0.3)\nx = 1\n")
    with loading_later(package):
        slow = importlib.import_module(f"{package}.slow")
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: slow.x, range(4))) == [1] * 4


def test_something_is_done_before_a_module_is_loaded(package: str) -> None:
    write_module(package, "second", "import whole_of_a_test\nfirst = list(whole_of_a_test.done)\n")
    whole = importlib.import_module(package)
    whole.done = []  # type: ignore[attr-defined]
    with loading_later(package, {"second": lambda: whole.done.append(1)}):
        second = importlib.import_module(f"{package}.second")
    assert whole.done == []
    assert (second.first, second.first, whole.done) == ([1], [1], [1])
