"""Which example goes into which split."""

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


def counts(labels: np.ndarray, plan: dict) -> dict[str, list[int]]:
    assert sorted(np.concatenate(list(plan["train"].values()))) == list(range(len(labels)))
    size = labels.max() + 1
    return {
        split: np.bincount(labels[rows], minlength=size).tolist()
        for split, rows in plan["train"].items()
    }


def test_a_draw_that_is_fair_to_the_classes_is_kept():
    labels = np.random.default_rng(5).permutation(np.repeat(np.arange(10), 144))
    plain, given = (
        assign({"train": 1440, "test": 9}, 0.1, 0.1, 0, each) for each in (None, labels)
    )
    assert given["train"].keys() == {"validation", "train"}
    for split, rows in plain["train"].items():
        np.testing.assert_array_equal(given["train"][split], rows)


@pytest.mark.parametrize("seed", range(4))
def test_each_class_has_its_part_of_each_split(seed: int):
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(40), 10))
    plan = assign({"train": 400}, 0.1, 0.1, seed, labels)
    assert counts(labels, plan) == {"train": [8] * 40, "validation": [1] * 40, "test": [1] * 40}
    same = assign({"train": 400}, 0.1, 0.1, seed, labels)
    other = assign({"train": 400}, 0.1, 0.1, seed + 10, labels)
    for split, rows in plan["train"].items():
        np.testing.assert_array_equal(same["train"][split], rows)
        assert not np.array_equal(other["train"][split], rows)


def test_rare_classes_go_first_to_the_training():
    # One of 90, one of 3, 7 of 1: the three are one for each split, the single ones are trained on.
    labels = np.array([0] * 90 + [1] * 3 + [2, 3, 4, 5, 6, 7, 8])
    found = counts(labels, assign({"train": 100}, 0.1, 0.1, 0, labels))
    assert found["test"][:2] == found["validation"][:2] == [9, 1]
    assert found["train"] == [72, 1, 1, 1, 1, 1, 1, 1, 1]


def test_more_classes_than_room():
    labels = np.repeat(np.arange(3), 4)
    found = counts(labels, assign({"train": 12}, 0.1, 0.1, 0, labels))
    assert [sum(found[split]) for split in ("test", "validation", "train")] == [1, 1, 10]
    assert min(found["train"]) == 3
    alone = np.arange(20)  # no class can be both trained on and tested
    found = counts(alone, assign({"train": 20}, 0.1, 0.1, 0, alone))
    assert [sum(found[split]) for split in ("test", "validation", "train")] == [2, 2, 16]


def test_every_draw_gives_each_class_what_there_is_room_for():
    for seed in range(300):
        random = np.random.default_rng(seed)
        sizes = random.integers(1, 25, random.integers(2, 12))
        labels = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
        validation, test = random.uniform(0.05, 0.3, 2)
        if len(labels) < 10:
            continue
        arguments = ({"train": len(labels)}, validation, test, seed)
        plan = assign(*arguments, labels)
        plain = assign(*arguments)["train"]
        assert {split: len(rows) for split, rows in plan["train"].items()} == {
            split: len(rows) for split, rows in plain.items()
        }
        for split, found in counts(labels, plan).items():
            in_three = np.array(found)[sizes >= 3]
            if split == "train":
                assert (np.array(found) > 0).all() or len(labels) - sum(found) > sum(sizes - 1)
            else:
                assert (in_three > 0).all() or sum(found) < (sizes >= 2).sum()
