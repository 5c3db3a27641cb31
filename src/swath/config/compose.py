"""Composes configs with Hydra and converts their values to the declared types; writes nothing."""

import contextlib
import difflib
import re
import shlex
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra import compose, version
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override, Transformer
from hydra.core.plugins import Plugins
from hydra.errors import HydraException
from hydra.plugins.search_path_plugin import SearchPathPlugin
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from swath.config.fields import removed_choice, removed_key
from swath.config.schema import FIELDS, JobConfig, build_job, schema_node
from swath.errors import ConfigError

BUNDLED = Path(__file__).resolve().parent / "bundled"
"""The folder that holds `conf` and `sweeps` in the wheel."""


def config_folder(name: str) -> Path:
    """The folder `conf` or `sweeps`, in the installed package or in the checkout."""
    bundled = BUNDLED / name
    return bundled if bundled.is_dir() else BUNDLED.parents[3] / name


def config_groups(user_folders: Sequence[Path] = ()) -> dict[str, list[str]]:
    """The names of the configs in each config group (folder of `conf/`), without Hydra's own groups.

    Args:
      user_folders: further folders that may hold configs of these groups.
    """
    conf = config_folder("conf")
    groups = sorted(path.name for path in conf.iterdir() if path.is_dir() and path.name != "hydra")
    return {
        group: sorted(
            {path.stem for folder in (*user_folders, conf) for path in (folder / group).glob("*.yaml")}
        )
        for group in groups
    }


def compose_config(config_name: str, lines: list[str]) -> DictConfig:
    """Compose a primary config with overrides; the result includes Hydra's own section.

    Raises:
      ConfigError: Hydra rejects it.
    """
    try:
        return compose(config_name, lines, return_hydra_config=True)
    except RecursionError as error:
        raise ConfigError([f"{config_name}: the config includes itself in its defaults"]) from error
    except HydraException as error:
        raise ConfigError([_mistake(config_name, error) or one_line(error)]) from error


def _mistake(config_name: str, error: Exception) -> str | None:
    """A message about an unknown field or a removed choice in a config file; None for any other error."""
    missing = re.search(r"Could not find '([\w/]+)/(\w+)'", str(error))
    if missing is not None and (line := removed_choice(missing[1], missing[2])):
        return f"{config_name}: {line}"
    options = re.search(r"Available options in '[^']+':((?:\s+\w+$)+)", str(error), flags=re.MULTILINE)
    if missing is not None and options is not None:
        return f"{missing[1]}={missing[2]}: expected one of {', '.join(options[1].split())}"
    return _unknown_field(config_name, error)


def _unknown_field(config_name: str, error: Exception) -> str | None:
    """A message about an unknown field in a config file; None if the error has another cause."""
    text = one_line(error)
    found = re.search(r"full_key: (\S+)", text)
    if found is None or "ConfigKeyError" not in text:
        return None
    near = difflib.get_close_matches(found[1], list(FIELDS), n=1)
    hint = f"; did you mean {near[0]}?" if near else "; to list all fields, run: swath --help"
    return removed_key(found[1]) or f"{_place(config_name, found[1])}: unknown field {found[1]}{hint}"


def _place(config_name: str, field: str) -> str:
    """File and line in which a config sets a field; the config's name if it is not found."""
    leaf = re.compile(rf"^\s*['\"]?{re.escape(field.rpartition('.')[2])}['\"]?\s*:")
    for folder in (*SwathSearchPath.user_folders, config_folder("sweeps"), config_folder("conf")):
        path = Path(folder) / f"{config_name}.yaml"
        if path.is_file():
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
                if leaf.match(line):
                    return f"{path}, line {number}"
    return config_name


@contextlib.contextmanager
def hydra_ready() -> Iterator[None]:
    """Initialises Hydra for composing, and clears it afterwards.

    This is what `hydra.initialize` does, without its search for the calling module. The search reads the
    source of every loaded module, which takes 0.4 s once TensorFlow is loaded.
    """
    version.setbase("1.3")
    Hydra.create_main_hydra2("swath", create_config_search_path(None))
    try:
        yield
    finally:
        GlobalHydra.instance().clear()


def config_of(composed: DictConfig) -> JobConfig:
    """The checked configurations in a composed config.

    Raises:
      ConfigError: values are missing, of the wrong type, or out of range.
    """
    return build_job(flat_values(composed))


def flat_values(composed: DictConfig) -> dict[str, Any]:
    """The values of a composed config by dotted name, converted to the declared types.

    Raises:
      ConfigError: a value is missing, or of the wrong type.
    """
    task = [str(key) for key in composed if key != "hydra"]
    mistakes, values = [], {}
    try:
        fields = OmegaConf.masked_copy(composed, task)
        OmegaConf.copy_cache(from_config=composed, to_config=fields)
        resolved = OmegaConf.to_container(fields, resolve=True)
        OmegaConf.copy_cache(from_config=fields, to_config=composed)  # ${now:...} keeps its value
        node = OmegaConf.merge(schema_node(), resolved)
    except OmegaConfBaseException as error:
        raise ConfigError([one_line(error)]) from error
    for name, spec in FIELDS.items():
        if OmegaConf.is_missing(*parent_of(node, name)):
            mistakes.append(f"{name}: no value; expected {spec.expected}")
        else:
            values[name] = OmegaConf.select(node, name)
    if mistakes:
        raise ConfigError(mistakes)
    return values


