"""Becomes a task that is told to end when its parent dies: `python shim.py PARENT PROGRAM ...`.

It is a program of its own, since a process with threads, such as a worker of Ray, must not run Python between
fork and exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
"""Option of prctl(2) of Linux: the signal that a process gets when its parent dies."""


def main(parent: int, argv: list[str]) -> None:
    """Become a program.

    Args:
      parent: process that started this one.
      argv: the program and its arguments.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died in between
            sys.exit(128 + signal.SIGTERM)
    try:
        os.execvp(argv[0], argv)
    except OSError as error:
        print(f"swath: {argv[0]}: {error.strerror}", file=sys.stderr)
        sys.exit(127)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
