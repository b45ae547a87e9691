"""Precision, recall, density, coverage and authenticity against their definitions."""

import numpy as np
import pytest

from gm_keras.metrics import (
    TooFewSamples,
    authenticity,
    density_coverage,
    precision_recall,
    streams,
)

RNG = np.random.default_rng(0)


def _radii(centres, k):
    return [sorted(np.linalg.norm(centres - centre, axis=1))[k] for centre in centres]


def _inside(points, centres, k):
    """Whether each point (row) lies in the ball of each centre (column)."""
    radii = _radii(centres, k)
    return np.array(
        [
            [
                np.linalg.norm(point - centre) <= radius + 1e-12
                for centre, radius in zip(centres, radii, strict=True)
            ]
            for point in points
        ]
    )


def _naive_authenticity(train, generated):
    authentic = []
    for sample in generated:
        distances = np.linalg.norm(train - sample, axis=1)
        nearest = distances.argmin()
        others = np.delete(train, nearest, axis=0)
        own = np.linalg.norm(others - train[nearest], axis=1).min()
        authentic.append(distances[nearest] > own)
    return np.mean(authentic)


def _pair(dtype="float64"):
    real, generated = RNG.normal(size=(60, 3)), RNG.normal(size=(50, 3)) * 1.3 + 0.4
    return real.astype(dtype), generated.astype(dtype)


@pytest.mark.parametrize("k", [1, 3])
def test_precision_and_recall_agree_with_the_definition(k):
    real, generated = _pair()
    precision, recall = precision_recall(real, generated, k=k)
    assert precision == pytest.approx(_inside(generated, real, k).any(axis=1).mean())
    assert recall == pytest.approx(_inside(real, generated, k).any(axis=1).mean())


@pytest.mark.parametrize("k", [1, 5])
def test_density_and_coverage_agree_with_the_definition(k):
    real, generated = _pair()
    inside = _inside(generated, real, k)
    density, coverage = density_coverage(real, generated, k=k)
    assert density == pytest.approx(inside.sum() / (k * len(generated)))
    assert coverage == pytest.approx(inside.any(axis=0).mean())


def test_authenticity_agrees_with_the_definition():
    real, generated = _pair()
    assert authenticity(real, generated) == pytest.approx(_naive_authenticity(real, generated))


def test_authenticity_searches_every_training_example():
    # More training examples than are read at once, and the copied one is the last.
    train = RNG.normal(size=(3000, 2))
    sample = RNG.normal(size=(20, 2))
    without = authenticity(train, sample)
    assert authenticity(np.concatenate([train, sample]), sample) == 0.0 < without
    assert without == pytest.approx(_naive_authenticity(train, sample))


def test_authenticity_of_fresh_examples_is_a_half():
    share = authenticity(RNG.normal(size=(2000, 4)), RNG.normal(size=(2000, 4)))
    assert share == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_rims_and_copies_survive_rounding(offset):
    # On a lattice every neighbour is at one distance, so that all points of a shifted copy lie on rims.
    axis = np.arange(6.0)
    lattice = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    rotated = (lattice @ np.array([[0.6, -0.8], [0.8, 0.6]]) + offset).astype("float32")
    precision, recall = precision_recall(rotated, rotated[::-1].copy(), k=1)
    assert (precision, recall) == (1.0, 1.0)
    assert authenticity(rotated, rotated[::-1].copy()) == 0.0
    doubled = np.concatenate([rotated, rotated])
    # The ball of an example that is there twice is a point, and holds copies of it.
    assert precision_recall(doubled, doubled, k=1) == (1.0, 1.0)
    assert density_coverage(doubled, doubled, k=1) == (2.0, 1.0)
    assert authenticity(doubled, rotated) == 0.0


