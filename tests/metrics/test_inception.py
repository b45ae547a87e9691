"""The Inception network of published scores, against a second one in NumPy and TensorFlow's own resize."""

import hashlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import softmax

from gm_keras.metrics.inception import Inception
from gm_keras.metrics.inception.checkpoint import CheckpointError
from gm_keras.metrics.inception.network import build_network, resize, set_weights
from tests.metrics.inception_reference import Reference
from tests.metrics.torch_checkpoint import views, write_older, write_zip

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

RNG = np.random.default_rng(1)
# A smooth picture with noise, so that no layer of a random network sees only one kind of input.
GRADIENT = np.linspace(0, 200, 40)[:, None, None] * np.linspace(0.2, 1, 30)[:, None]
BYTES = (GRADIENT + RNG.integers(0, 56, (40, 30, 3))).astype("uint8")
IMAGE = BYTES.astype("float32") / 127.5 - 1.0


def resized(images: np.ndarray) -> np.ndarray:
    with tf.device("CPU"):
        images = tf.constant(images, "float32")
        return tf.compat.v1.image.resize_bilinear(images, (299, 299), align_corners=False).numpy()


def relative_error(result: np.ndarray, expected: np.ndarray) -> float:
    return np.linalg.norm(result - expected) / np.linalg.norm(expected)


@pytest.fixture(scope="module")
def reference():
    return Reference((resized(BYTES[None])[0] - 128.0) / 128.0)


@pytest.fixture(scope="module")
def path(reference, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    write_older(path, views(reference.tensors))
    return path


@pytest.fixture(scope="module")
def inception(path):
    return Inception.load(path, batch_size=2)


@pytest.fixture(scope="module")
def images():
    return np.stack([IMAGE, IMAGE[::-1], IMAGE * 0.5])


@pytest.fixture(scope="module")
def computed(inception, images):
    return inception(images)


def test_features_and_probabilities_agree_with_the_reference(computed, reference):
    pooled, probabilities = computed
    assert pooled.shape == (3, 2048)
    assert probabilities.shape == (3, 1008)
    assert pooled.dtype == probabilities.dtype == np.float32
    assert relative_error(pooled[0], reference.pooled) < 3e-4
    # Without the bias.
    expected = softmax(reference.tensors["fc.weight"].astype("float64") @ reference.pooled)
    assert relative_error(probabilities[0], expected) < 1e-3


def test_every_image_is_computed_by_itself(computed, images, inception):
    pooled, probabilities = computed
    parts = list(inception.batches(images))
    assert [len(part[0]) for part in parts] == [2, 1]
    # The third image was alone in a batch that was filled up; here it stands in a full one, elsewhere.
    again = inception(images[[2, 1]])
    np.testing.assert_allclose(again[0], pooled[[2, 1]], rtol=0, atol=1e-4 * pooled.max())
    np.testing.assert_allclose(again[1], probabilities[[2, 1]], rtol=0, atol=1e-4)
    assert np.abs(pooled[1:] - pooled[0]).max() > 0.01 * pooled.max()


def test_twice_gives_the_same_numbers(computed, images, inception):
    for first, second in zip(computed, inception(images), strict=True):
        np.testing.assert_array_equal(first, second)


def test_images_are_rounded_to_8_bits_and_clipped(inception):
    level = 2.0 / 255.0
    inside = np.clip(IMAGE + RNG.uniform(-0.45, 0.45, IMAGE.shape) * level, -1.0, 1.0)
    both = np.where(BYTES == 0, -1.7, IMAGE)
    pooled, _ = inception(np.stack([inside, both]).astype("float32"))
    plain, _ = inception(np.stack([IMAGE, IMAGE]))
    np.testing.assert_array_equal(pooled, plain)


def test_grey_images_are_coloured_ones_without_colour(inception):
    grey = IMAGE[None, :28, :28, :1]
    np.testing.assert_array_equal(inception(grey)[0], inception(grey.repeat(3, axis=3))[0])


def test_no_images_give_no_features(inception):
    pooled, probabilities = inception(np.zeros((0, 8, 8, 1), "float32"))
    assert pooled.shape == (0, 2048)
    assert probabilities.shape == (0, 1008)


@pytest.mark.parametrize(
    "images",
    [
        BYTES[None],
        IMAGE,
        IMAGE[None, :, :, :2],
        np.full((1, 8, 8, 1), np.nan, "float32"),
        np.full((1, 8, 8, 3), np.inf, "float32"),
    ],
)
def test_other_images_are_refused(inception, images):
    with pytest.raises(ValueError, match=r"floats in \[-1, 1\], got") as error:
        inception(images)
    assert "\n" not in str(error.value)


def test_what_a_report_says_of_it(inception, path):
    assert inception.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert inception.features == 2048
    # Scores by other weights must not pass for the published ones.
    assert inception.name == "inception with other weights"
    public = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
    assert Inception(inception.network, public).name == "inception-2015-12-05"


@pytest.mark.parametrize("size", [(1, 1), (8, 8), (28, 28), (32, 20), (299, 299), (400, 300)])
def test_resize_is_that_of_tensorflow_1(size):
    images = RNG.integers(0, 256, (2, *size, 3)).astype("float32")
    result = keras.ops.convert_to_numpy(resize(images))
    np.testing.assert_allclose(result, resized(images), rtol=0, atol=1e-4)


def test_every_weight_comes_from_the_file(reference):
    network = build_network()
    before = network.get_weights()
    set_weights(network, reference.tensors)
    after = network.get_weights()
    assert all((first != second).mean() > 0.9 for first, second in zip(before, after, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"Mixed_6c.branch7x7dbl_3.bn.running_var": None}, "lacks the tensor"),
        ({"fc.weight": None}, "lacks the tensor fc.weight"),
        ({"fc.weight": np.zeros((1000, 2048))}, r"\(1000, 2048\), where the network has \(1008"),
        ({"Mixed_7c.branch3x3_2a.conv.weight": np.zeros((384, 384, 3, 1))}, "where the network"),
        ({"AuxLogits.conv0.conv.weight": np.zeros((128, 768, 1, 1))}, "no place for its tensor"),
        ({"Conv2d_1a_3x3.bn.bias": np.full(32, np.nan)}, "not finite"),
    ],
)
def test_the_weights_of_another_network_are_refused(inception, reference, change, message):
    tensors = {**reference.tensors, **change}
    tensors = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    with pytest.raises(CheckpointError, match=message):
        set_weights(inception.network, tensors)


def test_the_file_of_another_network_is_told_in_one_line(tmp_path):
    path = tmp_path / "other.pth"
    write_zip(path, views({"layer1.0.conv1.weight": np.zeros((3, 3), "float32")}))
    with pytest.raises(ValueError, match="does not hold the weights of the Inception") as error:
        Inception.load(path)
    assert "\n" not in str(error.value)
    for part in (str(path), "https://", "pt_inception-2015-12-05-6726825d.pth"):
        assert part in str(error.value)


def test_it_computes_in_float32_whatever_the_policy():
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = build_network()
    finally:
        keras.config.set_dtype_policy("float32")
    assert {layer.compute_dtype for layer in network.layers[1:]} == {"float32"}
