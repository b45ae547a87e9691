"""The categorical distribution: normalized, stable, and the gradient of its log-probability."""

import numpy as np
import pytest
from keras import ops
from scipy.special import log_softmax, softmax

from gm_keras import backend
from gm_keras.distributions import categorical

pytestmark = pytest.mark.backend

RNG = np.random.default_rng(0)


@pytest.mark.parametrize("scale", [1.0, 1e4])
def test_log_probabilities(scale):
    logits = (scale * RNG.normal(size=(2, 3, 5))).astype("float32")
    values = RNG.integers(5, size=(2, 3)).astype("int32")
    expected = np.take_along_axis(log_softmax(logits.astype("float64"), -1), values[..., None], -1)
    found = ops.convert_to_numpy(categorical.log_prob(values, logits))
    np.testing.assert_allclose(found, expected[..., 0], rtol=1e-5, atol=1e-5)


def test_the_gradient_is_one_hot_less_softmax():
    logits = RNG.normal(size=(4, 6)).astype("float32")
    values = np.array([0, 5, 2, 2], "int32")
    gradient = backend.gradient(
        lambda inputs: categorical.log_prob(values, inputs), ops.convert_to_tensor(logits), []
    )
    expected = np.eye(6)[values] - softmax(logits, -1)
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.stop_gradient(gradient)), expected, atol=1e-6
    )


def test_low_precision_logits_are_summed_in_float32():
    logits = ops.cast(np.zeros((1, 4096)), "bfloat16")
    found = categorical.log_prob(np.array([7], "int32"), logits)
    assert ops.convert_to_numpy(found) == pytest.approx(-np.log(4096.0), rel=1e-6)
