"""A resume that finds no earlier sweep says so before it trains."""

from pathlib import Path

from support.command import swath

GRID = ("-m", "data=digits", "max_steps=5,6")
NOTE = "no earlier sweep ad-hoc has these fixed values: this is a new sweep"


def test_resume_with_another_fixed_value(tmp_path: Path) -> None:
    assert swath(tmp_path, *GRID).returncode == 0
    other = swath(tmp_path, *GRID, "seed=1", "resume=yes")
    assert other.returncode == 0, other.stderr
    lines = other.stderr.splitlines()
    assert NOTE in lines
    assert lines.index(NOTE) < lines.index("Resume: 2 new.")
    same = swath(tmp_path, *GRID, "resume=yes")
    assert NOTE not in same.stderr.splitlines()
    assert "Resume: 2 already done." in same.stderr


def test_resume_of_more_values_is_no_new_sweep(tmp_path: Path) -> None:
    assert swath(tmp_path, *GRID, "resume=yes").stderr.count(NOTE) == 1
    more = swath(tmp_path, "-m", "data=digits", "max_steps=5,6,7", "resume=yes")
    assert NOTE not in more.stderr
    assert "Resume: 2 already done, 1 " in more.stderr