def parent_of(node: Any, name: str) -> tuple[Any, str]:
    """The node that holds the leaf of a dotted name, and the name of the leaf in it."""
    *groups, leaf = name.split(".")
    for group in groups:
        node = node[group]
    return node, leaf


def one_line(error: Exception) -> str:
    """An error of Hydra or OmegaConf as one line, with its cause."""
    causes = [str(part) for part in (error, error.__cause__) if part is not None]
    lines = [line.strip() for line in "\n".join(causes).splitlines() if line.strip()]
    return "; ".join(line for line in lines if not line.startswith(("reference_type", "object_type")))


class SwathSearchPath(SearchPathPlugin):
    """Searches the user's folders first, then `conf` and `sweeps`."""

    user_folders: tuple[Path, ...] = ()
    """The folders of `--config-dir`. They are searched before swath's own, so that the `config.yaml` of a
    run is found by its name; Hydra would search them last."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Called by Hydra before it searches for configs."""
        for folder in self.user_folders:
            search_path.append("user", f"file://{folder}")
        for name in ("conf", "sweeps"):
            search_path.append("swath", f"file://{config_folder(name)}")


def register(user_folders: tuple[Path, ...] = ()) -> None:
    """Register the search path and the schema with Hydra, for the rest of this process."""
    SwathSearchPath.user_folders = user_folders
    Plugins.instance().register(SwathSearchPath)
    ConfigStore.instance().store(name="run_config", node=schema_node(), provider="swath")


def primary_configs(folders: tuple[Path, ...]) -> list[str]:
    """The names that `-cn` accepts: the named sweeps, `config`, and the configs in the user's folders."""
    found = [path.stem for folder in (*folders, config_folder("sweeps")) for path in folder.glob("*.yaml")]
    return sorted({"config", *found})


def parse_overrides(texts: list[str]) -> list[Override]:
    """Parse overrides as Hydra does; `data=glob(*)` finds its configs if Hydra is initialised.

    Raises:
      ConfigError: some cannot be parsed; it lists all of them.
    """
    hydra = GlobalHydra.instance()
    parser = OverridesParser.create(hydra.config_loader() if hydra.is_initialized() else None)
    parsed, mistakes = [], []
    for text in texts:
        try:
            parsed += parser.parse_overrides([text])
        except HydraException:
            mistakes.append(f"{text}: {_reading_hint(text)}")
    if mistakes:
        raise ConfigError(mistakes)
    return parsed


def _reading_hint(text: str) -> str:
    """Why an override cannot be read, and what to type instead."""
    key, equals, value = text.partition("=")
    if not equals:
        if text in primary_configs(SwathSearchPath.user_folders):
            return f"expected FIELD=VALUE; to train this sweep, run: swath -cn {text}"
        if text in ("help", "version"):
            return f"expected FIELD=VALUE; did you mean: swath --{text}"
        if re.fullmatch(r"[-+.\d][-+.\deE]*,?", text):
            return "a value without a field; the values of a field are separated by commas, without blanks"
        return "cannot be read; expected FIELD=VALUE, for example batch_size=100"
    if value.endswith(",") and "'" not in value and '"' not in value:
        return f"ends with a comma; expected {text.rstrip(',')}"
    # Hydra's grammar: a backslash counts only before a quote, and at the end.
    quoted = re.sub(r'(\\*)("|$)', lambda found: found[1] * 2 + ('\\"' if found[2] else ""), value)
    whole = f'{key}="{quoted}"'
    return f"the value needs quotes; type: {shlex.quote(whole)}"


def typed_value(key: str, value: object) -> Any:
    """Convert a value to the type of its field.

    Raises:
      omegaconf.errors.OmegaConfBaseException: it cannot be converted.
    """
    node = _scratch_node()
    OmegaConf.update(node, key, value)
    found = OmegaConf.select(node, key)
    # range(0.1,0.5,0.1) adds up to 0.30000000000000004; fields are float32, which 15 digits tell apart.
    return float(f"{found:.15g}") if isinstance(found, float) else found


@cache
def _scratch_node() -> DictConfig:
    """A node for all conversions: creating one takes milliseconds, and there may be thousands of values."""
    return schema_node()


def literal_values(override: Override) -> list[Any]:
    """The values of an override: one, or those of its sweep; none for a sweep over an interval."""
    if not override.is_sweep_override():
        return [override.value()]
    if not override.is_discrete_sweep():
        return []
    return [_unquoted(value) for value in override.sweep_iterator(transformer=Transformer.identity)]


def _unquoted(value: Any) -> Any:
    return value.text if hasattr(value, "text") else value
