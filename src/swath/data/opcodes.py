"""The pickle opcodes that a file of images may consist of.

A scan before unpickling, because some opcodes do harm without naming a class: one LONG_BINPUT with a large
index makes the unpickler allocate gigabytes, and hashing tuples nested a million deep ends the process.
"""

import pickletools

ADMITTED = frozenset(
    [
        *("PROTO", "FRAME", "STOP", "MARK", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2"),
        *("BINSTRING", "SHORT_BINSTRING", "BINUNICODE", "SHORT_BINUNICODE", "BINBYTES", "SHORT_BINBYTES"),
        *("EMPTY_LIST", "LIST", "APPEND", "APPENDS", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"),
        *("EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"),
        *("BINPUT", "LONG_BINPUT", "BINGET", "LONG_BINGET", "MEMOIZE"),
        *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
    ]
)
"""What pickles of bytes, numbers, lists, dicts and numpy arrays are made of, in protocols 2 to 4."""

MAX_MEMO_INDEX = 1_000_000
"""The official files memoize each of their 10,000 file names, and little else."""

MAX_TUPLES = 20_000


def check_opcodes(payload: bytes) -> None:
    """Scan a pickle without building anything.

    Args:
      payload: the bytes of the file.

    Raises:
      ValueError: it is no pickle, is cut short, or has an opcode that no file of images needs.
    """
    tuples = 0
    for opcode, argument, position in pickletools.genops(payload):
        if opcode.name not in ADMITTED:
            raise ValueError(f"pickle opcode {opcode.name} at byte {position:,} is not allowed")
        if opcode.name == "LONG_BINPUT" and (not isinstance(argument, int) or argument > MAX_MEMO_INDEX):
            raise ValueError(f"pickle memo index {argument} at byte {position:,} is out of range")
        if opcode.name.startswith("TUPLE"):
            tuples += 1
            if tuples > MAX_TUPLES:
                raise ValueError(f"more than {MAX_TUPLES:,} tuples in a pickle")
