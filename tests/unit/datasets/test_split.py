"""The rule that splits one's own images."""

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from swath.datasets.split import split

LABELS = st.lists(st.integers(0, 4), min_size=1, max_size=120)


def names_of(labels: list[int]) -> list[bytes]:
    return [b"%d" % index for index in range(len(labels))]


@given(LABELS, st.booleans())
def test_each_image_is_in_one_part_and_classes_are_in_proportion(labels: list[int], sets_apart: bool) -> None:
    train, test = split(labels, names_of(labels), sets_test_apart=sets_apart)

    assert sorted(train + test) == list(range(len(labels)))
    expected = {label: max(count // 6, int(count > 1)) for label, count in Counter(labels).items()}
    found = Counter(labels[index] for index in test)
    assert dict(found) == {label: count for label, count in expected.items() if count and sets_apart}


@given(LABELS, st.data())
def test_every_end_of_the_training_images_holds_the_classes_in_proportion(
    labels: list[int], data: st.DataObject
) -> None:
    train, _ = split(labels, names_of(labels), sets_test_apart=True)
    held_back = data.draw(st.integers(0, len(train)))
    counts = Counter(labels[index] for index in train)
    found = Counter(labels[index] for index in train[len(train) - held_back :])

    for label, count in counts.items():
        # The end of the list is a share of the images; ties between classes shift it by one each.
        assert abs(found[label] - count * held_back / len(train)) <= len(counts)


@given(LABELS, st.randoms(use_true_random=False))
def test_the_split_does_not_depend_on_the_order_of_the_images(labels: list[int], random: Random) -> None:
    names = names_of(labels)
    order = list(range(len(labels)))
    random.shuffle(order)
    first = split(labels, names, sets_test_apart=True)
    other = split([labels[i] for i in order], [names[i] for i in order], sets_test_apart=True)

    assert first == tuple([order[index] for index in part] for part in other)


def test_the_rule_gives_the_split_that_stores_know() -> None:
    """A change of the rule needs another name, because digests of stored runs depend on it."""
    labels = [0, 1] * 6

    train, test = split(labels, names_of(labels), sets_test_apart=True)

    assert (train, test) == ([11, 8, 4, 3, 6, 7, 0, 1, 10, 5], [9, 2])
