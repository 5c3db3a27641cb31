"""The name that a mistyped one stands for."""

import difflib
import re
from collections.abc import Sequence


def nearest_name(typed: str, known: Sequence[str]) -> str | None:
    """The known name that is most likely meant: by its initials, its spelling, or a part of it.

    `lr` means `learning_rate`, `vs` means `data.validation_size`, `learning_rat` means `learning_rate`. None
    if no name is near.
    """
    plain = typed.lower()
    if len(plain) > 1:
        for name in known:
            if plain in (_initials(name), _initials(re.split(r"[./]", name)[-1])):
                return name
    near = difflib.get_close_matches(typed, known, n=1) or difflib.get_close_matches(plain, known, n=1)
    if near:
        return near[0]
    for name in known if len(plain) > 2 else ():
        if any(part.startswith(plain) for part in re.split(r"[._/ ]", name.lower())):
            return name
    return None


def _initials(name: str) -> str:
    return "".join(word[0] for word in re.split(r"[._/ ]", name) if word).lower()
