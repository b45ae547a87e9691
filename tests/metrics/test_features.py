"""What samples are compared in: which network for which data, kept and read again."""

import json
import random

import numpy as np
import pytest

from gm_keras.data import PreparedData
from gm_keras.metrics.classifier import FEATURES, build_classifier
from gm_keras.metrics.features import load_extractor, make_extractor
from pipelines.prepare import prepare
from pipelines.settings import DataSettings

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "digits"
    prepare("digits", DataSettings(), folder)
    return PreparedData(folder)


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), "uint8")
    np.savez(folder / "own.npz", image=images)
    settings = DataSettings(source="folder", path=str(folder / "own.npz"))
    prepare("own", settings, folder / "own")
    return PreparedData(folder / "own")


class Network:
    """In place of the Inception network, which has tests of its own."""

    sha256, features, name = "f" * 64, 3, "a network"

    @classmethod
    def load(cls, path=None):
        if path is not None and not path.is_file():
            raise ValueError(f"{path} is missing")
        return cls()

    def __call__(self, images):
        means = images.reshape(len(images), -1).mean(axis=1)
        pooled = np.stack([means, means**2, means**3], axis=1)
        probabilities = np.stack([0.5 + 0.5 * means, 0.5 - 0.5 * means], axis=1)
        return pooled.astype("float32"), probabilities.astype("float32")


def test_the_inception_network_measures_images_without_labels_too(
    unlabelled, tmp_path, monkeypatch
):
    monkeypatch.setattr("gm_keras.metrics.inception.Inception", Network)
    content = make_extractor(unlabelled, 0, tmp_path, kind="inception")
    assert content["kind"] == "inception"
    assert content["name"] == "a network"
    extractor = load_extractor(unlabelled, tmp_path)
    assert (extractor.kind, extractor.features, extractor.sha256) == ("inception", 3, "f" * 64)
    test = unlabelled.scaled("test")
    assert np.allclose(extractor.kept["test"][0], Network()(test)[0])
    assert np.allclose(extractor.probabilities(test), extractor.kept["test"][1])
    monkeypatch.setattr(Network, "sha256", "e" * 64)
    with pytest.raises(ValueError, match="another than it was"):
        load_extractor(unlabelled, tmp_path)


def test_large_images_are_halved_at_once_and_small_ones_are_not():
    small, large = (build_classifier((side, side, 1), 10) for side in (8, 28))
    # Two convolutions on all pixels of a small image, and the features after one pooling.
    assert [layer.strides for layer in small.layers if "conv2d" in layer.name] == [(1, 1)] * 2
    strides = [layer.strides for layer in large.layers if "conv2d" in layer.name]
    assert strides[0] == (2, 2)
    assert set(strides[1:]) == {(1, 1)}
    made = large(np.zeros((3, 28, 28, 1), "float32"))
    assert (made["features"].shape, made["logits"].shape) == ((3, FEATURES), (3, 10))


def test_what_is_kept_of_the_training_set_is_bounded(unlabelled, tmp_path, monkeypatch):
    monkeypatch.setattr("gm_keras.metrics.inception.Inception", Network)
    monkeypatch.setattr("gm_keras.metrics.features.FLOOR", {"inception": 5})
    make_extractor(unlabelled, 0, tmp_path, kind="inception")
    kept = load_extractor(unlabelled, tmp_path).kept
    assert len(kept["train"][0]) == 5
    assert len(kept["test"][0]) == unlabelled.size("test")


