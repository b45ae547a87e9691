"""Scores against answers that are known."""

import math

import numpy as np
import pytest
from scipy import linalg

from gm_keras.metrics import bits_per_dim, frechet_distance, precision_recall

RNG = np.random.default_rng(0)


def test_frechet_distance_of_normals_with_known_moments():
    # Shifted by 3 in one of two coordinates: the squared distance is 9. Scaled by 2 in both: 2 * (2 - 1)^2.
    x = RNG.normal(size=(200_000, 2))
    assert frechet_distance(x, x + np.array([3.0, 0.0])) == pytest.approx(9.0, abs=1e-9)
    assert frechet_distance(x, 2.0 * x) == pytest.approx(2.0, rel=0.02)


def test_frechet_distance_agrees_with_the_matrix_square_root():
    mixing = RNG.normal(size=(6, 6))
    real = RNG.normal(size=(500, 6)) @ mixing + 1.0
    generated = RNG.gamma(2.0, size=(400, 6))
    first, second = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
    root = linalg.sqrtm(first @ second).real
    difference = real.mean(axis=0) - generated.mean(axis=0)
    expected = difference @ difference + np.trace(first + second - 2.0 * root)
    assert frechet_distance(real, generated) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_with_fewer_samples_than_features():
    assert frechet_distance(RNG.normal(size=(5, 20)), RNG.normal(size=(6, 20))) > 0.0


def test_frechet_distance_of_a_set_to_itself_is_zero():
    x = RNG.normal(size=(100, 8)).astype("float32")
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (np.zeros((3, 2)), np.zeros((3, 4)), "differ in width"),
        (np.zeros((1, 2)), np.zeros((3, 2)), "at least 2"),
        (np.full((3, 2), np.nan), np.zeros((3, 2)), "not finite"),
        (np.zeros(3), np.zeros((3, 1)), "array"),
    ],
)
def test_wrong_features_are_refused(real, generated, message):
    with pytest.raises(ValueError, match=message):
        frechet_distance(real, generated)


def _slow_precision(real, generated, k):
    def inside(point, centres):
        for index, centre in enumerate(centres):
            distances = sorted(np.linalg.norm(centres - centre, axis=1))
            if np.linalg.norm(point - centres[index]) <= distances[k] + 1e-12:
                return True
        return False

    return np.mean([inside(point, real) for point in generated])


def test_precision_and_recall_agree_with_the_definition():
    real, generated = RNG.normal(size=(60, 3)), RNG.normal(size=(50, 3)) * 1.3 + 0.4
    precision, recall = precision_recall(real, generated, k=3)
    assert precision == pytest.approx(_slow_precision(real, generated, 3))
    assert recall == pytest.approx(_slow_precision(generated, real, 3))


def test_precision_and_recall_notice_dropped_modes_and_bad_samples():
    modes = np.repeat([[0.0, 0.0], [10.0, 0.0]], 200, axis=0)
    real = modes + RNG.normal(size=modes.shape)
    one_mode = RNG.normal(size=(400, 2))
    precision, recall = precision_recall(real, one_mode)
    assert precision > 0.9
    assert 0.35 < recall < 0.65
    far = real + 100.0
    assert precision_recall(real, far) == (0.0, 0.0)


def test_precision_needs_more_samples_than_neighbours():
    with pytest.raises(ValueError, match="at least 4"):
        precision_recall(np.zeros((3, 2)), np.zeros((9, 2)), k=3)


def test_bits_per_dim():
    # A uniform distribution over 256 levels costs 8 bits for each value.
    assert bits_per_dim(784 * math.log(256.0), 784) == pytest.approx(8.0)
    with pytest.raises(ValueError, match="at least 1"):
        bits_per_dim(1.0, 0)
