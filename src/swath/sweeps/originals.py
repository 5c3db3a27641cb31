"""What is to be reproduced: a run of a store with its config, checked for contradictions."""

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from swath.analysis import RunValues, stored_values
from swath.config import (
    SCHEMA_VERSION,
    TrainConfig,
    computed_values,
    fingerprint,
    read_stored_config,
    translated,
)
from swath.errors import ConfigError, SwathError
from swath.tracking import WRITTEN, Reader, StoredRun, read_bytes, schema

KINDS = ("run", "reproduction")


NEEDED_FILES = (schema.CONFIG_FILE, schema.OVERRIDES_FILE, schema.ENVIRONMENT_FILE)
"""Files that are there however a run ended."""


class CannotReproduceError(SwathError):
    """A run that cannot be trained again, or not be compared; the text says what is missing."""

    exit_status = 2


@dataclass(frozen=True)
class Original:
    """A run that is to be trained again.

    Attributes:
      run: as the store has it.
      config: what is trained.
      every_steps: interval at which its metrics were logged.
      numbers: what it computed.
    """

    run: StoredRun
    config: TrainConfig
    every_steps: int
    numbers: RunValues


def original_of(reader: Reader, run: StoredRun, config: TrainConfig | None) -> Original:
    """A run, ready to be trained again.

    Args:
      reader: of its store.
      run: the run.
      config: to be trained instead of the run's own; None for its own.

    Raises:
      CannotReproduceError: something is missing, or the store contradicts itself.
    """
    _check_kind(run)
    own = _stored_config(run)
    _check_files(run)
    every_steps = run.tags.get(schema.EVERY_STEPS, "1")
    if not (every_steps.isdecimal() and int(every_steps)):
        raise CannotReproduceError(f"its tag {schema.EVERY_STEPS} is damaged")
    try:
        numbers = stored_values(reader, run)
    except SwathError as error:
        raise CannotReproduceError(str(error)) from error
    return Original(run, config or own, int(every_steps), numbers)


def _check_kind(run: StoredRun) -> None:
    if run.tags.get(schema.KIND) not in KINDS:
        raise CannotReproduceError("not made by swath, or the run of a whole sweep")
    version = run.tags.get(schema.CONFIG_SCHEMA, "")
    if version != SCHEMA_VERSION:
        newer = version.isdecimal() and int(version) > int(SCHEMA_VERSION)
        raise CannotReproduceError(
            f"made by {'a newer' if newer else 'another'} version of swath ({run.tags.get(schema.VERSION)}, "
            f"config schema {version or 'unknown'}; this one reads {SCHEMA_VERSION})"
        )
    reason = run.tags.get(schema.ERROR, "")
    if run.status != "FINISHED" and not (run.status == "FAILED" and reason.startswith("diverged")):
        raise CannotReproduceError(f"it is {run.status}{': ' if reason else ''}{reason}")


def _stored_config(run: StoredRun) -> TrainConfig:
    """The run's config, if it is the one that the run's params and fingerprint speak of."""
    try:
        text = read_bytes(run, schema.CONFIG_FILE).decode(errors="replace")
        config = read_stored_config(text, schema.CONFIG_FILE)
    except ConfigError as error:
        raise CannotReproduceError("; ".join(error.mistakes)) from error
    except SwathError as error:
        raise CannotReproduceError(str(error)) from error
    values = {name: str(value) for name, value in computed_values(config).items()}
    for name, value in values.items():
        if run.params.get(name) != value:
            raise CannotReproduceError(
                f"the store contradicts itself: {name} is {value} in {schema.CONFIG_FILE}, "
                f"{run.params.get(name)} among the params"
            )
    if fingerprint(config) != run.tags.get(schema.FINGERPRINT):
        raise CannotReproduceError(
            f"the store contradicts itself: {schema.CONFIG_FILE} has another fingerprint"
        )
    return config


def _check_files(run: StoredRun) -> None:
    """Compare the files of a run with the digests that were stored with it."""
    written = _stored_json(run, schema.FILES, dict)
    # Names come from the store: only those of swath's own files are read.
    if unknown := [name for name in written if name not in WRITTEN]:
        raise CannotReproduceError(f"its tag {schema.FILES} names a file of no run: {unknown[0]!r}")
    for name in {**dict.fromkeys(NEEDED_FILES), **written}:
        try:
            content = read_bytes(run, name)
        except SwathError as error:
            raise CannotReproduceError(str(error)) from error
        if name in written and hashlib.sha256(content).hexdigest() != written[name]:
            raise CannotReproduceError(f"{name} is not the file that was stored: its digest is another one")


def _stored_json(run: StoredRun, tag: str, kind: type) -> Any:
    try:
        value = json.loads(run.tags.get(tag, json.dumps(kind())))
    except ValueError:
        value = None
    if not isinstance(value, kind):
        raise CannotReproduceError(f"its tag {tag} is damaged")
    return value


def stored_overrides(run: StoredRun) -> list[str]:
    """The overrides that were typed for a run, with the names that this version uses.

    Raises:
      CannotReproduceError: the store does not say.
    """
    return [line for text in _stored_json(run, schema.OVERRIDES, list) for line in translated(str(text))]
