"""Manifests: reading, resume, and changes of the environment."""

import json

import pytest

from swath.errors import SwathError
from swath.sweeps.manifest import Manifest, environment_changes, read_manifest
from swath.tracking import schema

PROVENANCE_TAGS = {"swath.tensorflow": "2.21.0", "swath.numpy": "2.4.6", "swath.commit": "abc"}


def manifest(*fingerprints: str, provenance: dict[str, str] = PROVENANCE_TAGS) -> Manifest:
    entries = [{"fingerprint": name, "data_digest": "d", "values": {"seed": 0}} for name in fingerprints]
    return Manifest("grid", "0123456789ab", "swath -cn grid", provenance, 1, entries, [])


def test_manifest_round_trips() -> None:
    assert read_manifest(manifest("a", "b").text()) == manifest("a", "b")


def test_configurations_of_a_large_sweep_are_pieces_and_only_new_ones_are_written() -> None:
    names = [f"f{number}" for number in range(2_500)]
    large = manifest(*names)
    files = large.files()
    *pieces, last = files
    assert last == schema.MANIFEST_FILE
    assert [len(json.loads(files[name])) for name in pieces] == [1_000, 1_000, 500]
    assert len(files[last]) < 2_000

    def read(name: str) -> bytes:
        return files[name].encode()

    found = read_manifest(files[last], read)
    assert found == large
    assert list(large.resuming(found).files()) == [schema.MANIFEST_FILE]
    more = manifest(*names, "new").resuming(found)
    assert len(more.files()) == 2  # the last piece has grown
    assert read_manifest(files[last]).configurations == []
    assert list(manifest(*names[:1_000]).files()) == [schema.MANIFEST_FILE]


def test_damaged_piece_is_refused() -> None:
    files = manifest(*map(str, range(1_001))).files()

    def read(name: str) -> bytes:
        return files[name].encode().replace(b'"seed":0', b'"seed":1')

    with pytest.raises(SwathError, match="is not the file that was stored: its digest differs"):
        read_manifest(files[schema.MANIFEST_FILE], read)


@pytest.mark.parametrize("text", ["", "{}", '{"schema": 1}', "[1]", '{"schema": 1, "sweep": "x"', "null"])
def test_damaged_manifest_is_refused(text: str) -> None:
    with pytest.raises(SwathError, match=r"manifest\.json"):
        read_manifest(text)


def test_manifest_of_another_version_is_refused() -> None:
    with pytest.raises(SwathError, match="another version"):
        read_manifest(manifest("a").text().replace('"schema": 1', '"schema": 2'))


def test_manifest_of_a_resumed_sweep_keeps_the_earlier_content() -> None:
    later = manifest("b", "c", provenance={**PROVENANCE_TAGS, "swath.commit": "def"}).resuming(
        manifest("a", "b")
    )
    assert [entry["fingerprint"] for entry in later.configurations] == ["a", "b", "c"]
    assert later.earlier == [PROVENANCE_TAGS]


def test_environment_changes_that_affect_results_are_separate() -> None:
    now = {**PROVENANCE_TAGS, "swath.tensorflow": "2.22.0", "swath.commit": "def"}
    assert environment_changes(PROVENANCE_TAGS, now) == (
        ["TensorFlow: 2.21.0, now 2.22.0"],
        ["source commit: abc, now def"],
    )
    assert environment_changes({}, now) == ([], [])


def test_more_or_fewer_data_sets_are_no_change_of_the_environment() -> None:
    one, two = {"swath.data_digest": "a"}, {"swath.data_digest": "a b"}
    assert environment_changes(one, two) == environment_changes(two, one) == ([], [])
    named, _ = environment_changes(two, {"swath.data_digest": "a c"}, "pictures")
    assert named == ["images in pictures: digest b, now c"]
    changed, _ = environment_changes(two, {"swath.data_digest": "a c"})
    (line,) = changed
    assert line.endswith(": a b, now a c")
