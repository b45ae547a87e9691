"""Our TFDS builders: the right examples, the same every time."""

import json
from pathlib import Path

import numpy as np
import pytest

from gm_keras.data import PreparedData
from gm_keras.data.builders import densities
from pipelines.prepare import prepare
from pipelines.settings import DataSettings


def joined(data: PreparedData, field: str, *splits: str) -> np.ndarray:
    return np.concatenate([data.arrays(split)[field] for split in splits])


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> PreparedData:
    folder = tmp_path_factory.mktemp("data") / "digits"
    prepare("digits", DataSettings(), folder)
    return PreparedData(folder)


def test_digits_are_those_of_scikit_learn(digits: PreparedData):
    from sklearn.datasets import load_digits

    images = joined(digits, "image", "train", "validation", "test")[..., 0]
    labels = joined(digits, "label", "train", "validation", "test")
    real = load_digits()
    found = sorted((image.tobytes(), label) for image, label in zip(images, labels, strict=True))
    expected = sorted(
        (image.astype("uint8").tobytes(), label)
        for image, label in zip(real.images, real.target, strict=True)
    )
    assert found == expected


def test_digits_say_what_they_are(digits: PreparedData):
    assert digits.info["splits"] == {"train": 1293, "validation": 144, "test": 360}
    assert digits.info["source"] == "tfds:digits"
    assert (digits.levels, digits.num_classes, digits.example_shape) == (17, 10, (8, 8, 1))
    assert digits.arrays("train")["image"].dtype == np.uint8
    assert digits.arrays("train")["label"].dtype == np.int32
    assert digits.arrays("train")["image"].max() == 16
    assert np.bincount(digits.arrays("test")["label"]).tolist() == [36] * 10


def test_preparing_twice_gives_the_same_bytes(digits: PreparedData, tmp_path: Path):
    prepare("digits", DataSettings(), tmp_path / "digits")
    for file in sorted(digits.path.iterdir()):
        assert file.read_bytes() == (tmp_path / "digits" / file.name).read_bytes(), file.name


def test_the_seed_moves_the_validation_part_only(digits: PreparedData, tmp_path: Path):
    prepare("other", DataSettings(path="digits", seed=1), tmp_path / "other")
    other = json.loads((tmp_path / "other" / "dataset.json").read_text())
    for split, same in (("train", False), ("validation", False), ("test", True)):
        file = f"{split}_image.npy"
        assert (digits.info["checksums"][file] == other["checksums"][file]) == same


def test_gaussians(tmp_path: Path):
    prepare("gaussians", DataSettings(), tmp_path / "gaussians")
    data = PreparedData(tmp_path / "gaussians")
    assert data.info["splits"] == {"train": 18000, "validation": 2000, "test": 4000}
    assert (data.primary, data.example_shape, data.levels) == ("features", (2,), None)
    points = joined(data, "features", "train", "validation")
    modes = joined(data, "label", "train", "validation")
    assert points.dtype == np.float32
    assert np.abs(points.std(axis=0) - 1.0).max() < 0.05
    for mode in range(densities.MODES):
        mine = points[modes == mode]
        angle = 2 * np.pi * mode / densities.MODES
        centre = densities.RADIUS * np.array([np.cos(angle), np.sin(angle)])
        assert abs(len(mine) - len(points) / densities.MODES) < 250  # five standard deviations
        np.testing.assert_allclose(mine.mean(axis=0), centre, atol=0.02)
        np.testing.assert_allclose(mine.std(axis=0), densities.SIGMA, atol=0.01)
        np.testing.assert_allclose(data.info["mixture"]["centres"][mode], centre, atol=1e-5)
    assert data.info["mixture"]["deviation"] == densities.SIGMA


def test_moons():
    points, lower = densities.moons(4000, seed=0)
    x, y = (points + np.array(densities.MOON_CENTRE)).T
    upper = lower == 0
    assert np.abs(points.mean(axis=0)).max() < 0.05
    for radius in (np.hypot(x, y)[upper], np.hypot(1 - x, 0.5 - y)[~upper]):
        assert abs(radius.mean() - 1.0) < 0.02
        assert abs(radius.std() - densities.MOON_NOISE) < 0.01
    again, _ = densities.moons(4000, seed=0)
    np.testing.assert_array_equal(points, again)
    assert not np.array_equal(points, densities.moons(4000, seed=1)[0])


def test_moons_through_tfds(tmp_path: Path):
    prepare("moons", DataSettings(), tmp_path / "moons")
    data = PreparedData(tmp_path / "moons")
    expected, _ = densities.moons(4000, seed=1)
    found = data.arrays("test")["features"]
    assert sorted(map(tuple, found.tolist())) == sorted(map(tuple, expected.tolist()))
    assert data.info["class_names"] == ["upper", "lower"]
