"""Checks of Hydra's logging configs: levels, classes and files, without writing a log."""

import logging
import logging.config
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from swath.cli.hydra_folders import LONGEST_NAME

_NOT_YET = "target not configured yet"
"""How `logging.config` says that a handler refers to a later one."""


def logging_mistakes(hydra: DictConfig, folder: Path) -> Iterator[str]:
    """Mistakes in the logging configs, one line each.

    Args:
      hydra: Hydra's part of a composed config, whose interpolations can be resolved.
      folder: of a job; it need not exist.
    """
    if "/" in str(hydra.job.name) or "\0" in str(hydra.job.name):
        yield f"hydra.job.name={hydra.job.name}: expected a name without /; it names the log file"
        return
    verbose = hydra.verbose
    if not (isinstance(verbose, bool | str) or OmegaConf.is_list(verbose)):
        yield f"hydra.verbose={verbose}: expected true, false, or names of loggers"
    for option, made_before in (("hydra_logging", ()), ("job_logging", (folder, *folder.parents))):
        try:
            plain = OmegaConf.to_container(hydra[option], resolve=True) if hydra[option] is not None else None
        except OmegaConfBaseException as error:
            yield f"hydra.{option}: {cause_of(error)}"
            continue
        if isinstance(plain, dict) and "root" not in plain:
            yield f"hydra.{option}.root: missing; expected null, or a level and handlers"
        elif isinstance(plain, dict) and plain["root"] is not None:
            yield from (f"hydra.{option}.{line}" for line in _Checked(plain, made_before).mistakes())


def cause_of(error: BaseException) -> str:
    """The first line of the last cause of an error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


class _Checked:
    """A logging config whose parts are made as `logging.config.dictConfig` makes them, but not installed.

    Args:
      plain: the config; it is changed.
      made_before: folders that will exist when the log begins.
    """

    def __init__(self, plain: Any, made_before: tuple[Path, ...]) -> None:
        self._configurator: Any = logging.config.DictConfigurator(plain)
        self._config: Any = self._configurator.config
        self._made_before = made_before

    def mistakes(self) -> Iterator[str]:
        """A line for each part that cannot be made."""
        if self._config.get("version") != 1:
            yield f"version={self._config.get('version')}: expected 1"
        for kind in ("formatters", "filters"):
            make = getattr(self._configurator, f"configure_{kind[:-1]}")
            for name in self._config.get(kind) or {}:
                yield from self._made(kind, name, make)
        yield from self._handler_mistakes()
        for name, spec in {"root": self._config["root"], **self._named()}.items():
            yield from self._logger_mistakes(name, spec)

    def _named(self) -> dict[str, Any]:
        return {f"loggers.{name}": spec for name, spec in (self._config.get("loggers") or {}).items()}

    def _made(self, kind: str, name: str, make: Any) -> Iterator[str]:
        try:
            self._config[kind][name] = make(self._config[kind][name])
        except Exception as error:
            if _NOT_YET in str(error.__cause__):
                raise
            unknown = isinstance(error.__cause__, KeyError)
            yield f"{kind}.{name}: {f'there is no {cause_of(error)}' if unknown else cause_of(error)}"

    def _handler_mistakes(self) -> Iterator[str]:
        handlers = self._config.get("handlers") or {}
        names = sorted(handlers)
        for name in [*names, *names]:  # a handler may refer to one that comes after it
            spec = handlers[name]
            if isinstance(spec, logging.Handler) or not isinstance(spec, dict):
                continue
            try:
                mistakes = [*self._file_mistakes(name, spec)]
                mistakes = mistakes or [*self._made("handlers", name, self._make_handler)]
            except ValueError:
                continue
            yield from mistakes
            if mistakes:
                handlers[name] = None  # reported
        for handler in handlers.values():
            if isinstance(handler, logging.Handler):
                handler.close()

    def _make_handler(self, spec: dict[str, Any]) -> Any:
        if "()" in spec:  # a function of the user's own: it may do anything
            self._configurator.resolve(spec["()"]) if isinstance(spec["()"], str) else None
            return spec
        kind = self._configurator.resolve(spec["class"])
        lazy = {"delay": True} if issubclass(kind, logging.FileHandler) else {}
        for key in ("level", "formatter", "filters"):
            if key in spec:
                lazy[key] = spec[key]
        return self._configurator.configure_handler({**spec, **lazy})

    def _file_mistakes(self, name: str, spec: dict[str, Any]) -> Iterator[str]:
        if not isinstance(spec.get("filename"), str):
            return
        path = Path(spec["filename"]).absolute()
        place = f"handlers.{name}.filename"
        if len(os.fsencode(path.name)) > LONGEST_NAME:
            yield f"{place}: {path.name[:40]}... ({len(path.name)} characters) is too long a name"
        elif os.path.isdir(path):  # noqa: PTH112  unlike Path.is_dir, it accepts too long a name
            yield f"{place}: {path} is a folder"
        elif path.parent not in self._made_before and not os.path.isdir(path.parent):  # noqa: PTH112
            yield f"{place}: {path.parent} does not exist"
        elif os.path.lexists(path.parent) and not os.access(
            path if os.path.lexists(path) else path.parent, os.W_OK
        ):
            yield f"{place}: {path} cannot be written"

    def _logger_mistakes(self, name: str, spec: Any) -> Iterator[str]:
        try:
            level = spec.get("level")
            if level is not None:
                logging.NullHandler().setLevel(level)
        except (ValueError, TypeError, AttributeError) as error:
            yield f"{name}.level: {error}"
            return
        for kind in ("handlers", "filters"):
            for used in spec.get(kind) or ():
                if used not in (self._config.get(kind) or {}):
                    yield f"{name}.{kind}: {used}: not among the {kind}"
