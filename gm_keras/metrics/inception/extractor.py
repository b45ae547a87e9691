"""Features and class probabilities of images, from the Inception network that published scores use."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gm_keras.metrics.inception.checkpoint import CheckpointError, read_checkpoint
from gm_keras.metrics.inception.weights import ADDRESS, NAME, SHA256, find_weights
from gm_keras.progress import progress


@dataclass(frozen=True)
class Inception:
    """The network by which FID, KID and the Inception score are defined.

    Szegedy et al. 2015 (arXiv 1512.00567); Salimans et al. 2016 (arXiv 1606.03498) for the probabilities,
    Heusel et al. 2017 (arXiv 1706.08500) for the features, the last but one layer ("pool3").

    Attributes:
        network: As `build_network` makes it, with its weights.
        sha256: Of the file of weights.
        batch_size: Images at a time; every batch is filled up to it, so that one shape is compiled.
        features: Width of the features.
        classes: How many probabilities there are.
    """

    network: Any
    sha256: str
    batch_size: int = 32
    features: int = 2048
    classes: int = 1008

    @classmethod
    def load(cls, path: Path | None = None, batch_size: int = 32) -> "Inception":
        """Loads the network with its public weights, 96 MB, which are downloaded once.

        Args:
            path: A PyTorch checkpoint with the weights; where it is looked for by default, and downloaded
                to, is said at `find_weights`.
            batch_size: Images at a time.

        Raises:
            ValueError: If there are no weights, and none can be downloaded; if the file is damaged, or holds
                those of another network.
        """
        # Keras takes seconds to import, and is not needed to find out that there are no weights.
        from gm_keras.metrics.inception.network import build_network, set_weights

        path, sha256 = find_weights(path)
        try:
            tensors = read_checkpoint(path)
            network = build_network()
            set_weights(network, tensors)
        except CheckpointError as error:
            raise ValueError(
                f"{path} does not hold the weights of the Inception network: {error}; "
                f"expected is the file from {ADDRESS}"
            ) from None
        return cls(network, sha256, batch_size)

    @property
    def name(self) -> str:
        """What a report calls the network: by its release, if the weights are the public ones."""
        return NAME if self.sha256 == SHA256 else "inception with other weights"

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Computes the features and the probabilities of images.

        Images are rounded to 8 bits, as in the files that papers measure, and what lies outside [-1, 1] is
        clipped; grey ones are taken as coloured ones without colour.

        Args:
            images: `(n, height, width, channels)`, floats in [-1, 1], 1 or 3 channels; may be a memory map.

        Returns:
            Features `(n, 2048)`, and the probabilities `(n, 1008)` of the classes by a softmax of the logits
            without bias; float32.

        Raises:
            ValueError: If the images have another shape or type, or values that are not finite.
        """
        pooled = np.empty((len(images), self.features), "float32")
        probabilities = np.empty((len(images), self.classes), "float32")
        start = 0
        for features, shares in self.batches(images):
            rows = slice(start, start + len(features))
            pooled[rows], probabilities[rows] = features, shares
            start = rows.stop
        return pooled, probabilities

    def batches(self, images: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """As the call, but batch by batch, in memory that does not depend on the number of images."""
        if images.ndim != 4 or images.shape[3] not in (1, 3) or images.dtype.kind != "f":
            raise ValueError(
                "expected images (n, height, width, 1 or 3) of floats in [-1, 1], "
                f"got {images.shape} of {images.dtype}"
            )
        from keras import ops

        with progress(len(images), "features by Inception") as bar:
            for start in range(0, len(images), self.batch_size):
                batch = eight_bits(images[start : start + self.batch_size])
                missing = self.batch_size - len(batch)
                filled = np.pad(batch, ((0, missing), (0, 0), (0, 0), (0, 0)), mode="edge")
                pooled, probabilities = map(ops.convert_to_numpy, self._compiled(filled))
                yield pooled[: len(batch)], probabilities[: len(batch)]
                bar.update(len(batch))

    @cached_property
    def _compiled(self) -> Any:
        from keras import ops

        from gm_keras import backend
        from gm_keras.metrics.inception.network import resize

        def outputs(images):
            coloured = ops.broadcast_to(images, (*images.shape[:3], 3))
            result = self.network((resize(coloured) - 128.0) / 128.0, training=False)
            return result["pooled"], ops.softmax(result["logits"])

        return backend.compile_function(outputs, self.network.variables)


def eight_bits(images: np.ndarray) -> np.ndarray:
    """Rounds images in [-1, 1] to the whole numbers from 0 to 255, float32."""
    if not np.isfinite(images).all():
        raise ValueError("expected images of floats in [-1, 1], got values that are not finite")
    return np.round(np.clip(images, -1.0, 1.0).astype("float32") * 127.5 + 127.5)
