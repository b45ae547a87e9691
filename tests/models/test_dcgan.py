"""DCGAN: its networks and games, whose statistics move when, and digits."""

from typing import get_args

import keras
import numpy as np
import pytest
from keras import ops
from sklearn.datasets import load_digits

from gm_keras.core.arguments import annotations_of
from gm_keras.losses import adversarial, penalties
from gm_keras.models.gan.dcgan import DCGAN
from gm_keras.networks.dcgan import stages_for
from tests.systems import arrays

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def small(seed: int = 0, learning_rate: float = 0.001, **arguments) -> DCGAN:
    keras.utils.set_random_seed(seed)
    model = DCGAN((8, 8, 1), **{"latent_dim": 4, "filters": 4, "stages": 2, **arguments})
    model.compile(
        {
            name: keras.optimizers.Adam(learning_rate, beta_1=0.5)
            for name in ("discriminator", "generator")
        }
    )
    return model


def images(n: int = 16, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, size=(n, 8, 8, 1)).astype("float32")


@pytest.mark.parametrize(
    ("side", "stages"),
    [(2, 1), (6, 1), (8, 1), (12, 1), (16, 2), (28, 2), (30, 1), (32, 3), (64, 4)],
)
def test_stages_follow_the_size(side, stages):
    assert stages_for((side, side, 1)) == stages


@pytest.mark.parametrize("shape", [(8, 8, 1), (32, 32, 3), (12, 20, 1)])
def test_networks_have_the_shapes_of_the_paper(shape):
    model = DCGAN(shape, latent_dim=5, filters=4)
    assert model.generator.output_shape == (None, *shape)
    assert model.discriminator.output_shape == (None, 1)
    normalized = [
        [isinstance(layer, keras.layers.BatchNormalization) for layer in network.layers]
        for network in (model.generator, model.discriminator)
    ]
    stages = stages_for(shape)
    assert sum(normalized[0]) == stages, "every hidden layer of the generator"
    assert sum(normalized[1]) == stages - 1, "every one but the first of the discriminator"
    kernels = [
        ops.convert_to_numpy(weight).ravel()
        for weight in model.trainable_variables
        if len(weight.shape) > 1
    ]
    assert np.concatenate(kernels).std() == pytest.approx(0.02, rel=0.05)


def test_odd_sizes_and_vectors_are_refused():
    with pytest.raises(ValueError, match="even height and width, not 7 x 8"):
        DCGAN((7, 8, 1))
    with pytest.raises(ValueError, match="cannot be halved 3 times"):
        DCGAN((28, 28, 1), stages=3)
    with pytest.raises(ValueError, match=r"a shape \(height, width, channels\)"):
        DCGAN((2,))
    with pytest.raises(ValueError, match="loss must be one of"):
        DCGAN((8, 8, 1), loss="jensen")
    with pytest.raises(ValueError, match='penalty="r1" needs normalization="layer" or None'):
        DCGAN((8, 8, 1), penalty="r1")
    with pytest.raises(ValueError, match='"uniform" or "normal"'):
        DCGAN((8, 8, 1), latents="cauchy")


@pytest.mark.parametrize("latents", ["uniform", "normal"])
def test_latents_have_their_distribution(latents):
    model = DCGAN((8, 8, 1), latent_dim=50, filters=2, latents=latents)
    draws = ops.convert_to_numpy(model._draw_latents(400, keras.random.SeedGenerator(1)))
    assert draws.mean() == pytest.approx(0.0, abs=0.03)
    assert draws.std() == pytest.approx(3**-0.5 if latents == "uniform" else 1.0, rel=0.03)
    assert (np.abs(draws).max() <= 1.0) == (latents == "uniform")


def moments(network, layer, inputs) -> np.ndarray:
    """Mean and variance of what a normalization layer sees, as it updates its averages with them."""
    until = keras.Model(network.input, layer.input)
    values = ops.convert_to_numpy(until(inputs, training=True))
    return np.stack([values.mean((0, 1, 2)), values.var((0, 1, 2))])


def test_a_step_moves_the_statistics_of_each_network_in_its_own_phase_only(monkeypatch):
    """One update for the generator, by its own phase; two for the discriminator, by data and fakes."""
    latents = np.random.default_rng(3).uniform(-1, 1, (16, 4)).astype("float32")
    monkeypatch.setattr(keras.random, "uniform", lambda *_, **__: ops.convert_to_tensor(latents))
    model = small(learning_rate=0.0)
    fakes = ops.convert_to_numpy(model.generator(latents, training=True))
    layers = [
        next(each for each in network.layers if isinstance(each, keras.layers.BatchNormalization))
        for network in (model.generator, model.discriminator)
    ]
    averages = [[layer.moving_mean, layer.moving_variance] for layer in layers]
    before = [np.stack([ops.convert_to_numpy(each) for each in pair]) for pair in averages]
    model.train_on_batch(images())
    after = [np.stack([ops.convert_to_numpy(each) for each in pair]) for pair in averages]
    own = moments(model.generator, layers[0], latents)
    np.testing.assert_allclose(after[0], 0.9 * before[0] + 0.1 * own, atol=1e-5)
    real, fake = (moments(model.discriminator, layers[1], each) for each in (images(), fakes))
    expected = 0.9 * (0.9 * before[1] + 0.1 * real) + 0.1 * fake
    np.testing.assert_allclose(after[1], expected, atol=1e-5)


