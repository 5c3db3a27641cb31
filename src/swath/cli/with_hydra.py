"""Runs a command through Hydra."""

import contextlib
import io
import sys
from typing import Any

from swath.cli.arguments import Arguments


def run_with_hydra(args: Arguments, more_overrides: tuple[str, ...], task: Any) -> int:
    """Run the command with Hydra, which calls `task` for each job; returns 0."""
    import hydra

    sys.argv[1:] = args.for_hydra(more_overrides)
    main = hydra.main(version_base="1.3", config_path=None, config_name="config")(task)
    if not args.flags.info:
        main()
        return 0
    # Hydra prints this through `logging`, which would hide that it cannot be written.
    with contextlib.redirect_stdout(io.StringIO()) as text:
        main()
    print(text.getvalue(), end="")
    return 0


def run_nothing(config: Any) -> None:
    """The task of a command that only prints, such as `--cfg`."""
    raise AssertionError("this command trains nothing")
