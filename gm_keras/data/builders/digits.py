"""The handwritten digits that come with scikit-learn: 1,797 images of 8 x 8 pixels.

E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits, UCI, 1998 (its test part). Each
pixel counts the dark points of a 4 x 4 block of the scan, so that it has 17 levels, 0 to 16.
"""

from collections.abc import Iterator

import numpy as np

from gm_keras.data.tfds import tfds

LEVELS = 17
TEST_PER_CLASS = 36


class Digits(tfds.core.GeneratorBasedBuilder):
    """8 x 8 digits with their labels; 1,437 to train, 360 (36 of each class) to test."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(8, 8, 1), encoding_format="png"),
                    "label": tfds.features.ClassLabel(num_classes=10),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="https://archive.ics.uci.edu/dataset/80",
            metadata=tfds.core.MetadataDict(levels=LEVELS),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        del dl_manager
        from sklearn.datasets import load_digits

        digits = load_digits()
        images, labels = digits.images.astype("uint8")[..., None], digits.target
        # The same number of each class, so that scores by class can be compared.
        generator = np.random.default_rng(0)
        test = np.zeros(len(labels), bool)
        for label in range(10):
            test[generator.permutation(np.flatnonzero(labels == label))[:TEST_PER_CLASS]] = True
        return {
            "train": self._generate_examples(images, labels, np.flatnonzero(~test)),
            "test": self._generate_examples(images, labels, np.flatnonzero(test)),
        }

    def _generate_examples(
        self, images: np.ndarray, labels: np.ndarray, rows: np.ndarray
    ) -> Iterator[tuple[int, dict]]:
        for row in rows:
            yield int(row), {"image": images[row], "label": int(labels[row])}