def test_both_games_train_the_same_discriminator_first():
    first, second = small(loss="minimax"), small(loss="non_saturating")
    logs = [model.train_on_batch(images(), return_dict=True) for model in (first, second)]
    assert float(logs[0]["discriminator_loss"]) == pytest.approx(
        float(logs[1]["discriminator_loss"]), rel=1e-5
    )
    assert float(logs[0]["generator_loss"]) < 0 < float(logs[1]["generator_loss"])
    assert 0 < float(logs[0]["real_probability"]) < 1


def test_the_arguments_name_every_objective_and_penalty():
    annotations = annotations_of(DCGAN.__init__)
    assert set(get_args(annotations["loss"])) == set(adversarial.OBJECTIVES)
    named = {each for part in get_args(annotations["penalty"]) for each in get_args(part)}
    assert named == {*penalties.PENALTIES, "clipping"}


def test_every_objective_and_penalty_trains_the_same_networks():
    """A step changes both networks, and each reports its curves."""
    for loss in adversarial.OBJECTIVES:
        _trains(small(loss=loss, normalization=None), adversarial.OBJECTIVES[loss].curves)
    for penalty in penalties.PENALTIES:
        _trains(small(penalty=penalty, normalization=None), [penalty])


def _trains(model, curves):
    model.run_eagerly = True
    # The last bias moves no Wasserstein distance.
    kernels = [each for each in model.trainable_variables if len(each.shape) > 1]
    before = arrays(kernels)
    logs = model.train_on_batch(images(4), return_dict=True)
    assert all(np.isfinite(float(logs[name])) for name in [*curves, "loss"])
    after = arrays(kernels)
    assert all(not np.array_equal(after[key], before[key]) for key in before)


@pytest.mark.parametrize("at", ["data", "fakes", "between"])
def test_a_penalty_is_taken_at_its_points(at, monkeypatch):
    """A critic x^2 / 2 of one pixel has the slope x."""
    model = small(normalization=None)
    penalty = penalties.Penalty("r1", lambda gradients: ops.mean(gradients), at, 1.0)
    model.penalty, model.penalty_weight = penalty, 3.0
    model.curves["r1"] = keras.metrics.Mean(name="r1")
    monkeypatch.setattr(model, "_scores", lambda x, *_: 0.5 * ops.square(x))
    real, fake = ops.full((4, 1), 2.0), ops.full((4, 1), -1.0)
    total = model._regularizer((real, {}), (fake, {}), real, True)
    value = float(ops.convert_to_numpy(total)) / 3.0
    if at == "between":
        assert -1.0 < value < 2.0
    else:
        assert value == pytest.approx({"data": 2.0, "fakes": -1.0}[at])


@pytest.mark.parametrize("compiled", [True, False])
def test_clipping_cuts_the_discriminator_after_each_update_and_nothing_else(compiled):
    model = small(loss="wasserstein", penalty="clipping", clip=0.02, learning_rate=0.05)
    model.run_eagerly = not compiled
    generator = arrays(model.generator.trainable_variables)
    model.train_on_batch(images())
    for key, value in arrays(model.discriminator.trainable_variables).items():
        assert np.abs(value).max() <= np.float32(0.02), key
    moved = arrays(model.generator.trainable_variables)
    assert max(np.abs(value).max() for value in moved.values()) > 0.5
    assert all(not np.array_equal(moved[key], generator[key]) for key in moved)


def test_samples_do_not_depend_on_their_neighbours():
    """Sampling normalizes by the moving averages, not by the batch."""
    model = small()
    latents = np.random.default_rng(0).uniform(-1, 1, (5, 4)).astype("float32")
    together = ops.convert_to_numpy(model.generator(latents))
    alone = ops.convert_to_numpy(model.generator(latents[:1]))
    np.testing.assert_allclose(together[:1], alone, atol=1e-6)


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """The Fréchet distance of the pixels' means and covariances."""
    first, second = first.reshape(len(first), -1), second.reshape(len(second), -1)
    one, two = np.cov(first.T), np.cov(second.T)
    roots = np.sqrt(np.maximum(np.linalg.eigvals(one @ two).real, 0.0)).sum()
    means = np.square(first.mean(0) - second.mean(0)).sum()
    return float(means + np.trace(one) + np.trace(two) - 2.0 * roots)


@pytest.mark.learns
def test_it_learns_digits():
    """Other real digits are at 0.4, a generator of one mean digit at 19, the untrained one at 46."""
    digits = (load_digits().images / 8.0 - 1.0).astype("float32")[..., None]
    digits = np.random.default_rng(0).permutation(digits)
    train, held_out = digits[:1300], digits[1300:]
    model = small(filters=16, latent_dim=16)
    untrained = frechet(model.sample(600), held_out)
    model.fit(train, batch_size=50, epochs=25, verbose=0)
    trained = frechet(model.sample(600), held_out)
    assert untrained > 20.0
    assert trained < 7.0
