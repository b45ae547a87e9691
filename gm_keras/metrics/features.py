"""What samples are compared in: the features of a network, or the data themselves.

The network is a classifier trained on the data set, or the Inception network that papers use.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gm_keras import reading
from gm_keras.metrics.classifier import FEATURES, build_classifier, train_classifier
from gm_keras.metrics.examples import BATCH, drawn
from gm_keras.metrics.spool import Spool
from gm_keras.progress import progress
from gm_keras.telling import one_line
from gm_keras.weights_file import save_weights

IMAGES = ("image", "target")
# Training examples whose features are kept, to see what score real data have: an evaluation that draws more samples
# measures the others itself.
FLOOR = {"classifier": 2_000, "inception": 10_000}
SPLITS = ("test", "train")
#: What `extractor.json` holds.
KINDS = {
    "kind": str,
    "features": int | None,
    "accuracy": float | int | None,
    "sha256": str | None,
    "name": str | None,
}
Measured = tuple[np.ndarray, np.ndarray | None]


@dataclass(frozen=True)
class Extractor:
    """Turns examples into features `(n, d)`, and where it is a classifier of any kind into probabilities.

    Attributes:
        kind: "classifier", "inception", or "raw" for vectors and unlabelled images, which are compared as
            they are.
        features: d; None for "raw".
        accuracy: Share of test examples that the data set's own classifier gets right.
        sha256: Of the network's weights.
        name: Of a network that others know too; it says when its weights are not the public ones.
        network: Called with examples in [-1, 1]; returns features and probabilities.
        kept: What the network made of the test examples ("test") and of some training examples ("train").
    """

    kind: str
    features: int | None = None
    accuracy: float | None = None
    sha256: str | None = None
    name: str | None = None
    network: Any = None
    kept: dict[str, Measured] | None = None

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Returns the features of examples in [-1, 1]."""
        return self.measure(x)[0]

    def probabilities(self, x: np.ndarray) -> np.ndarray | None:
        """Returns the probabilities `(n, classes)` of the classes; None without a classifier."""
        return self.measure(x)[1]

    def measure(self, x: np.ndarray) -> Measured:
        """Returns features and probabilities of examples in [-1, 1]."""
        if self.network is None:
            return np.asarray(x, "float32").reshape(len(x), -1), None
        return self.network(x)

    def measure_all(
        self, parts: Iterable[np.ndarray], rows: int, folder: Path | None, name: str
    ) -> Measured:
        """Measures examples part by part.

        Args:
            parts: Examples, some at a time.
            rows: How many there are in all.
            folder: Where the results are kept; None keeps them in memory.
            name: Of their files.
        """
        features = Spool(rows, folder, f"{name}_features")
        probabilities = Spool(rows, folder, f"{name}_probabilities")
        known = False
        with progress(rows, f"features of {name} examples") as bar:
            for part in parts:
                of_part, classes = self.measure(part)
                features.add(of_part)
                if classes is not None:
                    probabilities.add(classes)
                    known = True
                bar.update(len(part))
        return features.finish(), probabilities.finish() if known else None


