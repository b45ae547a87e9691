"""Features of images, as the pipeline extracts them."""

from typing import Any

import numpy as np

from gm_keras.metrics.classifier import FEATURES, build_classifier
from gm_keras.metrics.features import Classifier, Extractor

CLASSES = 10


class Features:
    """Measures the same images again and again.

    Args:
        kind: "classifier", or "inception" with weights of zero, which take as long as others.
        images: The `.npy` file of one part of the images: float32 `(n, height, width, channels)` in [-1, 1].
    """

    def __init__(self, kind: str, images: str):
        self._images = np.load(images)
        if kind == "inception":
            from gm_keras.metrics.inception import Inception
            from gm_keras.metrics.inception.network import build_network

            network = build_network()
            measure, width = Inception(network, "none"), Inception.features
        else:
            network = build_classifier(self._images.shape[1:], CLASSES)
            measure, width = Classifier(network), FEATURES
        self._extractor = Extractor(kind, width, network=measure)
        self._parameters, self._done = network.count_params(), 0

    def run(self, parts: int) -> None:
        """Measures the images so many times."""
        for _ in range(parts):
            self._features, self._probabilities = self._extractor.measure(self._images)
            self._done += 1

    def facts(self) -> dict[str, Any]:
        """The parameters, the shapes of the results, and how often they were computed."""
        return {
            "done": self._done,
            "parameters": self._parameters,
            "images": len(self._images),
            "shapes": str([self._features.shape, self._probabilities.shape]),
        }
