"""Errors for users: one clear line each, without a traceback."""

import errno

INTERRUPTED = 130
"""Exit status after Ctrl-C."""


class SwathError(Exception):
    """An error whose text tells a user what was found, what was expected, and what to type next.

    Attributes:
      exit_status: exit status of a command that this error ends.
      passes: whether the same may succeed later, with nothing changed by anybody.
    """

    exit_status = 1
    passes = False


class AwayError(SwathError):
    """A store, or its place of artifacts, is away or busy: it does not answer, or not in time."""

    passes = True


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


PASSING_NUMBERS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN, errno.EHOSTUNREACH}
    | {errno.ENETDOWN, errno.ENETUNREACH, errno.ENOTCONN, errno.ECONNREFUSED, errno.ECONNRESET, errno.EIO}
)
"""Numbers of errors of the system that pass: a full disk, a file server or a network that is away."""


def passes(error: BaseException | None) -> bool:
    """Whether a failure may be over when the same is tried later, perhaps on another machine."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        if isinstance(error, SwathError) and error.passes:
            return True
        if isinstance(error, OSError) and error.errno in PASSING_NUMBERS:
            return True
        seen.add(id(error))
        error = error.__cause__
    return False


def failure_reason(error: BaseException) -> str:
    """The reason of a failure in one line; the type of an error that is not meant for users is included."""
    if isinstance(error, SwathError):
        return str(error)
    return f"{type(error).__name__}: {error}".splitlines()[0]