def test_any_damage_is_one_line(unlabelled, tmp_path, monkeypatch):
    monkeypatch.setattr("gm_keras.metrics.inception.Inception", Network)
    content = make_extractor(unlabelled, 0, tmp_path, kind="inception")

    def refused(case):
        with pytest.raises(ValueError, match=f"the extractor in {tmp_path} cannot be read") as told:
            load_extractor(unlabelled, tmp_path)
        assert "\n" not in str(told.value), case
        assert len(str(told.value)) < 300 + len(str(tmp_path)), case

    described = tmp_path / "extractor.json"
    before = described.read_bytes()
    others = [
        *(json.dumps(each).encode() for each in (None, [], 3, {}, {"kind": "raw"})),
        *(
            json.dumps({**content, name: each}).encode()
            for name in content
            for each in ([], {}, True, "x" * 400, -1.5)
            if not (name == "accuracy" and each == -1.5)
            and not (name == "name" and isinstance(each, str))
        ),
        b"[" * 100_000,
        b"\xff",
    ]
    for other in others:
        described.write_bytes(other)
        refused(other[:80])
    described.write_bytes(before)

    rng = random.Random(0)
    for name in ("test_features.npy", "train_probabilities.npy"):
        path = tmp_path / name
        before, array = path.read_bytes(), np.load(path)
        for share in (0.0, 0.5, 0.99):
            path.write_bytes(before[: int(share * len(before))])
            refused((name, share))
        for other in (array[:-1], array[:, :0], array.astype("float64"), array.astype(object)):
            if name == "train_probabilities.npy" and other.dtype == "float32":
                continue  # any number of training examples and classes is as good
            np.save(path, other)
            refused((name, other.shape, other.dtype))
        for _ in range(20):
            at = rng.randrange(128)  # its header
            path.write_bytes(before[:at] + rng.randbytes(4) + before[at + 4 :])
            try:
                load_extractor(unlabelled, tmp_path)
            except ValueError:
                refused((name, at))
        path.unlink()
        refused((name, "missing"))
        path.write_bytes(before)
    load_extractor(unlabelled, tmp_path)


def test_missing_weights_are_told(unlabelled, tmp_path, monkeypatch):
    monkeypatch.setattr("gm_keras.metrics.inception.Inception", Network)
    with pytest.raises(ValueError, match=r"nowhere\.pth is missing"):
        make_extractor(unlabelled, 0, tmp_path, kind="inception", weights=tmp_path / "nowhere.pth")


def test_images_without_labels_are_compared_as_they_are(unlabelled, tmp_path):
    assert make_extractor(unlabelled, 0, tmp_path)["kind"] == "raw"
    extractor = load_extractor(unlabelled, tmp_path)
    test = unlabelled.scaled("test")
    assert np.array_equal(extractor(test), test.reshape(len(test), -1))
    assert extractor.probabilities(test) is None


def test_a_classifier_learns_its_data_and_is_read_again(digits, tmp_path, monkeypatch):
    monkeypatch.setattr("gm_keras.metrics.classifier.STEPS", 200)
    content = make_extractor(digits, 0, tmp_path)
    # One class in ten is right by chance.
    assert content["accuracy"] > 0.8
    extractor = load_extractor(digits, tmp_path)
    test = digits.scaled("test")
    # Whatever the size of the parts, the last of which is filled up.
    parts = (test[start : start + 100] for start in range(0, len(test), 100))
    of_features, classes = extractor.measure_all(parts, len(test), tmp_path, "again")
    assert np.allclose(of_features, extractor.kept["test"][0], atol=1e-4)
    assert np.allclose(classes, extractor.kept["test"][1], atol=1e-4)
    right = classes.argmax(axis=1) == digits.arrays("test")["label"]
    assert right.mean() == pytest.approx(content["accuracy"], abs=0.003)
    assert len(extractor.kept["train"][0]) == digits.size("train")

    (tmp_path / "classifier.weights.h5").write_bytes(b"damaged")
    with pytest.raises(ValueError, match="cannot be read"):
        load_extractor(digits, tmp_path)


def test_damage_is_told(digits, tmp_path):
    for text in ("{", json.dumps({"kind": "classifier"})):
        (tmp_path / "extractor.json").write_text(text)
        with pytest.raises(ValueError, match="cannot be read"):
            load_extractor(digits, tmp_path)
