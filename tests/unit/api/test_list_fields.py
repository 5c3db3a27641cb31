"""Fields whose value is a list, in Python: a flat list is one value, lists within a list are several."""

import numpy as np
import pytest

from swath.api.overrides import overrides_of
from swath.errors import ConfigError


@pytest.mark.parametrize(
    ("value", "sweeping", "override"),
    [
        ([8, 4], False, "[8,4]"),
        ((8, 4), True, "[8,4]"),
        ([[8], [8, 4]], True, "[8],[8,4]"),
        ([30, [8, 4]], True, "30,[8,4]"),
        ([[8, 4]], False, "[8,4]"),
        (np.array([8, 4]), False, "[8,4]"),
        (30, False, "30"),
    ],
)
def test_hidden_units_are_a_list(value: object, sweeping: bool, override: str) -> None:
    assert overrides_of({"model.hidden_units": value}, sweeping) == [f"model.hidden_units={override}"]


def test_several_lists_are_no_single_value() -> None:
    with pytest.raises(ConfigError, match="expected one value; a sweep takes several"):
        overrides_of({"model.hidden_units": [[8], [4]]}, sweeping=False)
