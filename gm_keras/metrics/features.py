"""What samples are compared in: the features of a classifier trained on the data set, or the data themselves."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gm_keras.metrics.classifier import build_classifier

BATCH = 256
IMAGES = ("image", "target")


@dataclass(frozen=True)
class Extractor:
    """Turns examples into features `(n, d)`.

    Attributes:
        kind: "classifier", or "raw" for vectors and unlabelled images, which are compared as they are.
        accuracy: Share of test examples that the classifier gets right.
        sha256: Of the classifier's weights.
        network: The classifier.
    """

    kind: str
    accuracy: float | None = None
    sha256: str | None = None
    network: Any = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Returns the features of examples in [-1, 1]."""
        if self.network is None:
            return np.asarray(x, "float64").reshape(len(x), -1)
        return np.asarray(self.network.predict(x, batch_size=BATCH, verbose=0)["features"])


def train_extractor(data: Any, seed: int, folder: Path) -> dict[str, Any]:
    """Trains the classifier of a data set, where it has labels, and writes it into `folder`.

    Args:
        data: Prepared data (`gm_keras.data.PreparedData`).
        seed: Of the initial weights, the order of the batches and the dropout.
        folder: An existing folder.

    Returns:
        What `extractor.json` holds.
    """
    content: dict[str, Any] = {"kind": "raw", "accuracy": None, "sha256": None}
    if data.primary in IMAGES and (data.info["num_classes"] or 0) > 1:
        network, accuracy = _train(data, seed)
        weights = folder / "classifier.weights.h5"
        network.save_weights(weights)
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        content = {"kind": "classifier", "accuracy": accuracy, "sha256": digest}
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    (folder / "extractor.json").write_text(text, encoding="utf-8")
    return content


def load_extractor(data: Any, folder: Path) -> Extractor:
    """Reads what `train_extractor` wrote.

    Raises:
        ValueError: If a file is missing or damaged.
    """
    try:
        content = json.loads((folder / "extractor.json").read_text(encoding="utf-8"))
        if content["kind"] == "raw":
            return Extractor("raw")
        network = build_classifier(_shape(data), data.info["num_classes"])
        network.load_weights(folder / "classifier.weights.h5")
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"the extractor in {folder} cannot be read: {error}") from None
    return Extractor("classifier", content["accuracy"], content["sha256"], network)


def _shape(data: Any) -> tuple[int, ...]:
    return data.example_shape


def _train(data: Any, seed: int) -> tuple[Any, float]:
    import keras

    from gm_keras import backend

    backend.set_seed(seed)
    network = build_classifier(_shape(data), data.info["num_classes"])
    logits = keras.Model(network.input, network.get_layer("logits").output)
    logits.compile(
        keras.optimizers.AdamW(1e-3, weight_decay=1e-3),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    x, label = data.scaled("train"), np.asarray(data.arrays("train")["label"])
    # About 2,000 steps of 64 examples, but at least one look at every example.
    epochs = max(1, round(2000 * 64 / len(x)))
    logits.fit(x, label, batch_size=64, epochs=min(epochs, 40), verbose=2)
    test = data.scaled("test"), np.asarray(data.arrays("test")["label"])
    accuracy = logits.evaluate(*test, batch_size=BATCH, verbose=0, return_dict=True)["accuracy"]
    return network, round(float(accuracy), 6)
