"""Errors for users: one clear line each, without a traceback."""

INTERRUPTED = 130
"""Exit status after Ctrl-C."""


class SwathError(Exception):
    """An error whose text tells a user what was found, what was expected, and what to type next.

    Attributes:
      exit_status: exit status of a command that this error ends.
    """

    exit_status = 1


class UsageError(SwathError):
    """A command that cannot be carried out as it was typed. Nothing was started or written."""

    exit_status = 2


class ConfigError(UsageError):
    """One or more mistakes in a configuration, found before anything was started.

    Args:
      mistakes: one line each, in the order in which they were found.
    """

    def __init__(self, mistakes: list[str]) -> None:
        self.mistakes = list(mistakes)
        super().__init__("\n".join(self.mistakes))


class DataError(UsageError):
    """Images are missing, or differ from the specification of their data set."""


def failure_reason(error: BaseException) -> str:
    """The reason of a failure in one line; the type of an error that is not meant for users is included."""
    if isinstance(error, SwathError):
        return str(error)
    return f"{type(error).__name__}: {error}".splitlines()[0]
