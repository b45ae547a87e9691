"""Whether the numbers of a data set are of a size that networks learn from."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from gm_keras.data import PreparedData

#: Networks begin with weights for features of about 1.
FAR = 100.0
ROWS = 65_536


def unscaled(data: "PreparedData") -> str | None:
    """Says what of a data set's features is far from a mean of 0 and a standard deviation of 1.

    Args:
        data: Images and audio come scaled; only vectors are as the user's file has them.

    Returns:
        Such as 'the features of "table" have means up to 2e+04 ...'; None where all is well.
    """
    if data.primary != "features":
        return None
    rows = data.arrays("train")["features"]
    columns = rows.shape[1]
    total, squares = np.zeros(columns), np.zeros(columns)
    for first in range(0, len(rows), ROWS):
        part = rows[first : first + ROWS].astype("float64")
        total += part.sum(axis=0)
        squares += np.square(part).sum(axis=0)
    mean = total / len(rows)
    deviation = np.sqrt(np.maximum(squares / len(rows) - np.square(mean), 0.0))
    if max(np.abs(mean).max(), deviation.max()) <= FAR:
        return None
    return (
        f'the features of "{data.name}" have means up to {np.abs(mean).max():.2g} and standard deviations '
        f"up to {deviation.max():.2g}: scale each to a mean of 0 and a standard deviation of 1"
    )
