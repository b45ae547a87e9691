"""Conditional batch normalization against NumPy."""

import numpy as np
import pytest
from keras import ops

from gm_keras.layers.conditional_normalization import ConditionalBatchNormalization

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

RNG = np.random.default_rng(0)
VALUES = RNG.normal(2.0, 3.0, size=(6, 4, 4, 5)).astype("float32")
CLASSES = np.array([0, 1, 2, 0, 1, 2])
ONE_HOT = np.eye(3, dtype="float32")[CLASSES]


def test_a_class_has_its_own_scale_and_shift():
    layer = ConditionalBatchNormalization()
    plain = ops.convert_to_numpy(layer([VALUES, ONE_HOT], training=True))
    expected = (VALUES - VALUES.mean((0, 1, 2))) / np.sqrt(VALUES.var((0, 1, 2)) + 1e-5)
    np.testing.assert_allclose(plain, expected, atol=1e-4)
    scale, shift = RNG.normal(size=(2, 3, 5)).astype("float32")
    layer.scale.kernel.assign(scale)
    layer.shift.kernel.assign(shift)
    actual = ops.convert_to_numpy(layer([VALUES, ONE_HOT], training=True))
    expected = expected * (1.0 + scale)[CLASSES][:, None, None] + shift[CLASSES][:, None, None]
    np.testing.assert_allclose(actual, expected, atol=1e-4)


def test_statistics_are_of_all_classes_and_move_in_training_only():
    layer = ConditionalBatchNormalization(momentum=0.5)
    layer([VALUES, ONE_HOT])
    np.testing.assert_array_equal(layer.normalization.moving_mean, np.zeros(5))
    layer([VALUES, ONE_HOT], training=True)
    np.testing.assert_allclose(
        layer.normalization.moving_mean, 0.5 * VALUES.mean((0, 1, 2)), atol=1e-5
    )


def test_with_spectral_normalization_no_condition_of_length_1_changes_the_scale_by_more_than_1():
    layer = ConditionalBatchNormalization(spectral=True)
    layer.build([VALUES.shape, ONE_HOT.shape])
    layer.scale.layer.kernel.assign(RNG.normal(0.0, 9.0, size=(3, 5)))
    for _ in range(30):
        layer([VALUES, ONE_HOT], training=True)
    kernel = ops.convert_to_numpy(layer.scale.normalized_kernel())
    assert np.linalg.svd(kernel, compute_uv=False)[0] == pytest.approx(1.0, abs=1e-3)
