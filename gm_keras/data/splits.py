"""Which example of a source goes into which split: a function of the counts and the seed."""

import numpy as np

from gm_keras.data.source import DataError

MINIMUM = 10
SPLITS = ("train", "validation", "test")
# What they are called elsewhere: by TFDS, in folders, in .npz files.
ALIASES = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
}


def assign(
    counts: dict[str, int], validation: float, test: float, seed: int
) -> dict[str, dict[str, np.ndarray]]:
    """Cuts from `train` what the source does not have as a split of its own.

    Args:
        counts: The examples in each split of the source.
        validation: The part of `train` that becomes `validation`, if the source has none.
        test: Likewise for `test`.
        seed: Chooses the examples.

    Returns:
        For each split of the source, the sorted rows that go to each split of ours: sorted, so
        that a source is read once, from first to last.
    """
    n = counts["train"]
    if n < MINIMUM:
        raise DataError(f"{n} examples to train on are too few: at least {MINIMUM} are needed")
    order = np.random.default_rng(seed).permutation(n)
    plan: dict[str, dict[str, np.ndarray]] = {"train": {}}
    start = 0
    for split, part in (("test", test), ("validation", validation)):
        if split in counts:
            plan[split] = {split: np.arange(counts[split])}
            continue
        if not 0.0 < part < 1.0:
            raise DataError(f"{split} is the part cut from the data, between 0 and 1, not {part}")
        stop = start + max(1, round(part * n))
        plan["train"][split] = np.sort(order[start:stop])
        start = stop
    if start >= n:
        raise DataError(f"validation {validation} and test {test} leave nothing to train on")
    plan["train"]["train"] = np.sort(order[start:])
    return plan


def cut(counts: dict[str, int], validation: float, test: float) -> list[tuple[str, int]]:
    """Cuts from the end of `train` what a text does not have as a split of its own.

    Args:
        counts: The tokens in each split of the source.
        validation: The part of `train` that becomes `validation`, if the source has none.
        test: Likewise for `test`.

    Returns:
        The missing splits, last part first, each with the token of `train` that it begins with;
        it ends where the one before begins.
    """
    left, starts = counts["train"], []
    for split, part in (("test", test), ("validation", validation)):
        if split not in counts:
            left -= max(1, round(part * counts["train"]))
            starts.append((split, left))
    if left < MINIMUM:
        raise DataError(
            f"{max(left, 0)} of {counts['train']} tokens to train on are too few: at least "
            f"{MINIMUM} are needed"
        )
    return starts
