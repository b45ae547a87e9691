"""Which example of a source goes into which split: a function of the counts and the seed."""

import numpy as np

from gm_keras.data.source import DataError

MINIMUM = 10
SPLITS = ("train", "validation", "test")
# What a source may have beside them, and no other source lacks: combinations that are not in `train`.
FURTHER = ("unseen",)
# What they are called elsewhere: by TFDS, in folders, in .npz files.
ALIASES = {
    "train": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "test": "test",
    "unseen": "unseen",
}


def assign(
    counts: dict[str, int],
    validation: float,
    test: float,
    seed: int,
    labels: np.ndarray | None = None,
) -> dict[str, dict[str, np.ndarray]]:
    """Cuts from `train` what the source does not have as a split of its own.

    Examples are drawn whatever their class is. Only where that leaves a class with less than a third of its
    share of a split, the splits are stratified: each class gives as many examples as its share says, rounded,
    and at least one to each split if it has three and the split has room.

    Args:
        counts: The examples in each split of the source.
        validation: The part of `train` that becomes `validation`, if the source has none.
        test: Likewise for `test`.
        seed: Chooses the examples.
        labels: The class of each example of `train`, if there are classes.

    Returns:
        For each split of the source, the sorted rows that go to each split of ours: sorted, so
        that a source is read once, from first to last.
    """
    n = counts["train"]
    if n < MINIMUM:
        given = "1 example to train on is" if n == 1 else f"{n} examples to train on are"
        raise DataError(f"{given} too few: at least {MINIMUM} are needed")
    order = np.random.default_rng(seed).permutation(n)
    plan: dict[str, dict[str, np.ndarray]] = {"train": {}}
    plan |= {split: {split: np.arange(counts[split])} for split in FURTHER if split in counts}
    sizes: dict[str, int] = {}
    for split, part in (("test", test), ("validation", validation)):
        if split in counts:
            plan[split] = {split: np.arange(counts[split])}
            continue
        if not 0.0 < part < 1.0:
            raise DataError(f"{split} is the part cut from the data, between 0 and 1, not {part}")
        sizes[split] = max(1, round(part * n))
    sizes["train"] = n - sum(sizes.values())
    if sizes["train"] < 1:
        raise DataError(f"validation {validation} and test {test} leave nothing to train on")
    parts = np.split(order, np.cumsum(list(sizes.values()))[:-1])
    if labels is not None and _starves(labels, parts):
        parts = _stratified(labels, order, list(sizes.values()))
    plan["train"] |= {split: np.sort(part) for split, part in zip(sizes, parts, strict=True)}
    return plan


def _starves(labels: np.ndarray, parts: list[np.ndarray]) -> bool:
    """Whether a class has less than a third of its share of a part, or nothing of it.

    The last part is to train on, and needs every class; the others need those with an example for each part.
    """
    classes, counts = np.unique(labels, return_counts=True)
    for part in parts:
        needed = (counts >= len(parts)) | (part is parts[-1])
        has = np.bincount(np.searchsorted(classes, labels[part]), minlength=len(classes))
        share = counts * len(part) / len(labels)
        if (needed & (has < np.maximum(1, share // 3))).any():
            return True
    return False


def _stratified(labels: np.ndarray, order: np.ndarray, sizes: list[int]) -> list[np.ndarray]:
    """Cuts an order of examples into parts in which each class has its share.

    Args:
        labels: The class of each example.
        order: The examples as they were drawn; within a class they are taken in this order.
        sizes: Of the parts; the last one is to train on.
    """
    # Classes in the order in which they were drawn: where there is not room for all, the seed chooses.
    drawn, first, place = np.unique(labels[order], return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first))[place]
    left = np.bincount(place, minlength=len(drawn))
    total, taken = left.copy(), np.zeros_like(left)
    # Where each example stands among those of its class.
    by_class = np.argsort(place, kind="stable")
    rank = np.empty(len(order), "int64")
    rank[by_class] = np.arange(len(order)) - np.repeat(np.cumsum(total) - total, total)
    parts = []
    for number, size in enumerate(sizes[:-1]):
        later = len(sizes) - 1 - number
        quota = _quotas(left, size, later)
        parts.append(order[(rank >= taken[place]) & (rank < (taken + quota)[place])])
        taken, left = taken + quota, left - quota
    parts.append(order[rank >= taken[place]])
    return parts


def _quotas(left: np.ndarray, size: int, later: int) -> np.ndarray:
    """How many examples of each class go into a part.

    Args:
        left: The examples of each class that are in no part yet.
        size: Of the part.
        later: The parts that are still to come, each of which should have one of every class.
    """
    share = left * size / left.sum()
    # One for each later part; of what is rarer, the last part, which is to train on, goes first.
    room = left - np.minimum(later, np.maximum(left - 1, 1))
    for most in (np.maximum(room, 0), left):
        quota = np.minimum(np.maximum(np.floor(share), 1), most).astype("int64")
        while quota.sum() > size:
            # From the classes that have most above their share; the only one of a class goes last.
            above = np.where(quota > 0, quota - share, -np.inf)
            quota[np.argmax(np.where((quota > 1).any() & (quota == 1), -np.inf, above))] -= 1
        while quota.sum() < size and (quota < most).any():
            quota[np.argmax(np.where(quota < most, share - quota, -np.inf))] += 1
        if quota.sum() == size:
            break
    return quota


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
