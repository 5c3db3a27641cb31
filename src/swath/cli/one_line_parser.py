"""A parser of arguments whose mistakes are one line."""

from argparse import ArgumentParser
from typing import NoReturn

from swath.errors import ConfigError


class OneLineParser(ArgumentParser):
    """A parser that raises a mistake instead of printing its whole usage."""

    def error(self, message: str) -> NoReturn:
        """Raise a mistake.

        Raises:
          ConfigError: always.
        """
        raise ConfigError([f"{message.removeprefix('argument ')}; for usage, run: {self.prog} --help"])
