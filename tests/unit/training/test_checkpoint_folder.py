"""Checkpoint folders are those of sweep ids, whatever a store contains."""

from pathlib import Path
from typing import Any

import pytest

from swath.errors import UsageError
from swath.training import CheckpointWriter, checkpoint_folder, checkpoints_folder

FOREIGN = [
    "",
    ".",
    "..",
    "/",
    "/home",
    "../x",
    "0123456789ab/..",
    "0123456789AB",
    "0123456789ab\n",
    "0123456789a",
]


def test_folder_of_a_sweep_is_in_the_cache(tmp_path: Path) -> None:
    assert checkpoint_folder("0123456789ab") == checkpoints_folder() / "0123456789ab"
    assert checkpoint_folder("0123456789ab", tmp_path) == tmp_path / "0123456789ab"


@pytest.mark.parametrize("sweep_id", FOREIGN)
def test_any_other_text_is_refused(sweep_id: str) -> None:
    tracker: Any = None
    for call in (checkpoint_folder, lambda text: CheckpointWriter(tracker, text, print)):
        with pytest.raises(UsageError, match="is no id of a sweep: expected 12 hexadecimal digits"):
            call(sweep_id)
