"""Runs a command through Hydra."""

import contextlib
import io
import sys
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig

from swath.cli.arguments import Arguments


def run_with_hydra(
    args: Arguments, more_overrides: tuple[str, ...], task: Any, base: DictConfig | None = None
) -> int:
    """Run the command with Hydra, which calls `task` for each job; returns 0.

    Args:
      args: of the command.
      more_overrides: that Hydra gets besides.
      task: the task function.
      base: the composed config, if it is known.
    """
    import hydra

    sys.argv[1:] = args.for_hydra(more_overrides)
    main = hydra.main(version_base="1.3", config_path=None, config_name="config")(task)
    if not args.flags.info:
        with _mode_known(base):
            main()
        return 0
    # Hydra prints this through `logging`, which would hide that it cannot be written.
    with contextlib.redirect_stdout(io.StringIO()) as text:
        main()
    print(text.getvalue(), end="")
    return 0


@contextlib.contextmanager
def _mode_known(base: DictConfig | None) -> Iterator[None]:
    """So that Hydra need not compose the whole config only to learn its mode, in a tenth of a second."""
    if base is None:
        yield
        return
    from hydra._internal.hydra import Hydra

    get_mode = Hydra.get_mode
    Hydra.get_mode = lambda *_, **__: base.hydra.mode  # type: ignore[method-assign]
    try:
        yield
    finally:
        Hydra.get_mode = get_mode  # type: ignore[method-assign]


def run_nothing(config: Any) -> None:
    """The task of a command that only prints, such as `--cfg`."""
    raise AssertionError("this command trains nothing")
