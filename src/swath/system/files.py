"""Files written whole or not at all, and the user's cache folder."""

import os
from pathlib import Path

import platformdirs


def cache_folder() -> Path:
    """$SWATH_CACHE_DIR, or else the user's own cache folder."""
    return Path(os.environ.get("SWATH_CACHE_DIR") or platformdirs.user_cache_dir("swath"))
