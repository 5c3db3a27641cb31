"""The published digests in docs/digests.json."""

import json
from pathlib import Path

import pytest
from verify import PUBLISHED, compare_digests, compute_digests, environment_differences


def test_published_digests_hold(cifar10_dir: Path) -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    found = compute_digests(str(cifar10_dir))
    if others := environment_differences(published, found):
        pytest.skip(f"the digests were made with another {', another '.join(others)}")
    assert set(compare_digests(published, found).values()) == {"same"}
