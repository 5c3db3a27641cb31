"""swath as a person starts it: a process of its own, in a folder of its own."""

import os
import subprocess
import sys
from pathlib import Path

SWATH = Path(sys.executable).parent / "swath"


def swath(folder: Path, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `swath` with some words in `folder`, to its end."""
    return subprocess.run(
        [str(SWATH), *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
