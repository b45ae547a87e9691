"""SSIM, MS-SSIM and PSNR against TensorFlow."""

import numpy as np
import pytest
import tensorflow as tf
from scipy.ndimage import gaussian_filter

from gm_keras.metrics import ms_ssim, ms_ssim_setting, psnr, ssim

RNG = np.random.default_rng(0)
POWERS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def _images(height, width, channels=3, n=3):
    """Smooth images in [0, 1] beside noisy ones."""
    smooth = gaussian_filter(RNG.uniform(size=(n, height, width, channels)), (0, 2, 2, 0))
    smooth = (smooth - smooth.min()) / np.ptp(smooth)
    noise = RNG.normal(size=smooth.shape) * np.linspace(0.02, 0.4, n)[:, None, None, None]
    return smooth, np.clip(smooth + noise, 0.0, 1.0)


@pytest.mark.parametrize("size", [(32, 32, 1), (33, 47, 3), (8, 8, 1), (11, 20, 2)])
def test_ssim_agrees_with_tensorflow(size):
    a, b = _images(*size)
    window = min(11, min(size[:2]) - 1 + min(size[:2]) % 2)
    expected = tf.image.ssim(
        a.astype("float32"), b.astype("float32"), max_val=1.0, filter_size=window
    )
    signed = [(2.0 * x - 1.0).astype("float32") for x in (a, b)]
    np.testing.assert_allclose(ssim(*signed), expected, atol=1e-5)
    np.testing.assert_allclose(ssim(a, b, value_range=(0.0, 1.0)), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "scales", "window"),
    [
        ((176, 192, 1), 5, 11),
        ((161, 173, 3), 5, 11),
        ((160, 160, 1), 4, 11),
        ((64, 64, 3), 3, 11),
        ((45, 51, 1), 3, 11),
        ((28, 28, 1), 2, 11),
        ((8, 8, 1), 1, 7),
    ],
)
def test_ms_ssim_agrees_with_tensorflow(size, scales, window):
    assert ms_ssim_setting(*size[:2]) == (scales, window)
    a, b = _images(*size)
    total = 1.0 if scales == 5 else sum(POWERS[:scales])
    expected = tf.image.ssim_multiscale(
        tf.constant(a, "float32"),
        tf.constant(b, "float32"),
        max_val=1.0,
        power_factors=tuple(power / total for power in POWERS[:scales]),
        filter_size=window,
    )
    signed = [(2.0 * x - 1.0).astype("float32") for x in (a, b)]
    np.testing.assert_allclose(ms_ssim(*signed), expected, atol=1e-5)


def _naive_ssim(a, b, window):
    """Of one channel in [0, 1], place by place."""
    offsets = np.arange(window) - window // 2
    weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2.0 * 1.5**2))
    weights /= weights.sum()
    places = []
    for row in range(a.shape[0] - window + 1):
        for column in range(a.shape[1] - window + 1):
            x, y = (z[row : row + window, column : column + window] for z in (a, b))
            mean_x, mean_y = (weights * x).sum(), (weights * y).sum()
            covariance = (weights * (x - mean_x) * (y - mean_y)).sum()
            variances = (weights * ((x - mean_x) ** 2 + (y - mean_y) ** 2)).sum()
            places.append(
                (2.0 * mean_x * mean_y + 0.01**2)
                * (2.0 * covariance + 0.03**2)
                / ((mean_x**2 + mean_y**2 + 0.01**2) * (variances + 0.03**2))
            )
    return np.mean(places)


@pytest.mark.parametrize(("height", "width", "window"), [(5, 3, 3), (6, 9, 5), (14, 12, 11)])
def test_ssim_agrees_with_the_definition(height, width, window):
    a, b = _images(height, width, channels=1)
    expected = [_naive_ssim(*pair, window) for pair in zip(a[..., 0], b[..., 0], strict=True)]
    np.testing.assert_allclose(ssim(a, b, value_range=(0.0, 1.0)), expected, rtol=1e-9)


def test_bytes_agree_with_tensorflow():
    a, b = ((255.0 * x).astype("uint8") for x in _images(180, 180))
    np.testing.assert_allclose(ssim(a, b), tf.image.ssim(a, b, max_val=255), atol=1e-5)
    np.testing.assert_allclose(ms_ssim(a, b), tf.image.ssim_multiscale(a, b, 255), atol=1e-5)
    np.testing.assert_allclose(psnr(a, b), tf.image.psnr(a, b, max_val=255), rtol=1e-5)


def test_images_of_one_pixel_have_a_setting():
    assert ms_ssim_setting(1, 1) == (1, 1)
    with pytest.raises(ValueError, match="at least one pixel"):
        ms_ssim_setting(0, 4)


def test_equal_images():
    a, _ = _images(16, 16)
    assert np.all(np.isposinf(psnr(a, a)))
    np.testing.assert_allclose(ssim(a, a), 1.0)
    np.testing.assert_allclose(ms_ssim(a, a), 1.0)


def test_psnr_of_a_constant_difference():
    # A tenth of the range everywhere: 20 dB.
    a = np.zeros((2, 4, 4, 1))
    assert psnr(a, a + 0.2) == pytest.approx([20.0, 20.0])


def test_opposite_images_are_not_alike():
    a, _ = _images(32, 32)
    assert np.all(ssim(a, 1.0 - a, value_range=(0.0, 1.0)) < 0.0)
    result = ms_ssim(a, 1.0 - a, value_range=(0.0, 1.0))
    assert np.all((result >= 0.0) & (result < 0.5))


def test_many_images_are_compared_one_by_one():
    # More than are read at once.
    a = RNG.uniform(-1.0, 1.0, size=(500, 32, 32, 3)).astype("float32")
    b = a[::-1].copy()
    each = [float(ssim(a[i : i + 1], b[i : i + 1])[0]) for i in (0, 250, 499)]
    assert ssim(a, b)[[0, 250, 499]] == pytest.approx(each)


@pytest.mark.parametrize("function", [psnr, ssim, ms_ssim])
def test_wrong_images_are_refused(function):
    a = np.zeros((2, 8, 8, 1), "float32")
    with pytest.raises(ValueError, match="one shape"):
        function(a, a[:1])
    with pytest.raises(ValueError, match="one shape"):
        function(a[0], a[0])
    with pytest.raises(ValueError, match=r"b has values from 1\.5 to 1\.5, out of the range"):
        function(a, a + 1.5)
    with pytest.raises(ValueError, match="a has values from nan"):
        function(a + np.nan, a)
    with pytest.raises(ValueError, match="value_range"):
        function(a.astype("int64"), a.astype("int64"))
    with pytest.raises(ValueError, match="value_range"):
        function(a.astype("uint8"), a)
    with pytest.raises(ValueError, match="least, greatest"):
        function(a, a, value_range=(1.0, 0.0))
    # What rounding does to the end of the range is no error.
    assert len(function(a + 1.000001, a)) == 2
