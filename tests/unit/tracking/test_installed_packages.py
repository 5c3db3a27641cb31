"""The list of installed packages, from metadata of all kinds."""

import importlib.metadata

import pytest

from swath.tracking.provenance import installed_packages


class Package(importlib.metadata.Distribution):
    """A package with these texts of metadata by file name."""

    def __init__(self, **texts: str) -> None:
        self.texts = texts

    def read_text(self, filename: str) -> str | None:
        return self.texts.get(filename or "only")

    def locate_file(self, path: object) -> None:  # type: ignore[override]
        return None


def test_names_and_versions_are_those_of_the_heads(monkeypatch: pytest.MonkeyPatch) -> None:
    packages = [
        Package(METADATA="Metadata-Version: 2.1\nName: A.b_C\nVersion: 1.0 \nSummary: x\n\nName: body\n"),
        Package(**{"PKG-INFO": "Name: second\nVersion: 2\nVersion: 3\n"}),
        Package(only="Metadata-Version: 1.0\nName: egg\nVersion: 0.1\n"),
        Package(METADATA="Name: without-a-version\n"),
        Package(),
    ]
    monkeypatch.setattr(importlib.metadata, "distributions", lambda: packages)
    assert installed_packages() == "a-b-c==1.0\negg==0.1\nsecond==2\n"


def test_list_is_that_of_the_metadata_as_python_reads_it(monkeypatch: pytest.MonkeyPatch) -> None:
    listed = dict(line.split("==") for line in installed_packages().splitlines())
    for found in importlib.metadata.distributions():
        name = found.metadata["Name"].lower().replace("_", "-").replace(".", "-")
        assert listed[name] == found.version
