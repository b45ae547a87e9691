"""The terms that steady a game, and the classifier with one class for fakes, against constants worked out by hand."""

import math

import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.losses import adversarial, semi_supervised, steadying

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def number(value) -> float:
    return float(ops.convert_to_numpy(value))


def test_feature_matching_by_hand():
    real = np.array([[1.0, 2.0], [3.0, 4.0]], "float32")
    fake = np.array([[0.0, 1.0]], "float32")
    assert number(steadying.feature_matching(real, fake)) == pytest.approx(2.0**2 + 2.0**2)
    assert number(steadying.feature_matching(real, real[::-1])) == 0.0


def test_historical_averaging_by_hand():
    values = [np.array([1.0, 2.0], "float32"), np.array([[3.0]], "float32")]
    averages = [np.array([0.0, 2.0], "float32"), np.array([[1.0]], "float32")]
    assert number(steadying.historical(values, averages)) == pytest.approx(1.0 + 4.0)


def test_one_sided_smoothing_by_hand():
    """The best answer to data alone is the target itself; fakes keep the target 0."""
    real, fake = np.array([[math.log(3.0)]], "float32"), np.array([[0.0]], "float32")
    expected = -0.9 * math.log(0.75) - 0.1 * math.log(0.25) + math.log(2.0)
    actual = steadying.smoothed_discriminator(real, fake, 0.1)
    assert number(actual) == pytest.approx(expected, rel=1e-5)
    plain = adversarial.discriminator(real, fake)
    assert number(steadying.smoothed_discriminator(real, fake, 0.0)) == pytest.approx(number(plain))
    best = ops.convert_to_tensor(np.array(math.log(9.0), "float32"))
    slope = backend.gradient(
        lambda logits: steadying.smoothed_discriminator(logits, fake, 0.1), best, []
    )
    assert number(slope) == pytest.approx(0.0, abs=1e-6)


def test_k_outputs_are_a_softmax_over_the_classes_and_a_fake_one():
    logits = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    exponentials = np.exp(np.concatenate([logits, np.zeros((5, 1))], axis=1))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    real = ops.convert_to_numpy(ops.sigmoid(semi_supervised.real_logit(logits)))
    np.testing.assert_allclose(real[:, 0], 1.0 - probabilities[:, -1], rtol=1e-5)
    labels = np.array([0, -1, 2, 1, -1], "int32")
    known = labels >= 0
    of_real = probabilities[:, :3] / probabilities[:, :3].sum(axis=1, keepdims=True)
    expected = -np.log(of_real[known, labels[known]]).mean()
    actual = semi_supervised.class_cross_entropy(logits, labels)
    assert number(actual) == pytest.approx(expected, rel=1e-5)
    assert number(semi_supervised.class_cross_entropy(logits, np.full(5, -1))) == 0.0
