"""Names of fields and choices that earlier versions had, and what stands in their place."""

RENAMED_FIELDS = {
    "log_every_steps": "print_every_steps",
    "tracking.afterwards": "tracking.postprocess",
    "tracking.artifacts": "tracking.artifact_location",
    "tracking.models": "tracking.log_models",
    "fuse.max_lanes": "lanes.max",
    "fuse.check": "lanes.verify",
    "fuse": "lanes",
}

REMOVED_FIELDS = {"device": "swath computes on the CPU"}

RENAMED_CHOICES = {
    "resume=anyway": ("resume=yes", "force_resume=true"),
    "hydra/launcher=fused": ("hydra/launcher=lanes",),
    "hydra/sweeper=fused": ("hydra/sweeper=lanes",),
}

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
    name, equals, value = override.partition("=")
    prefix = name[: len(name) - len(name.lstrip("+"))]
    name = name.lstrip("+")
    if override in RENAMED_CHOICES:
        return list(RENAMED_CHOICES[override])
    if name in REMOVED_FIELDS:
        return []
    value = _RENAMED_VALUES.get((name, value), value)
    return [f"{prefix}{RENAMED_FIELDS.get(name, name)}{equals}{value}"]
