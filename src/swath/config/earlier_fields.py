"""Fields and values of earlier versions, and their names in this one."""


def overridden(override: str) -> str:
    """The dotted name of the field that an override sets, whichever prefix it has: `+`, `++` or `~`."""
    return override.lstrip("+~").partition("=")[0].strip()


RENAMED_FIELDS = {
    "log_every_steps": "print_every_steps",
    "tracking.afterwards": "tracking.postprocess",
    "tracking.artifacts": "tracking.artifact_location",
    "tracking.models": "tracking.log_models",
    "fuse.max_lanes": "lanes.max",
    "fuse.check": "lanes.verify",
    "fuse": "lanes",
}
"""Fields of earlier versions, and their names in this one."""

REMOVED_FIELDS = {"device": "swath computes on the CPU"}
"""Fields of earlier versions that this one has not, and why."""

RENAMED_CHOICES = {
    "resume=anyway": ("resume=yes", "force_resume=true"),
    "hydra/launcher=fused": ("hydra/launcher=lanes",),
    "hydra/sweeper=fused": ("hydra/sweeper=lanes",),
}
"""Overrides of earlier versions whose value has another name in this one."""

_RENAMED_VALUES = {("tracking.afterwards", "none"): "off"}


def is_removed(name: str) -> bool:
    """Whether an earlier version had a field of this dotted name, and this one has not."""
    return name in RENAMED_FIELDS or name in REMOVED_FIELDS


def removed_key(name: str) -> str | None:
    """The line about a field that an earlier version had; None for any other name."""
    if name in RENAMED_FIELDS:
        return f"{name} is now {RENAMED_FIELDS[name]}"
    if name in REMOVED_FIELDS:
        return f"{name} has been removed; {REMOVED_FIELDS[name]}"
    return None


def removed_choice(name: str, value: object) -> str | None:
    """The line about a value that an earlier version had; None for any other value."""
    now = RENAMED_CHOICES.get(f"{name}={value}")
    return None if now is None else f"{name}={value} is now {' '.join(now)}"


def translated(override: str) -> list[str]:
    """An override of any version as overrides of this one; none for a field that is gone."""
    name = overridden(override)
    typed, equals, value = override.partition("=")
    prefix = typed[: len(typed) - len(typed.lstrip("+~"))]
    if override in RENAMED_CHOICES:
        return list(RENAMED_CHOICES[override])
    if name in REMOVED_FIELDS:
        return []
    value = _RENAMED_VALUES.get((name, value), value)
    return [f"{prefix}{RENAMED_FIELDS.get(name, name)}{equals}{value}"]