class Classifier:
    """The data set's own classifier as a function.

    Args:
        network: Of `build_classifier`.
    """

    def __init__(self, network: Any):
        self.network = network

    def __call__(self, x: np.ndarray) -> Measured:
        """Returns features `(n, 32)` and probabilities `(n, classes)`, float32, of examples in [-1, 1]."""
        n = len(x)
        # The last batch is filled up, so that there is one shape to compile.
        filled = np.resize(x, (-(-n // BATCH) * BATCH, *x.shape[1:])) if n % BATCH else x
        made = self.network.predict(filled, batch_size=BATCH, verbose=0)
        logits = np.asarray(made["logits"], "float64")[:n]
        weights = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = weights / weights.sum(axis=1, keepdims=True)
        return np.asarray(made["features"])[:n], probabilities.astype("float32")


def make_extractor(
    data: Any, seed: int, folder: Path, *, kind: str = "classifier", weights: Path | None = None
) -> dict[str, Any]:
    """Makes what a data set's samples are compared in, and writes it into `folder`.

    Args:
        data: Prepared data (`gm_keras.data.PreparedData`).
        seed: Of the classifier's initial weights, the order of its batches and its dropout.
        folder: An existing folder.
        kind: "classifier" trains one, where there are labelled images; "inception" takes the network of the
            papers for all images. All other data are compared as they are.
        weights: The file with the weights of the Inception network, if not where it is looked for.

    Returns:
        What `extractor.json` holds.

    Raises:
        ValueError: The weights of the Inception network cannot be had.
    """
    extractor = Extractor("raw")
    if data.primary in IMAGES and kind == "inception":
        from gm_keras.metrics.inception import Inception

        inception = Inception.load(weights)
        extractor = Extractor(
            "inception",
            inception.features,
            sha256=inception.sha256,
            name=inception.name,
            network=inception,
        )
    elif data.primary in IMAGES and (data.num_classes or 0) > 1:
        network = train_classifier(data, seed)
        path = folder / "classifier.weights.h5"
        save_weights(network, path)
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        extractor = Extractor("classifier", FEATURES, sha256=digest, network=Classifier(network))
    accuracy = None
    if extractor.network is not None:
        of_test = _keep(extractor, data, seed, folder)
        if extractor.kind == "classifier":
            right = of_test.argmax(axis=1) == data.arrays("test")["label"]
            accuracy = round(float(right.mean()), 6)
    content = {
        "kind": extractor.kind,
        "features": extractor.features,
        "accuracy": accuracy,
        "sha256": extractor.sha256,
        "name": extractor.name,
    }
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    (folder / "extractor.json").write_text(text, encoding="utf-8")
    return content


def _keep(extractor: Extractor, data: Any, seed: int, folder: Path) -> np.ndarray:
    """Measures the real examples once, for all systems of the data set.

    Returns:
        The probabilities of the test examples.
    """
    test = data.size("test")
    rows = drawn(data.size("train"), FLOOR[extractor.kind], seed)
    for split, chosen in (("train", rows), ("test", np.arange(test))):
        parts = (
            data.scaled(split, None, chosen[start : start + BATCH])
            for start in range(0, len(chosen), BATCH)
        )
        _, probabilities = extractor.measure_all(parts, len(chosen), folder, split)
    return probabilities


def load_extractor(data: Any, folder: Path, weights: Path | None = None) -> Extractor:
    """Reads what `make_extractor` wrote.

    Args:
        data: Prepared data, the same.
        folder: The same.
        weights: The same.

    Raises:
        ValueError: If a file is missing or damaged.
    """
    try:
        content = _described(folder / "extractor.json")
        kind = content["kind"]
        if kind == "raw":
            return Extractor("raw")
        kept = {split: _kept(folder, split, content["features"], data) for split in SPLITS}
        if kind == "inception":
            from gm_keras.metrics.inception import Inception

            network = Inception.load(weights)
            if network.sha256 != content["sha256"]:
                raise ValueError("the file of the Inception network is another than it was")
        else:
            path = folder / "classifier.weights.h5"
            if hashlib.sha256(reading.read_bytes(path)).hexdigest() != content["sha256"]:
                raise ValueError(f"{path.name} is damaged: it does not have its checksum")
            classifier = build_classifier(data.example_shape, data.num_classes)
            classifier.load_weights(path)
            network = Classifier(classifier)
    except Exception as error:  # NumPy, h5py and Keras raise anything for damaged files
        raise ValueError(f"the extractor in {folder} cannot be read: {one_line(error)}") from None
    facts = {name: content[name] for name in ("features", "accuracy", "sha256", "name")}
    return Extractor(kind, **facts, network=network, kept=kept)


def _described(path: Path) -> dict[str, Any]:
    """The content of `extractor.json`, of the right types."""
    content = reading.read_json(path)
    for name, kinds in KINDS.items():
        value = content.get(name)
        if name not in content or not isinstance(value, kinds) or isinstance(value, bool):
            raise ValueError(f"{path.name} does not say its {name} as it should")
    known = {"raw": (), "classifier": ("features", "sha256"), "inception": ("features", "sha256")}
    if content["kind"] not in known:
        raise ValueError(f'{path.name} names the kind "{content["kind"]}", which there is not')
    if any(content[name] is None for name in known[content["kind"]]):
        raise ValueError(f"{path.name} lacks what is known of a network")
    return content


def _kept(folder: Path, split: str, features: int, data: Any) -> Measured:
    """What the network made of a split, as memory maps."""
    arrays = []
    for what in ("features", "probabilities"):
        path = folder / f"{split}_{what}.npy"
        reading.check_file(path)
        array = np.load(path, mmap_mode="r", allow_pickle=False)
        rows, columns = array.shape
        if array.dtype != np.float32 or (what == "features" and columns != features):
            raise ValueError(f"{path.name} holds {array.dtype} {array.shape}")
        if rows > data.size(split) or (split == "test" and rows < data.size(split)):
            raise ValueError(f"{path.name} is of other data: it has {rows} rows")
        arrays.append(array)
    return tuple(arrays)
