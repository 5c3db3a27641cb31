"""`python -m swath`: the same as the command `swath`."""

from swath.cli.entry import swath

if __name__ == "__main__":
    swath()
