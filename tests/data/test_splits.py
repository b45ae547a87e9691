import numpy as np
import pytest

from gm_keras.data.source import DataError
from gm_keras.data.splits import assign


def test_the_parts_are_disjoint_and_complete():
    plan = assign({"train": 100}, 0.1, 0.2, seed=3)
    rows = plan["train"]
    assert {split: len(part) for split, part in rows.items()} == {
        "train": 70, "validation": 10, "test": 20,
    }  # fmt: skip
    assert sorted(np.concatenate(list(rows.values()))) == list(range(100))
    assert all((np.diff(part) > 0).all() for part in rows.values())


def test_the_seed_chooses_the_parts():
    first, same, other = (assign({"train": 100}, 0.1, 0.1, seed)["train"] for seed in (0, 0, 1))
    for split in first:
        np.testing.assert_array_equal(first[split], same[split])
        assert not np.array_equal(first[split], other[split])


def test_splits_of_the_source_stay_whole():
    plan = assign({"train": 50, "validation": 7, "test": 9}, 0.1, 0.1, seed=0)
    np.testing.assert_array_equal(plan["train"]["train"], np.arange(50))
    np.testing.assert_array_equal(plan["validation"]["validation"], np.arange(7))
    np.testing.assert_array_equal(plan["test"]["test"], np.arange(9))
    plan = assign({"train": 50, "test": 9}, 0.1, 0.1, seed=0)
    assert len(plan["train"]["train"]) == 45
    assert len(plan["train"]["validation"]) == 5


def test_too_few_examples_and_impossible_parts():
    with pytest.raises(DataError, match="9 examples to train on are too few: at least 10"):
        assign({"train": 9}, 0.1, 0.1, seed=0)
    with pytest.raises(DataError, match=r"validation is the part .* not 0.0"):
        assign({"train": 50}, 0.0, 0.1, seed=0)
    with pytest.raises(DataError, match="leave nothing"):
        assign({"train": 10}, 0.5, 0.5, seed=0)
