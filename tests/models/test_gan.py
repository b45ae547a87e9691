"""The first GAN: its best discriminator against known densities, maxout and dropout, k updates, eight Gaussians."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.models.gan.gan import VanillaGAN
from tests.eight_gaussians import gaussians, quality
from tests.systems import arrays

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def small(features: int = 2, seed: int = 0, rates: tuple[float, float] = (0.001, 0.001), **more):
    keras.utils.set_random_seed(seed)
    defaults = {
        "latent_dim": 2,
        "generator_units": (128, 128),
        "discriminator_units": (64, 64),
        "input_dropout": 0.0,
        "dropout": 0.0,
    }
    model = VanillaGAN((features,), **{**defaults, **more})
    adams = [keras.optimizers.Adam(rate, beta_1=0.5) for rate in rates]
    model.compile(dict(zip(("discriminator", "generator"), adams, strict=True)))
    return model


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="pieces must be an integer of at least 2, or None"):
        VanillaGAN((2,), pieces=1)
    with pytest.raises(ValueError, match='loss must be one of "non_saturating", "minimax"'):
        VanillaGAN((2,), loss="hinges")
    with pytest.raises(ValueError, match='penalty must be one of "clipping"'):
        VanillaGAN((2,), penalty="r3")


@pytest.mark.parametrize("penalty", ["r1", "clipping"])
def test_any_game_is_played_with_the_dense_networks(penalty):
    model = small(loss="hinge", penalty=penalty, clip=0.02)
    logs = model.train_on_batch(gaussians(16), return_dict=True)
    largest = max(np.abs(ops.convert_to_numpy(each)).max() for each in model.discriminator.weights)
    assert (largest <= 0.02) == (penalty == "clipping")
    assert ("r1" in logs) == (penalty == "r1")
    assert all(np.isfinite(float(value)) for value in logs.values())


@pytest.mark.parametrize("mean", [0.0, 1.0])
def test_the_best_discriminator_and_the_value_of_the_game(mean):
    """Samples are from N(0, 1), data from N(mean, 1): D = p / (p + q), and the value -log 4 + 2 JSD(p, q).

    Where both are the same, D = 1/2 everywhere and the value is -log 4.
    """
    model = small(
        1, rates=(0.01, 0.0), latent_dim=1, generator_units=(2,), discriminator_units=(8,), pieces=2
    )
    # G(z) = max(0, z) - max(0, -z) = z.
    kernel = np.array([[1.0, -1.0]], "float32")
    zeros = [np.zeros(size, "float32") for size in (2, 1)]
    model.generator.set_weights([kernel, zeros[0], kernel.T, zeros[1]])
    data = mean + np.random.default_rng(0).normal(size=(50_000, 1)).astype("float32")
    model.fit(data, batch_size=500, epochs=2, verbose=0)
    model.optimizer["discriminator"].learning_rate = 0.001
    history = model.fit(data, batch_size=500, epochs=2, verbose=0).history
    x = np.linspace(-2.0, mean + 2.0, 9, dtype="float32")[:, None]
    best = 1.0 / (1.0 + np.exp(mean * (0.5 * mean - x)))
    found = ops.convert_to_numpy(ops.sigmoid(model.discriminator(x)))
    np.testing.assert_allclose(found, best, atol=0.06)
    assert -history["discriminator_loss"][-1] == pytest.approx(value(mean), abs=0.02)


def value(mean: float) -> float:
    """E log D(x) + E log(1 - D(z)) of the best discriminator, by integration."""
    grid = np.linspace(-8.0, 9.0, 20_001)
    p, q = (np.exp(-0.5 * (grid - m) ** 2) / math.sqrt(2.0 * math.pi) for m in (mean, 0.0))
    terms = p * np.log(p / (p + q)) + q * np.log(q / (p + q))
    result = float(terms.sum() * (grid[1] - grid[0]))
    if mean == 0.0:
        assert result == pytest.approx(-math.log(4.0), abs=1e-6)
    return result


def test_maxout_units_are_the_largest_of_their_pieces():
    model = small(discriminator_units=(3,), pieces=4)
    kernel, bias, last, offset = (
        np.random.default_rng(index).normal(size=weight.shape).astype("float32")
        for index, weight in enumerate(model.discriminator.get_weights())
    )
    model.discriminator.set_weights([kernel, bias, last, offset])
    x = np.random.default_rng(9).normal(size=(5, 2)).astype("float32")
    units = (x @ kernel + bias).reshape(5, 3, 4).max(axis=-1)
    scores = ops.convert_to_numpy(model.discriminator(x))
    np.testing.assert_allclose(scores, units @ last + offset, rtol=1e-4, atol=1e-5)


def test_dropout_is_on_in_training_only():
    model = small(input_dropout=0.2, dropout=0.5)
    x = gaussians(64)
    trained, tested = (
        [ops.convert_to_numpy(model.discriminator(x, training=training)) for _ in range(2)]
        for training in (True, False)
    )
    assert not np.array_equal(*trained)
    np.testing.assert_array_equal(*tested)


def test_images_are_flattened_and_come_back_in_range():
    model = VanillaGAN((4, 6, 1), latent_dim=3, generator_units=(8,), discriminator_units=(4,))
    assert model.discriminator.output_shape == (None, 1)
    images = 10.0 * model.draw_latents(5)
    assert np.abs(ops.convert_to_numpy(model.decode(images))).max() <= 1.0
    assert model.sample(5).shape == (5, 4, 6, 1)


@pytest.mark.parametrize("loss", ["non_saturating", "minimax"])
def test_k_updates_of_the_discriminator_and_the_generators_loss(loss):
    model = small(n_critic=3, loss=loss, pieces=None)
    before = arrays(model.generator.weights)
    logs = model.train_on_batch(gaussians(16), return_dict=True)
    counts = [
        int(ops.convert_to_numpy(each.iterations)) for each in model.optimizer.members.values()
    ]
    assert counts == [3, 1]
    assert (float(logs["generator_loss"]) > 0.0) == (loss == "non_saturating")
    after = arrays(model.generator.weights)
    assert all(not np.array_equal(after[key], before[key]) for key in before)


@pytest.mark.learns
def test_it_finds_the_eight_gaussians():
    """With two updates of the discriminator: all modes, and 85 % of the samples in one; untrained one at most."""
    model = small(pieces=2, n_critic=2)
    assert quality(model.sample(2000))[0] <= 1
    model.fit(gaussians(20_000), batch_size=200, epochs=15, verbose=0)
    modes, good = quality(model.sample(2000))
    assert modes == 8
    assert good >= 0.85
