"""Which labels of a training are known: as evenly over the classes as can be, by the seed, and no others."""

import numpy as np
import pytest
from keras import ops

from gm_keras.data import Batches
from gm_keras.data.few_labels import labelled_rows

pytestmark = pytest.mark.backend

#: Of 60 examples: one class is rare, and so it has all its labels before others have more.
CLASSES = np.repeat([0, 1, 2], [38, 19, 3])


@pytest.fixture
def data(make_data):
    """All examples but a few are of the training split, in an order of its own."""
    splits = {}
    for split, classes in (("train", CLASSES), ("validation", [0, 1, 2]), ("test", [0, 1, 2])):
        shuffled = np.random.default_rng(0).permutation(classes)
        splits[f"{split}_y"] = shuffled
        splits[f"{split}_x"] = np.arange(2.0 * len(shuffled)).reshape(-1, 2).astype("float32")
    return make_data(**splits)


@pytest.mark.parametrize(
    ("labels", "most_even"),
    [(3, [1, 1, 1]), (6, [2, 2, 2]), (9, [3, 3, 3]), (13, [5, 5, 3]), (42, [20, 19, 3])],
)
def test_classes_have_as_many_labels_as_can_be(data, labels, most_even):
    rows = labelled_rows(data, labels, seed=4)
    assert len(set(rows)) == labels
    found = np.bincount(data.arrays("train")["label"][rows], minlength=3)
    np.testing.assert_array_equal(found, most_even)


def test_what_is_left_over_goes_to_one_class_or_another(data):
    more = set()
    for seed in range(20):
        found = np.bincount(data.arrays("train")["label"][labelled_rows(data, 4, seed)])
        assert sorted(found) == [1, 1, 2]
        more.add(int(found.argmax()))
    assert more == {0, 1, 2}


def test_the_seed_decides_and_fewer_are_among_more(data):
    first = labelled_rows(data, 6, seed=4)
    np.testing.assert_array_equal(labelled_rows(data, 6, seed=4), first)
    assert set(first) < set(labelled_rows(data, 13, seed=4))
    assert set(first) != set(labelled_rows(data, 6, seed=5))
    # They are no more often than others in the first batch.
    firsts = [
        len(set(Batches(data, "train", 6, seed).order(0)[:6]) & set(labelled_rows(data, 6, seed)))
        for seed in range(50)
    ]
    assert np.mean(firsts) < 1.5


@pytest.mark.parametrize("on_device", [False, True])
def test_all_other_labels_are_unknown(data, on_device):
    known = labelled_rows(data, 6, seed=4)
    batches = Batches(data, "train", 12, 4, labelled=known, on_device=on_device)
    plain = Batches(data, "train", 12, 4)
    seen = 0
    for step in range(5):
        rows = plain.order(0)[12 * step : 12 * (step + 1)]
        batch, expected = batches.read(step), plain.read(step)
        label = ops.convert_to_numpy(batch["label"])
        assert label.dtype == np.int32
        np.testing.assert_array_equal(label, np.where(np.isin(rows, known), expected["label"], -1))
        np.testing.assert_array_equal(ops.convert_to_numpy(batch["features"]), expected["features"])
        seen += (label >= 0).sum()
    assert seen == 6


def test_what_cannot_be_is_one_line(data, make_data):
    for labels, message in (
        (2, 'labels are fewer than the 3 classes of data set "own": set it to at least 3'),
        (61, 'labels are more than the 60 examples of split "train" .*: set it to at most 60'),
    ):
        with pytest.raises(ValueError, match=f"^{labels} {message}"):
            labelled_rows(data, labels, 0)
    with pytest.raises(ValueError, match=r'^data set "own" has no labels$'):
        labelled_rows(make_data(x=np.zeros((30, 2), "float32")), 3, 0)
