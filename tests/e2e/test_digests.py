"""The digests in docs/digests.json hold where software and processor are those they were made with."""

import json
from pathlib import Path

import pytest
from verify import PUBLISHED, comparable, compared, computed


def test_published_digests_hold(cifar10_dir: Path) -> None:
    published = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    found = computed(str(cifar10_dir))
    if others := comparable(published, found):
        pytest.skip(f"the digests were made with another {', another '.join(others)}")
    assert set(compared(published, found).values()) == {"same"}
