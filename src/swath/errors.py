"""Errors that are meant for the person at the keyboard: one clear line each, never a traceback."""

INTERRUPTED = 130
"""Exit status after Ctrl-C."""


class SwathError(Exception):
    """An error whose text is all that a user needs: what was found, what was expected, what to type next.

    Attributes:
      exit_status: what the command ends with when this error ends it.
    """

    exit_status = 1


class ConfigError(SwathError):
    """One or more mistakes in a configuration, found before anything was started.

    Args:
      mistakes: one line each, in the order in which they were found.
    """

    exit_status = 2

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(self.mistakes))


class DataError(SwathError):
    """Images that are not there, or are not what their data set declares."""

    exit_status = 2
