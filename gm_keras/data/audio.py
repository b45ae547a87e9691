"""Recordings as they are stored: int16, all of one length."""

import numpy as np

from gm_keras.data.source import DataError


def fitted(samples: np.ndarray, length: int | None, where: str) -> np.ndarray:
    """A recording as int16 (length,): cut at its end, or filled up with silence.

    Args:
        samples: Floats in [-1, 1], or integers of 16 bits in any type, (samples,).
        length: In samples; None leaves the recording as it is.
        where: What errors call the recording.
    """
    samples = np.asarray(samples)
    if samples.ndim != 1:
        raise DataError(
            f"{where}: expected one channel of shape (samples,), not {samples.shape}; mix it down"
        )
    if np.issubdtype(samples.dtype, np.floating):
        # A NaN is not within either.
        if not (np.abs(samples) <= 1.0).all():
            raise DataError(
                f"{where}: samples must be floats in [-1, 1] or 16-bit integers; the largest is "
                f"{np.abs(samples).max()}"
            )
        samples = np.rint(samples.astype("float64") * 2**15).clip(max=2**15 - 1)
    elif samples.size and not -(2**15) <= samples.min() <= samples.max() < 2**15:
        raise DataError(
            f"{where}: samples of more than 16 bits: {samples.min()} to {samples.max()}"
        )
    samples = samples[:length].astype("int16")
    if length is None:
        return samples
    return np.pad(samples, (0, length - len(samples)))
