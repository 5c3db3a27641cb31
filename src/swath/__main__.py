"""`python -m swath`: the same as the command `swath`."""

import sys
from pathlib import Path

from swath.cli import swath

if __name__ == "__main__":
    # Python searches the working folder first, where a file may have the name of a package; `swath` does not.
    if sys.path and Path(sys.path[0]).absolute() == Path.cwd():
        del sys.path[0]
    swath()
