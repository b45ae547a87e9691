"""Gated PixelCNN: the order of pixels and channels, probabilities that sum to one, and what it learns."""

import itertools
import math

import keras
import numpy as np
import pytest

from gm_keras.models.autoregressive.gated_pixelcnn import GatedPixelCNN

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

SMALL = {"filters": 6, "hidden": 6, "first_kernel_size": 3}


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def disturbed(*arguments, size=1.0, **options) -> GatedPixelCNN:
    """A model with fixed random weights, of which none are zero."""
    model = GatedPixelCNN(*arguments, **{**SMALL, **options})
    for index, variable in enumerate(model.trainable_variables):
        noise = np.random.default_rng(index).normal(size=variable.shape)
        variable.assign(size * noise / np.sqrt(max(1.0, np.prod(variable.shape[:-1]))))
    return model


def sees(model: GatedPixelCNN) -> np.ndarray:
    """Whether the logits of each value (row) depend on each value (column), in raster order."""
    shape = model.data_shape
    size = math.prod(shape)
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (1, *shape)).astype("float32")
    # In one batch with the image itself: of another size, a batch may be added up in another order.
    moved = x + 3.0 * np.eye(size + 1, size, dtype="float32").reshape(size + 1, *shape)
    logits = array(model.network(moved))
    change = np.abs(logits[:-1] - logits[-1]).max(axis=-1)
    return (change.reshape(size, size) > 1e-5).T


@pytest.mark.parametrize(("shape", "layers"), [((4, 5, 1), 5), ((3, 3, 3), 4)])
def test_a_value_depends_on_all_before_it_and_on_none_after(shape, layers):
    # First kernel 3 x 3, then one pixel more in each direction with each layer: the whole grid.
    seen = sees(disturbed(shape, 4, layers=layers))
    np.testing.assert_array_equal(seen, np.tri(len(seen), k=-1, dtype=bool))


def test_there_is_no_blind_spot():
    # After two layers a pixel sees two pixels far, in every direction that lies before it.
    shape = (6, 7)
    seen = sees(disturbed((*shape, 1), 3, layers=2)).reshape(*shape, *shape)
    for row, column, of_row, of_column in np.ndindex(*shape, *shape):
        up, left = row - of_row, column - of_column
        expected = (1 <= up <= 2 and abs(left) <= 2) or (up == 0 and 1 <= left <= 2)
        assert seen[row, column, of_row, of_column] == expected, (up, left)


def every_image(shape, levels) -> np.ndarray:
    values = itertools.product(np.linspace(-1.0, 1.0, levels), repeat=math.prod(shape))
    return np.array(list(values), "float32").reshape(-1, *shape)


@pytest.mark.parametrize("label", [0, 1])
def test_probabilities_of_all_binary_images_sum_to_one(label):
    model = disturbed((3, 3, 1), 2, layers=3, num_classes=2, size=1.5)
    images = every_image((3, 3, 1), 2)
    log_prob = array(model.log_prob(images, label=np.full(len(images), label)))
    assert len(images) == 512
    assert log_prob.std() > 0.5
    assert np.exp(log_prob.astype("float64")).sum() == pytest.approx(1.0, abs=1e-4)


def test_probabilities_of_all_colour_images_sum_to_one():
    model = disturbed((1, 2, 3), 3, layers=2, size=1.5)
    log_prob = array(model.log_prob(every_image((1, 2, 3), 3)))
    assert np.exp(log_prob.astype("float64")).sum() == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("cached", [True, False])
def test_samples_are_as_frequent_as_they_are_probable(cached):
    model = disturbed((2, 2, 1), 2, layers=2, size=1.5)
    images = every_image((2, 2, 1), 2)
    probability = np.exp(array(model.log_prob(images)))
    n = 4000
    samples = model.sample(n, seed=1, cached=cached)
    matches = (samples[:, None] == images[None]).all(axis=(2, 3, 4))
    assert (matches.sum(axis=1) == 1).all()
    deviation = np.abs(matches.mean(axis=0) - probability)
    assert (deviation < 4.0 * np.sqrt(probability * (1.0 - probability) / n)).all()


def test_the_likelihood_takes_the_nearest_level():
    model = disturbed((3, 4, 1), 5, layers=2)
    codes = np.random.default_rng(1).integers(0, 5, (6, 3, 4, 1))
    x = (codes / 2.0 - 1.0).astype("float32")
    noise = np.random.default_rng(2).uniform(-0.2, 0.2, x.shape).astype("float32")
    moved = np.clip(x + noise, -1.0, 1.0)
    np.testing.assert_array_equal(array(model.log_prob(x)), array(model.log_prob(moved)))
    logits = array(model.network(x)).astype("float64")
    logits -= np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    expected = np.take_along_axis(logits, codes[..., None], axis=-1).sum(axis=(1, 2, 3, 4))
    np.testing.assert_allclose(array(model.log_prob(x)), expected, rtol=1e-4)


