"""Drawings: points after each other, each with the way to it and what the pen does then.

The form is that of D. Ha, D. Eck: A neural representation of sketch drawings, 2017 (arXiv 1704.03477), with the
three states of the pen in one number: a drawing is (length, 3), where a row is (dx, dy, pen), the offset from the
point before and `DOWN`, `UP` or `ENDED`.
"""

import numpy as np

#: After this point the pen draws on; it is lifted, so that nothing is drawn on the way to the next point; the drawing
#: has ended before this row, which only fills up.
DOWN, UP, ENDED = 0, 1, 2


def joined(points: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Cuts one long array into drawings of one length.

    Args:
        points: (sum of lengths, 3) of dx, dy and pen.
        lengths: The points of each drawing, (n,).

    Returns:
        float32 (n, longest, 3), filled up with (0, 0, `ENDED`).

    Raises:
        ValueError: One line, if the two do not go together.
    """
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or not lengths.size:
        raise ValueError(f"lengths are integers (n,), not {lengths.dtype} of shape {lengths.shape}")
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(
            f"strokes with lengths have the shape (points, 3), end to end, not {points.shape}"
        )
    if lengths.min() < 1 or int(lengths.sum()) != len(points):
        raise ValueError(
            f"lengths of at least 1 that add up to the {len(points)} points of the strokes are needed; these "
            f"begin at {lengths.min()} and add up to {lengths.sum()}"
        )
    drawings = np.zeros((len(lengths), int(lengths.max()), 3), "float32")
    drawings[..., 2] = ENDED
    drawings[np.arange(drawings.shape[1]) < lengths[:, None]] = points
    return drawings


def from_one_hot(drawings: np.ndarray) -> np.ndarray:
    """Drawings of (dx, dy, draws on, lifted, ended), where one of the last three is 1, as float32 (n, length, 3)."""
    states = drawings[..., 2:]
    if not (np.isin(states, (0, 1)).all() and (states.sum(axis=-1) == 1).all()):
        raise ValueError("of the last three of the five numbers of a point, one is 1 and two are 0")
    states = states.argmax(axis=-1)[..., None]
    return np.concatenate([drawings[..., :2], states], axis=-1).astype("float32")


def check(drawings: np.ndarray) -> None:
    """Raises a `ValueError` in one line for what is no drawing, (n, length, 3)."""
    if not np.isfinite(drawings).all():
        row = int(np.argmin(np.isfinite(drawings).all(axis=(1, 2))))
        raise ValueError(f"drawing {row} has a value that is NaN or infinite")
    pen = drawings[..., 2]
    if not np.isin(pen, (DOWN, UP, ENDED)).all():
        wrong = pen[~np.isin(pen, (DOWN, UP, ENDED))][0]
        raise ValueError(
            f"the pen is {DOWN} (draws on), {UP} (is lifted) or {ENDED} (the drawing has ended), not {wrong:g}"
        )
    ended = pen == ENDED
    if ended[:, 0].any():
        raise ValueError(f"drawing {int(np.argmax(ended[:, 0]))} has no point")
    if (ended[:, :-1] & ~ended[:, 1:]).any():
        row = int(np.argmax((ended[:, :-1] & ~ended[:, 1:]).any(axis=1)))
        raise ValueError(f"drawing {row} goes on after its end")
