"""The bars: every image with its probability, and the same through TFDS."""

import math
from pathlib import Path

import numpy as np
import pytest

from gm_keras.data import PreparedData
from gm_keras.data.builders import bars
from pipelines.prepare import prepare
from pipelines.settings import DataSettings


def test_thirty_images_whose_probabilities_sum_to_one():
    images, probabilities = bars.distribution()
    assert images.shape == (30, 4, 4, 1)
    assert len(np.unique(images.reshape(30, -1), axis=0)) == 30
    assert probabilities.sum() == pytest.approx(1.0, abs=1e-12)
    for image, probability in zip(images[..., 0], probabilities, strict=True):
        constant = image.min() == image.max()
        assert (image == image[:1]).all() or (image == image[:, :1]).all()
        assert probability == (1 / 16 if constant else 1 / 32)


def test_the_entropy_and_the_independent_pixels_by_hand():
    assert bars.entropy() == pytest.approx(28 / 32 * math.log(32) + 2 / 16 * math.log(16))
    assert bars.independent_nll() == pytest.approx(16 * math.log(2))
    # Vertical bars alone: four coins.
    coin = -(0.2 * math.log(0.2) + 0.8 * math.log(0.8))
    assert bars.entropy(vertical=1.0, bar=0.2) == pytest.approx(4 * coin)
    assert bars.independent_nll(vertical=1.0, bar=0.2) == pytest.approx(16 * coin)


def test_draws_are_as_often_as_their_probabilities_say():
    images, labels = bars.bars(32_000, seed=3)
    assert images.dtype == np.uint8
    every, probabilities = bars.distribution()
    shares = [(images == image).all(axis=(1, 2, 3)).mean() for image in every]
    assert sum(shares) == pytest.approx(1.0)
    np.testing.assert_allclose(shares, probabilities, atol=0.007)  # five standard deviations
    assert abs(labels.mean() - 0.5) < 0.015
    vertical = images[labels == 0, ..., 0]
    assert (vertical == vertical[:, :1]).all()
    np.testing.assert_array_equal(images, bars.bars(32_000, seed=3)[0])
    assert not np.array_equal(images, bars.bars(32_000, seed=4)[0])


def test_bars_through_tfds(tmp_path: Path):
    prepare("bars", DataSettings(), tmp_path / "bars")
    data = PreparedData(tmp_path / "bars")
    assert (data.levels, data.num_classes, data.example_shape) == (2, 2, (4, 4, 1))
    assert data.info["splits"] == {"train": 18_000, "validation": 2_000, "test": 4_000}
    assert data.info["class_names"] == ["vertical", "horizontal"]
    expected, _ = bars.bars(4_000, seed=1)
    found = data.arrays("test")["image"]
    assert sorted(image.tobytes() for image in found) == sorted(
        image.tobytes() for image in expected
    )