def test_a_class_changes_the_logits():
    model = disturbed((4, 4, 1), 2, layers=2, num_classes=3)
    x = np.ones((3, 4, 4, 1), "float32")
    log_prob = array(model.log_prob(x, label=[0, 1, 2]))
    assert np.abs(np.diff(log_prob)).min() > 1e-2
    with pytest.raises(ValueError, match="pass label="):
        model.log_prob(x)


def test_colours_are_sampled_one_after_the_other():
    model = disturbed((4, 4, 3), 256, layers=2, num_classes=2)
    cached = model.sample(3, seed=2, label=1)
    np.testing.assert_array_equal(cached, model.sample(3, seed=2, label=1, cached=False))
    codes = (cached + 1.0) * 127.5
    np.testing.assert_allclose(codes, np.round(codes), atol=1e-3)


def test_half_precision_keeps_the_likelihood():
    expected = disturbed((4, 4, 1), 4, layers=2)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = disturbed((4, 4, 1), 4, layers=2)
    finally:
        keras.config.set_dtype_policy("float32")
    x = expected.sample(4, seed=1)
    values = model.log_prob(x)
    assert keras.backend.standardize_dtype(values.dtype) == "float32"
    np.testing.assert_allclose(array(values), array(expected.log_prob(x)), rtol=0.02)
    assert model.sample(4, seed=1).shape == x.shape


def test_what_cannot_be_is_refused():
    for arguments, message in [
        (((8, 8), 4), "height, width, channels"),
        (((8, 8, 2), 4), "1 or 3 channels"),
        (((8, 8, 1), None), "2 to 256"),
        (((8, 8, 1), 257), "2 to 256"),
        (((8, 8, 3), 4, 32), "a multiple of the 3 channels"),
        (((8, 8, 1), 4, 32, 0), "layers must be an integer of at least 1"),
        (((8, 8, 1), 4, 32, 2, 1), "an odd integer from 3"),
        (((8, 8, 1), 4, 32, 2, 4), "an odd integer"),
    ]:
        with pytest.raises(ValueError, match=message):
            GatedPixelCNN(*arguments)


FLIP = 0.05


def shifting_rows(n: int, side: int = 6, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Binary images: a random first row, then each row the one above, moved to the side that the label says.

    One pixel in 20 is wrong. Each pixel by itself is 0 or 1 with equal probability.
    """
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    rows = [rng.integers(0, 2, (n, side))]
    for _ in range(side - 1):
        moved = np.where(
            label[:, None], np.roll(rows[-1], 1, axis=1), np.roll(rows[-1], -1, axis=1)
        )
        rows.append(moved ^ (rng.uniform(size=moved.shape) < FLIP))
    x = 2.0 * np.stack(rows, axis=1)[..., None] - 1.0
    return x.astype("float32"), label.astype("int32")


@pytest.mark.learns
def test_it_learns_to_the_entropy_of_the_data():
    side = 5
    x, label = shifting_rows(2048, side)
    model = GatedPixelCNN(
        (side, side, 1), 2, filters=16, layers=4, first_kernel_size=5, hidden=16, num_classes=2
    )
    model.compile(keras.optimizers.Adam(0.005), jit_compile=keras.backend.backend() == "jax")
    model.fit(x, label, epochs=8, batch_size=32, verbose=0)
    test, test_label = shifting_rows(1024, side, seed=1)
    bits = -array(model.log_prob(test, label=test_label)).mean() / math.log(2.0)
    flip_bits = -FLIP * math.log2(FLIP) - (1.0 - FLIP) * math.log2(1.0 - FLIP)
    entropy = side + side * (side - 1) * flip_bits
    # 10.7 bits, where pixels by themselves have 25.
    assert 0.97 * entropy < bits < 1.05 * entropy
    wrong = -array(model.log_prob(test, label=1 - test_label)).mean() / math.log(2.0)
    assert wrong > 2.0 * entropy
    samples = model.sample(512, seed=3, label=1)
    kept = (samples[:, 1:, 1:] == samples[:, :-1, :-1]).mean()
    assert kept == pytest.approx(1.0 - FLIP, abs=0.02)
