"""Classes as they are asked for: names before numbers, and both are told."""

import pytest

from pipelines.shared import labels
from pipelines.shared.errors import UserError

NAMES = ["cat", "Dog", "dog", "7", "10", r"k\xe4t"]


@pytest.mark.parametrize(
    ("word", "number"),
    [
        ("cat", 0), ("CAT", 0), ("Dog", 1), ("dog", 2), ("7", 3), ("10", 4), (r"k\xe4t", 5),
        ("2", 2), ("0", 0), ("99", 99), ("-1", -1), (2, 2), (None, None),
    ],
)  # fmt: skip
def test_a_name_wins_over_a_number(word: str | int | None, number: int | None):
    assert labels.number(word, NAMES, "pets") == number


@pytest.mark.parametrize(("word", "end"), [("DOG", "Known: 10"), ("cats", 'did you mean "cat"')])
def test_a_word_that_names_no_class(word: str, end: str):
    with pytest.raises(UserError, match=f'"pets" has no class "{word}": .*{end}'):
        labels.number(word, NAMES, "pets")


def test_without_names_there_are_numbers():
    assert labels.number("2", [], "pets") == 2
    with pytest.raises(UserError, match="its classes have numbers"):
        labels.number("cat", [], "pets")


def test_a_class_is_told_by_number_and_name():
    assert labels.told(3, NAMES) == 'label 3 ("7")'
    assert labels.told(0, ["a\nb"]) == r'label 0 ("a\nb")'
    assert labels.told(3, []) == "label 3"
