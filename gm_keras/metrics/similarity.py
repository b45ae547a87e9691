"""How alike two images are: PSNR, SSIM and its form on several scales."""

from collections.abc import Callable

import numpy as np
from scipy.ndimage import correlate1d

from gm_keras.metrics.streams import read, rows_at_once
from gm_keras.progress import progress

# Wang et al. 2004: side and deviation of the Gaussian window in pixels, and the constants of luminance and contrast.
WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03
# Wang et al. 2003: exponents of the scales, the finest first.
POWERS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Relative to the range: how far rounding may put an intensity out of it.
TOLERANCE = 1e-5

Range = tuple[float, float]


def psnr(a: np.ndarray, b: np.ndarray, value_range: Range | None = None) -> np.ndarray:
    """Peak signal-to-noise ratio of pairs of images, in decibels.

    Args:
        a: Images `(n, height, width, channels)`; an array or a memory map.
        b: The images beside them, of the same shape.
        value_range: The least and the greatest intensity that there can be; by default (0, 255) for uint8 and (-1, 1)
            for floating point.

    Returns:
        `(n,)`, float64; infinite for equal images.

    Raises:
        ValueError: If the images do not fit each other, or their values do not fit the range.
    """

    def ratio(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        error = np.mean((x - y) ** 2, axis=(1, 2, 3))
        with np.errstate(divide="ignore"):
            return -10.0 * np.log10(error)

    return _each_pair(a, b, value_range, ratio, "PSNR")


def ssim(a: np.ndarray, b: np.ndarray, value_range: Range | None = None) -> np.ndarray:
    """Structural similarity of pairs of images (Wang et al. 2004, "Image Quality Assessment").

    The window is Gaussian, 11 pixels wide with a deviation of 1.5, and stays within the image; in images that are
    smaller it is the largest odd number of pixels that fits. The constants are K1 = 0.01 and K2 = 0.03, for intensities
    that have been brought to [0, 1]; channels are compared one by one and averaged.

    Args:
        a: Images `(n, height, width, channels)`; an array or a memory map.
        b: The images beside them, of the same shape.
        value_range: The least and the greatest intensity that there can be; by default (0, 255) for uint8 and (-1, 1)
            for floating point.

    Returns:
        `(n,)`, float64, at most 1.

    Raises:
        ValueError: If the images do not fit each other, or their values do not fit the range.
    """

    def similarity(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        _, window = ms_ssim_setting(*x.shape[1:3])
        return _parts(x, y, window)[0].mean(axis=1)

    return _each_pair(a, b, value_range, similarity, "SSIM")


def ms_ssim(a: np.ndarray, b: np.ndarray, value_range: Range | None = None) -> np.ndarray:
    """Structural similarity on several scales (Wang et al. 2003, "Multiscale Structural Similarity").

    Each scale halves the one before by means over 2 x 2 pixels (an odd side is first lengthened by its last row), and
    counts with the published exponents: contrast and structure of every scale, and luminance of the coarsest. There
    are five scales in images of 161 pixels or more. In smaller images there are as many as hold the window, and the
    exponents that are left are divided by their sum (that of all five is 1.0001, and left so); `ms_ssim_setting` says how many. A negative contrast counts as 0.

    Args:
        a: Images `(n, height, width, channels)`; an array or a memory map.
        b: The images beside them, of the same shape.
        value_range: The least and the greatest intensity that there can be; by default (0, 255) for uint8 and (-1, 1)
            for floating point.

    Returns:
        `(n,)`, float64, from 0 to 1.

    Raises:
        ValueError: If the images do not fit each other, or their values do not fit the range.
    """

    def similarity(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        scales, window = ms_ssim_setting(*x.shape[1:3])
        powers = np.array(POWERS[:scales])
        if scales < len(POWERS):
            powers /= powers.sum()
        product = 1.0
        for scale, power in enumerate(powers):
            if scale:
                x, y = _halved(x), _halved(y)
            whole, contrast = _parts(x, y, window)
            factor = whole if scale == scales - 1 else contrast
            product = product * np.maximum(factor, 0.0) ** power
        return product.mean(axis=1)

    return _each_pair(a, b, value_range, similarity, "MS-SSIM")


def ms_ssim_setting(height: int, width: int) -> tuple[int, int]:
    """How many scales `ms_ssim` uses for images of this size, and the side of its window in pixels.

    Raises:
        ValueError: If the image is empty.
    """
    side = min(height, width)
    if side < 1:
        raise ValueError(f"an image must have at least one pixel, not {height} x {width}")
    window = min(WINDOW, side - 1 + side % 2)
    scales = 1
    while scales < len(POWERS) and side > 1 and -(-side // 2) >= window:
        side = -(-side // 2)
        scales += 1
    return scales, window


def _each_pair(
    a: np.ndarray,
    b: np.ndarray,
    value_range: Range | None,
    function: Callable[[np.ndarray, np.ndarray], np.ndarray],
    description: str,
) -> np.ndarray:
    a, b = (x if isinstance(x, np.ndarray) else np.asarray(x) for x in (a, b))
    if a.ndim != 4 or a.shape != b.shape or 0 in a.shape:
        raise ValueError(
            "a and b must be images (n, height, width, channels) of one shape, not of "
            f"{a.shape} and {b.shape}"
        )
    ranges = _range(a, "a", value_range), _range(b, "b", value_range)
    if ranges[0] != ranges[1]:
        raise ValueError(
            f"a is of {a.dtype} and b of {b.dtype}: give both as one, or a value_range"
        )
    result = np.empty(len(a))
    # A handful of arrays of this size is held at once.
    rows = max(1, rows_at_once(int(np.prod(a.shape[1:]))) // 4)
    with progress(len(a), description) as bar:
        for start in range(0, len(a), rows):
            stop = min(start + rows, len(a))
            first = _scaled(read(a, start, stop), "a", ranges[0])
            result[start:stop] = function(first, _scaled(read(b, start, stop), "b", ranges[1]))
            bar.update(stop - start)
    return result


def _range(images: np.ndarray, name: str, value_range: Range | None) -> Range:
    if value_range is not None:
        low, high = map(float, value_range)
        if not low < high:
            raise ValueError(f"value_range must be (least, greatest), not {value_range}")
        return low, high
    if images.dtype == np.uint8:
        return 0.0, 255.0
    if images.dtype.kind == "f":
        return -1.0, 1.0
    raise ValueError(f"{name} is of {images.dtype}: say its value_range")


def _scaled(images: np.ndarray, name: str, value_range: Range) -> np.ndarray:
    """Brings images of a range to [0, 1]."""
    low, high = value_range
    least, greatest = images.min(), images.max()
    slack = TOLERANCE * (high - low)
    if not (least >= low - slack and greatest <= high + slack):
        raise ValueError(
            f"{name} has values from {least:g} to {greatest:g}, out of the range from {low:g} to {high:g}: "
            "scale or clip it, or say its value_range"
        )
    return (images - low) / (high - low)


def _parts(x: np.ndarray, y: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Similarity, and the part of it that is contrast and structure: means over the places, `(n, channels)`."""
    c1, c2 = K1**2, K2**2
    mean_x, mean_y = _blurred(x, window), _blurred(y, window)
    squares = _blurred(x**2 + y**2, window) - mean_x**2 - mean_y**2
    products = _blurred(x * y, window) - mean_x * mean_y
    contrast = (2.0 * products + c2) / (squares + c2)
    luminance = (2.0 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
    return (luminance * contrast).mean(axis=(1, 2)), contrast.mean(axis=(1, 2))


def _blurred(x: np.ndarray, window: int) -> np.ndarray:
    """Means under a Gaussian window, at the places where it lies within the image."""
    reach = window // 2
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / SIGMA) ** 2)
    weights /= weights.sum()
    for axis in (1, 2):
        x = correlate1d(x, weights, axis=axis)
    return x[:, reach : x.shape[1] - reach, reach : x.shape[2] - reach]


def _halved(x: np.ndarray) -> np.ndarray:
    x = np.pad(x, ((0, 0), (0, x.shape[1] % 2), (0, x.shape[2] % 2), (0, 0)), mode="symmetric")
    n, height, width, channels = x.shape
    return x.reshape(n, height // 2, 2, width // 2, 2, channels).mean(axis=(2, 4))