def test_a_shuffled_copy_lies_on_the_rims_exactly():
    # Each ball holds the copies of its centre and of its k neighbours, the last of them on the rim.
    real = (RNG.normal(size=(1500, 50)) + 100.0).astype("float32")
    assert density_coverage(real, RNG.permutation(real), k=5) == (pytest.approx(6 / 5), 1.0)
    # In a training set that holds everything twice, a copy is as near as the example's own neighbour.
    assert authenticity(np.concatenate([real, real]), RNG.permutation(real)) == 0.0


def test_the_scale_of_features_does_not_matter():
    real, generated = _pair("float32")
    for function in (precision_recall, density_coverage):
        expected = function(real, generated)
        assert function(real * 2.0**-30, generated * 2.0**-30) == expected
        assert function(real * 2.0**30, generated * 2.0**30) == expected


def test_dropped_modes_and_bad_samples_are_noticed():
    modes = np.repeat([[0.0, 0.0], [10.0, 0.0]], 200, axis=0)
    real = modes + RNG.normal(size=modes.shape)
    one_mode = RNG.normal(size=(400, 2))
    precision, recall = precision_recall(real, one_mode)
    density, coverage = density_coverage(real, one_mode)
    assert precision > 0.9
    assert 0.35 < recall < 0.65
    assert density > 0.8
    assert 0.35 < coverage < 0.55
    far = real + 100.0
    assert precision_recall(real, far) == (0.0, 0.0)
    assert density_coverage(real, far) == (0.0, 0.0)


@pytest.mark.parametrize("function", [precision_recall, density_coverage])
def test_large_sets_are_averages_over_pairs_of_blocks(function, monkeypatch):
    real, generated = RNG.normal(size=(130, 3)), RNG.normal(size=(80, 3))
    # Three blocks of one set and two of the other, the first of which is used twice.
    expected = [function(real[i::3], generated[j::2]) for i, j in ((0, 0), (1, 0), (2, 1))]
    monkeypatch.setattr(streams, "BLOCK_ROWS", 50)
    np.testing.assert_allclose(function(real, generated), np.mean(expected, axis=0), rtol=1e-12)


def test_sorted_sets_do_no_harm(monkeypatch):
    monkeypatch.setattr(streams, "BLOCK_ROWS", 200)
    real, generated = (np.sort(RNG.normal(size=(1000, 1)), axis=0) for _ in range(2))
    assert min(precision_recall(real, generated)) > 0.95
    assert density_coverage(real, generated)[1] > 0.9


@pytest.mark.parametrize(("function", "k"), [(precision_recall, 3), (density_coverage, 5)])
def test_there_must_be_more_samples_than_neighbours(function, k):
    with pytest.raises(TooFewSamples, match=f"real must have at least {k + 1} rows .*has {k}"):
        function(np.zeros((k, 2)), np.zeros((9, 2)), k=k)
    with pytest.raises(TooFewSamples, match=f"generated must have at least {k + 1} rows"):
        function(np.zeros((9, 2)), np.zeros((k, 2)), k=k)
    with pytest.raises(ValueError, match="k must be"):
        function(np.zeros((9, 2)), np.zeros((9, 2)), k=0)
    few = function(RNG.normal(size=(k + 1, 2)), RNG.normal(size=(k + 1, 2)), k=k)
    assert all(score.stderr >= 0.0 for score in few)


@pytest.mark.parametrize("function", [precision_recall, density_coverage, authenticity])
def test_wrong_features_are_refused(function):
    with pytest.raises(ValueError, match="differ in width"):
        function(np.zeros((9, 2)), np.zeros((9, 3)))
    with pytest.raises(ValueError, match=r"generated .*not finite"):
        function(np.zeros((9, 2)), np.full((9, 2), np.inf))
    with pytest.raises(ValueError, match="array"):
        function(np.zeros((9, 2)), np.zeros(9))


def test_authenticity_needs_two_training_examples():
    with pytest.raises(TooFewSamples, match="train must have at least 2"):
        authenticity(np.zeros((1, 2)), np.zeros((9, 2)))
