"""Which examples of a training keep their labels, where only so many are to be known."""

import numpy as np

from gm_keras.data.prepared import PreparedData

#: What stands in the place of a label that is not known.
UNKNOWN = -1
# Keeps the draw apart from the orders of the batches, which have the same seed.
_DRAW = 7


def labelled_rows(data: PreparedData, labels: int, seed: int, split: str = "train") -> np.ndarray:
    """Draws the examples whose labels are known, as evenly over the classes as there are examples of each.

    A function of the labels, the seed and nothing else; those of a smaller number are among those of a larger one.

    Args:
        data: The data set.
        labels: How many.
        seed: Of the draw.
        split: Of the data set.

    Returns:
        Rows of the split, in their order.

    Raises:
        ValueError: One line: there are no labels, fewer than that, or more classes.
    """
    arrays = data.arrays(split)
    if "label" not in arrays:
        raise ValueError(f'data set "{data.name}" has no labels')
    of_rows = np.asarray(arrays["label"])
    size, classes = len(of_rows), data.num_classes or 0
    if labels > size:
        raise ValueError(
            f'{labels} labels are more than the {size} examples of split "{split}" of data set '
            f'"{data.name}": set it to at most {size}'
        )
    if labels < classes:
        raise ValueError(
            f'{labels} labels are fewer than the {classes} classes of data set "{data.name}": '
            f"set it to at least {classes}"
        )
    generator = np.random.default_rng([seed, size, _DRAW])
    order, turns, places = generator.permutation(size), np.empty(size, int), np.empty(size, int)
    used = np.unique(of_rows)
    for each, place in zip(used, generator.permutation(len(used)), strict=True):
        members = order[of_rows[order] == each]
        turns[members], places[members] = np.arange(len(members)), place
    # One of each class, then a second of each, and so on; which class comes first is drawn.
    return np.sort(np.lexsort((places, turns))[:labels])


def only(labels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Labels of which those of some rows are known: int32 `(n,)`."""
    known = np.full(len(labels), UNKNOWN, "int32")
    known[rows] = labels[rows]
    return known
