"""LGAN: the largest slope, where the critic's gradient points, and eight Gaussians."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.models.gan.lgan import LGAN
from tests.eight_gaussians import gaussians, quality

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def small(seed: int = 0, rates: tuple[float, float] = (0.001, 0.001), **arguments) -> LGAN:
    keras.utils.set_random_seed(seed)
    model = LGAN((2,), **{"latent_dim": 2, "units": (64, 64), **arguments})
    adams = [keras.optimizers.Adam(rate, beta_1=0.5, beta_2=0.9) for rate in rates]
    model.compile(dict(zip(("critic", "generator"), adams, strict=True)), fresh_batches=True)
    return model


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="phi must be one of"):
        LGAN((2,), phi="log")
    with pytest.raises(ValueError, match="\"layer\" or None, not 'batch'"):
        LGAN((8, 8, 1), critic_normalization="batch")


@pytest.mark.parametrize(
    ("phi", "terms"),
    [("linear", 0.5 - 0.8), ("exp", np.exp(0.5) + np.exp(-0.8)), ("square", 1.5**2 + 0.2**2)],
)
def test_the_losses_of_a_critic_that_is_linear(phi, terms):
    """f(x) = 0.3 x_1 + 0.4 x_2 has the score 0.8 at the data and 0.5 at the fakes, and the squared slope 0.25."""
    model = small(units=(), phi=phi, penalty_weight=0.5, rates=(0.0, 0.0))
    model.critic.set_weights([np.array([[0.3], [0.4]], "float32"), np.zeros(1, "float32")])
    model.generator.set_weights([np.zeros((2, 2), "float32"), np.array([1.0, 0.5], "float32")])
    data = np.tile(np.array([0.0, 2.0], "float32"), (4, 1))
    logs = model.test_on_batch(data, return_dict=True)
    assert float(logs["max_gradient_penalty"]) == pytest.approx(0.25, rel=1e-5)
    assert float(logs["critic_loss"]) == pytest.approx(terms + 0.125, rel=1e-5)
    assert float(logs["generator_loss"]) == pytest.approx(-0.5, rel=1e-5)


def pointing(model: LGAN) -> tuple[float, float]:
    """Of the critic's gradients at samples: the mean cosine of the angle to the data, and the mean length."""
    x = model.sample(500)
    gradients = ops.convert_to_numpy(model.gradient(model.critic, ops.convert_to_tensor(x)))
    lengths, towards = np.linalg.norm(gradients, axis=-1), np.array([1.0, 0.0]) - x
    cosines = (gradients * towards).sum(-1) / (lengths * np.linalg.norm(towards, axis=-1) + 1e-12)
    return float(cosines.mean()), float(lengths.mean())


def against_fixed_samples(phi: str, penalty_weight: float) -> LGAN:
    """A critic that has learned to tell samples around (-1, 0) from data around (1, 0), which do not meet."""
    model = small(1, (0.003, 0.0), phi=phi, penalty_weight=penalty_weight, n_critic=1)
    first, second, last = (np.zeros(shape, "float32") for shape in ((2, 64), (64, 64), (64, 2)))
    for sign, unit in ((1.0, 0), (-1.0, 2)):  # max(0, z) - max(0, -z) = z
        for each in range(2):
            first[each, unit + each], second[unit + each, unit + each] = sign, 1.0
            last[unit + each, each] = 0.2 * sign
    zeros = np.zeros(64, "float32")
    bias = np.array([-1.0, 0.0], "float32")
    model.generator.set_weights([first, zeros, second, zeros, last, bias])
    noise = np.random.default_rng(0).normal(size=(128 * 600, 2))
    data = np.array([1.0, 0.0]) + 0.05 * noise
    model.fit(data.astype("float32"), batch_size=128, verbose=0)
    return model


@pytest.mark.learns
@pytest.mark.parametrize("phi", ["exp", "log_sigmoid"])
def test_the_gradient_at_a_sample_points_at_data(phi):
    """As in figure 2 of the paper."""
    cosine, length = pointing(against_fixed_samples(phi, 0.1))
    assert cosine > 0.98
    assert length > 1.0


@pytest.mark.once("jax")
def test_without_the_penalty_the_gradient_says_nothing():
    """As in figure 1 of the paper, with least squares: the best critic is level where samples are."""
    cosine, length = pointing(against_fixed_samples("square", 0.0))
    assert cosine < 0.9
    assert length < 0.1


@pytest.mark.learns
def test_it_finds_the_eight_gaussians():
    """At least 7 of 8 modes, and 65 % of the samples in one; untrained one at most."""
    model = small()
    assert quality(model.sample(2000))[0] <= 1
    batch = 128 * model.n_critic
    model.fit(gaussians(600 * batch), batch_size=batch, verbose=0)
    modes, good = quality(model.sample(2000))
    assert modes >= 7
    assert good >= 0.65
