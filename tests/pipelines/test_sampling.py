"""How `gm-keras sample` calls what it drew."""

import json

import pytest

from pipelines.sampling import class_in_words


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["0", "1", "10", "11", "2"], 'class 2 ("10")'),
        (["a", "b", "caf\udce9"], r'class 2 ("caf\xe9")'),
        (["a", "b", "two\nlines"], r'class 2 ("two\nlines")'),
        (None, "class 2"),
        (["a"], "class 2"),
        ({"a": 1}, "class 2"),
        (3, "class 2"),
    ],
)
def test_a_class_is_said_by_number_and_name(tmp_path, names, words):
    (tmp_path / "data" / "cats").mkdir(parents=True)
    (tmp_path / "data/cats/dataset.json").write_text(json.dumps({"class_names": names}))
    assert class_in_words("cats", 2, tmp_path) == words


def test_the_data_need_not_be_there(tmp_path):
    assert class_in_words("cats", 2, tmp_path) == "class 2"
