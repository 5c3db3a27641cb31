"""The identity of a configuration: a hash of what decides the numbers of its run."""

import hashlib
import json

from swath.config.fields import walk_values
from swath.config.schema import as_float32


def fingerprint(config: object) -> str:
    """Identity of what `config` computes: equal for two configurations whose runs have the same bits.

    Paths, tracking and the screen do not count. Numbers count as the float32 or integer that enters the
    computation. A field that a later version added counts only where it differs from the value with which
    runs are what they were before, so old fingerprints stay.

    Args:
      config: a checked configuration (`RunConfig`).

    Returns:
      16 hexadecimal digits, the head of a SHA-256.
    """
    identity = {
        name: as_float32(value).hex() if isinstance(value, float) else value
        for name, value, doc in walk_values(config)
        if doc.counts_for_identity(value)
    }
    canonical = json.dumps(identity, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
