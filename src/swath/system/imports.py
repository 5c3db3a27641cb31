"""Imports a library without parts of it that it can do without."""

import contextlib
import importlib
import importlib.abc
import importlib.machinery
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any


@contextlib.contextmanager
def leaving_out(*names: str) -> Iterator[None]:
    """Let the import of some modules fail for the time of the block, and work as ever afterwards.

    Args:
      *names: modules whose absence is expected by what imports them. Those that are loaded already stay.
    """
    left_out = [name for name in names if name not in sys.modules]
    for name in left_out:
        sys.modules[name] = None  # type: ignore[assignment]  # its import raises an ImportError
    try:
        yield
    finally:
        for name in left_out:
            del sys.modules[name]


@contextlib.contextmanager
def loading_later(package: str, before: Mapping[str, Callable[[], None]] | None = None) -> Iterator[None]:
    """Load the modules in a package, which are imported in the block, when something of them is first used.

    Modules further down are imported as ever.

    Args:
      package: full name of the package; its modules must be found in files.
      before: what to do before some of the modules are loaded, by their last name.
    """
    finder = _LaterFinder(package, before or {})
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _LaterFinder(importlib.abc.MetaPathFinder):
    def __init__(self, package: str, before: Mapping[str, Callable[[], None]]) -> None:
        self._package = package
        self._before = before

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, name = fullname.rpartition(".")
        if package != self._package:
            return None
        spec = importlib.machinery.PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _LaterLoader(spec.loader, self._before.get(name))
        return spec


class _LaterLoader(importlib.abc.Loader):
    def __init__(self, loader: Any, before: Callable[[], None] | None) -> None:
        self._loader = loader
        self._before = before

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _LaterModule(spec.name)

    def exec_module(self, module: ModuleType) -> None:
        vars(module)[_LOADING] = _Loading(self._loader, self._before)


_LOADING = "_swath_loading"


class _Loading:
    """How a module is loaded, by the first thread that uses it; others wait.

    The lazy loader of the standard library has no such lock before Python 3.11.9 and 3.12.3.
    """

    def __init__(self, loader: Any, before: Callable[[], None] | None) -> None:
        self._loader = loader
        self._before = before
        self._lock = threading.RLock()
        self._has_begun = False

    def load(self, module: ModuleType) -> None:
        with self._lock:
            if self._has_begun:  # by another thread, which is done; or by this one, which is within
                return
            self._has_begun = True
            spec = module.__spec__
            assert spec is not None
            spec.loader = module.__loader__ = self._loader
            try:
                if self._before is not None:
                    self._before()
                self._loader.exec_module(module)
            except BaseException:
                self._has_begun = False
                raise
            module.__class__ = ModuleType
            vars(module).pop(_LOADING, None)  # threads that wait have found it already


class _LaterModule(ModuleType):
    """A module that is not loaded; Python calls `__getattr__` for what it does not have."""

    def __getattr__(self, name: str) -> Any:
        self._load()
        return ModuleType.__getattribute__(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        # Else the module's own code would set it again; a child is set by Python when it is imported.
        is_child = isinstance(value, ModuleType) and value.__name__ == f"{self.__name__}.{name}"
        if not name.startswith("__") and not is_child:
            self._load()
        ModuleType.__setattr__(self, name, value)

    def __dir__(self) -> list[str]:
        self._load()
        return sorted(vars(self))

    def __reduce__(self) -> tuple[Any, ...]:
        return importlib.import_module, (self.__name__,)

    def _load(self) -> None:
        loading = vars(self).get(_LOADING)
        if loading is not None:  # it is None while the import sets the module's own attributes
            loading.load(self)
