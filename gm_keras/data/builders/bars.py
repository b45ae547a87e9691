"""Bars: images of 4 x 4 binary pixels whose probabilities are all known.

The task of Hinton, Dayan, Frey & Neal 1995, "The wake-sleep algorithm for unsupervised neural networks"
(Science 268): choose vertical or horizontal, then switch each of the four bars of that orientation on or
off by itself. Here both orientations have probability `VERTICAL` = 1/2, and a bar is on with probability
`BAR` = 1/2; the paper's bars are rarer, and more often vertical than horizontal. An image without bars and
one with all four come out of both orientations, so that there are 30 different images.

With these probabilities the entropy is 3.379 nats, and each pixel by itself is a fair coin: the best model
of independent pixels needs 16 ln 2 = 11.090 nats.
"""

import itertools
from collections.abc import Iterator

import numpy as np

from gm_keras.data.builders.png import png
from gm_keras.data.tfds import tfds

SIZES = {"train": 20_000, "test": 4_000}

SIDE = 4
VERTICAL = 0.5
BAR = 0.5


def distribution(vertical: float = VERTICAL, bar: float = BAR) -> tuple[np.ndarray, np.ndarray]:
    """Enumerates every image with its probability.

    Args:
        vertical: Probability of vertical bars.
        bar: Probability of each bar of the chosen orientation.

    Returns:
        The different images, uint8 (30, 4, 4, 1) with values 0 and 1, and their probabilities, float64 (30,).
    """
    probabilities: dict[bytes, float] = {}
    for bars in itertools.product((0, 1), repeat=SIDE):
        probability = bar ** sum(bars) * (1.0 - bar) ** (SIDE - sum(bars))
        columns = np.tile(np.array(bars, "uint8"), (SIDE, 1))
        for image, orientation in ((columns, vertical), (columns.T, 1.0 - vertical)):
            key = image.tobytes()
            probabilities[key] = probabilities.get(key, 0.0) + orientation * probability
    images = np.array([np.frombuffer(key, "uint8") for key in probabilities])
    return images.reshape(-1, SIDE, SIDE, 1), np.array(list(probabilities.values()))


def entropy(vertical: float = VERTICAL, bar: float = BAR) -> float:
    """The entropy of an image in nats: no model has a smaller mean negative log-likelihood."""
    _, probabilities = distribution(vertical, bar)
    probabilities = probabilities[probabilities > 0.0]
    return float(-(probabilities * np.log(probabilities)).sum())


def independent_nll(vertical: float = VERTICAL, bar: float = BAR) -> float:
    """The mean negative log-likelihood, in nats, of the best model of independent pixels."""
    images, probabilities = distribution(vertical, bar)
    on = np.tensordot(probabilities, images.astype("float64"), axes=1).ravel()
    on = on[(on > 0.0) & (on < 1.0)]
    return float(-(on * np.log(on) + (1.0 - on) * np.log1p(-on)).sum())


def bars(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draws images.

    Args:
        n: How many.
        seed: Chooses them.

    Returns:
        Images uint8 (n, 4, 4, 1) with values 0 and 1, and int64 (n,): 0 for vertical bars, 1 for horizontal.
    """
    generator = np.random.default_rng([seed, SIDE])
    horizontal = generator.random(n) >= VERTICAL
    on = (generator.random((n, SIDE)) < BAR).astype("uint8")
    columns = np.repeat(on[:, None, :], SIDE, axis=1)
    images = np.where(horizontal[:, None, None], columns.swapaxes(1, 2), columns)
    return images[..., None], horizontal.astype("int64")


class Bars(tfds.core.GeneratorBasedBuilder):
    """4 x 4 images of vertical or horizontal bars; the label is the orientation. 20,000 to train, 4,000 to test."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(SIDE, SIDE, 1), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=("vertical", "horizontal")),
                }
            ),
            supervised_keys=("image", "label"),
            metadata=tfds.core.MetadataDict(levels=2),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        del dl_manager
        return {
            split: self._generate_examples(n, seed) for seed, (split, n) in enumerate(SIZES.items())
        }

    def _generate_examples(self, n: int, seed: int) -> Iterator[tuple[int, dict]]:
        images, labels = bars(n, seed)
        for row in range(n):
            yield row, {"image": png(images[row]), "label": int(labels[row])}
