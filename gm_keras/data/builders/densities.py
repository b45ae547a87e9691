"""Two densities in the plane, of about unit scale, for models of vectors.

Their parameters are the constants below: the exact density of `Gaussians` is known.
"""

from collections.abc import Iterator

import numpy as np

from gm_keras.data.tfds import tfds

SIZES = {"train": 20_000, "test": 4_000}

MODES = 8
RADIUS = 2.0**0.5  # gives each coordinate about unit variance
SIGMA = 0.15

MOON_NOISE = 0.1
MOON_CENTRE = (0.5, 0.25)


def gaussians(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws from eight Gaussians of width `SIGMA` on the circle of `RADIUS`, all of one weight.

    Args:
        n: How many points.
        seed: Chooses the points.

    Returns:
        Points float32 (n, 2) and their modes int64 (n,), counted counterclockwise from the
        positive first axis.
    """
    generator = np.random.default_rng([seed, MODES])
    modes = generator.integers(MODES, size=n)
    points = centres()[modes] + SIGMA * generator.normal(size=(n, 2))
    return points.astype("float32"), modes


def centres() -> np.ndarray:
    """The means of the eight Gaussians, float64 (8, 2), in the order of the modes."""
    angles = 2.0 * np.pi * np.arange(MODES) / MODES
    return RADIUS * np.stack([np.cos(angles), np.sin(angles)], axis=-1)


def moons(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws from two interleaving half circles of radius 1 with Gaussian noise `MOON_NOISE`.

    Args:
        n: How many points.
        seed: Chooses the points.

    Returns:
        Points float32 (n, 2), centred, and int64 (n,): 0 for the upper moon, 1 for the lower.
    """
    generator = np.random.default_rng([seed, 2])
    lower = generator.integers(2, size=n)
    angles = np.pi * generator.random(n)
    x = np.where(lower, 1.0 - np.cos(angles), np.cos(angles))
    y = np.where(lower, 0.5 - np.sin(angles), np.sin(angles))
    points = np.stack([x, y], axis=-1) - MOON_CENTRE
    points = points + MOON_NOISE * generator.normal(size=(n, 2))
    return points.astype("float32"), lower


class _Density(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """What the two have in common: points, and which part of the density they come from."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    NAMES: tuple[str, ...]
    MIXTURE: dict[str, list | float] | None = None

    def _draw(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        raise NotImplementedError(f"{type(self).__name__} must define _draw()")

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=type(self).__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "features": tfds.features.Tensor(shape=(2,), dtype=np.float32),
                    "label": tfds.features.ClassLabel(names=self.NAMES),
                }
            ),
            supervised_keys=("features", "label"),
            metadata=tfds.core.MetadataDict({"mixture": self.MIXTURE} if self.MIXTURE else {}),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        del dl_manager
        return {
            split: self._generate_examples(n, seed) for seed, (split, n) in enumerate(SIZES.items())
        }

    def _generate_examples(self, n: int, seed: int) -> Iterator[tuple[int, dict]]:
        points, labels = self._draw(n, seed)
        for row in range(n):
            yield row, {"features": points[row], "label": int(labels[row])}


class Gaussians(_Density):
    """Eight Gaussians on a circle; the label is the mode. 20,000 points to train, 4,000 to test."""

    NAMES = tuple(str(mode) for mode in range(MODES))
    MIXTURE = {"centres": centres().round(6).tolist(), "deviation": SIGMA}

    def _draw(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        return gaussians(n, seed)


class Moons(_Density):
    """Two moons with noise; the label is the moon. 20,000 points to train, 4,000 to test."""

    NAMES = ("upper", "lower")

    def _draw(self, n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
        return moons(n, seed)
