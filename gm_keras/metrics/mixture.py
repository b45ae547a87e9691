"""How well samples find the modes of a mixture that is known."""

import numpy as np
from scipy.spatial import KDTree

from gm_keras.metrics.estimate import Estimate, TooFewSamples
from gm_keras.metrics.streams import checked_pair, chunks

# Within how many deviations of a mode a sample is of high quality.
REACH = 3.0


def mode_coverage(
    generated: np.ndarray, centres: np.ndarray, deviation: float | np.ndarray
) -> tuple[Estimate, Estimate]:
    """Modes that are found, and share of high-quality samples (Srivastava et al. 2017, VEEGAN, arXiv 1705.07761).

    A sample is of high quality if it lies within three standard deviations of the nearest centre, and a mode is found
    if there is such a sample.

    The standard error of the share is that of independent samples; that of the number of modes is its spread over
    bootstrap resamples, in closed form, with the modes taken as independent of each other. A mode that was not found
    does not enter it.

    Args:
        generated: Samples `(n, d)`; an array or a memory map.
        centres: Means of the modes `(modes, d)`.
        deviation: Standard deviation of each coordinate within a mode; one for all, or `(modes,)`.

    Returns:
        The number of modes that are found, and the share of samples of high quality, in [0, 1].

    Raises:
        TooFewSamples: If there are fewer than two samples, or no centre.
        ValueError: If the arrays do not fit each other or are not finite, or a deviation is not positive.
    """
    generated, centres = checked_pair(generated, centres, names=("generated", "centres"))
    if len(generated) < 2:
        raise TooFewSamples(f"generated must have at least 2 rows, but has {len(generated)}")
    reach = REACH * np.asarray(deviation, "float64")
    if reach.shape not in ((), (len(centres),)) or not np.all((reach > 0.0) & np.isfinite(reach)):
        raise ValueError(
            f"deviation must be one positive number or {len(centres)} of them, one for each centre, "
            f"not {deviation}"
        )
    reach = np.broadcast_to(reach, (len(centres),))
    tree = KDTree(centres.astype("float64"))
    counts = np.zeros(len(centres), int)
    for _, part in chunks(generated, "modes"):
        distance, mode = tree.query(part)
        counts += np.bincount(mode[distance <= reach[mode]], minlength=len(centres))
    n = len(generated)
    share = counts.sum() / n
    missed = (1.0 - counts / n)[counts > 0] ** n
    return (
        Estimate((counts > 0).sum(), np.sqrt((missed * (1.0 - missed)).sum())),
        Estimate(share, np.sqrt(share * (1.0 - share) / (n - 1))),
    )
