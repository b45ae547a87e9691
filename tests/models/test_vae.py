"""The VAE's bound and estimate against integrals over its one latent, its samples, and a distribution that it learns."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.models import VAE

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

# Where a standard normal, and what is near it, is integrated.
LATENTS = np.linspace(-8.0, 8.0, 2_001)
DRAWS = 4_000


@pytest.fixture(scope="module")
def model() -> VAE:
    """One latent and four pixels, with weights large enough that the latent matters."""
    backend.set_seed(3)
    model = VAE((4,), latent_dim=1, network="dense", units=(6,), levels=2)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0.0, 0.7, variable.shape))
    return model


X = np.array([1.0, -1.0, 1.0, 1.0], "float32")


def log_normal(z: np.ndarray, mean: float = 0.0, variance: float = 1.0) -> np.ndarray:
    return -0.5 * (np.square(z - mean) / variance + math.log(2.0 * math.pi * variance))


def log_likelihood(model: VAE, x: np.ndarray) -> np.ndarray:
    """log p(x | z) at each of `LATENTS`, from the decoder's log-odds."""
    odds = ops.convert_to_numpy(model.decoder(LATENTS[:, None].astype("float32"))).astype("float64")
    return -np.log1p(np.exp(-odds * x)).sum(axis=1)


def exact(model: VAE, x: np.ndarray) -> float:
    """log p(x) by integration."""
    return math.log(np.trapezoid(np.exp(log_likelihood(model, x) + log_normal(LATENTS)), LATENTS))


def test_the_bound_and_the_estimate_by_integration(model):
    mean, log_variance = ops.convert_to_numpy(model.encoder(X[None]))[0].astype("float64")
    log_q = log_normal(LATENTS, mean, math.exp(log_variance))
    inner = log_likelihood(model, X) + log_normal(LATENTS) - log_q
    bound = np.trapezoid(np.exp(log_q) * inner, LATENTS)
    many = np.repeat(X[None], DRAWS, axis=0)
    drawn = ops.convert_to_numpy(model.elbo(many, seed=1))
    error = float(drawn.std()) / math.sqrt(DRAWS)
    assert float(drawn.mean()) == pytest.approx(bound, abs=4.0 * error)
    assert bound < exact(model, X) - 0.02
    estimate, error = (float(value[0]) for value in model.log_prob_estimate(X[None], 4_000, seed=2))
    assert estimate == pytest.approx(exact(model, X), abs=4.0 * error)
    assert error < 0.02


def test_probabilities_of_all_images_sum_to_one(model):
    images = np.stack(np.meshgrid(*[[-1.0, 1.0]] * 4, indexing="ij"), axis=-1).reshape(-1, 4)
    estimates, _ = model.log_prob_estimate(images.astype("float32"), 2_000, seed=4)
    assert np.exp(ops.convert_to_numpy(estimates)).sum() == pytest.approx(1.0, abs=0.01)


def test_noisy_samples_follow_the_likelihood(model):
    samples = model.sample(DRAWS, seed=5, noise=True)
    assert set(np.unique(samples)) == {-1.0, 1.0}
    expected = math.exp(exact(model, X))
    share = (samples == X).all(axis=1).mean()
    assert share == pytest.approx(expected, abs=4.0 * math.sqrt(expected / DRAWS))
    # Without noise a sample is the mean of its pixels.
    assert model.sample(DRAWS, seed=5).mean(axis=0) == pytest.approx(
        samples.mean(axis=0), abs=4.0 / math.sqrt(DRAWS)
    )


@pytest.mark.learns
def test_it_learns_a_factor_model_down_to_its_entropy():
    """One normal factor behind three numbers: the posterior is normal, so that the best bound is the likelihood."""
    backend.set_seed(0)
    rng = np.random.default_rng(0)
    loadings, deviation = np.array([1.0, -0.7, 0.5]), 0.3
    covariance = np.outer(loadings, loadings) + deviation**2 * np.eye(3)
    train, test = (rng.multivariate_normal(np.zeros(3), covariance, 4_000) for _ in range(2))
    entropy = 0.5 * np.linalg.slogdet(2.0 * math.pi * math.e * covariance)[1]
    # Without the factor, each number by itself.
    apart = 0.5 * np.log(2.0 * math.pi * math.e * np.diag(covariance)).sum()
    model = VAE((3,), latent_dim=1, network="dense", units=(32,), likelihood="gaussian")
    model.compile(keras.optimizers.Adam(0.003))
    model.fit(train.astype("float32"), batch_size=100, epochs=40, verbose=0)
    cost = -ops.convert_to_numpy(model.elbo(test.astype("float32"), seed=1))
    assert apart - entropy > 1.0
    assert entropy - 0.1 < cost.mean() < entropy + 0.1
    samples = model.sample(DRAWS, seed=2, noise=True)
    np.testing.assert_allclose(np.cov(samples.T), covariance, atol=0.12)


def test_noise_fills_the_cells_of_discrete_features():
    """With decoder and encoder that look at nothing, the bound is the density of a normal over the cell."""
    backend.set_seed(0)
    options = {"latent_dim": 1, "network": "dense", "units": (4,), "likelihood": "gaussian"}
    model = VAE((2,), cells=(2.0, 0.0), **options)
    for variable in model.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    assert (model.nats_of, VAE((2,), **options).nats_of) == ("table", "density")
    x = np.array([0.4, 0.7], "float32")
    noise = np.linspace(-1.0, 1.0, 4_001)
    expected = (
        log_normal(x[0] + noise, 0.0, 1.0).mean() + math.log(2.0) + log_normal(x[1], 0.0, 1.0)
    )
    drawn = ops.convert_to_numpy(model.elbo(np.tile(x, (DRAWS, 1)), seed=0)).astype("float64")
    assert drawn.mean() == pytest.approx(expected, abs=4.0 * drawn.std() / math.sqrt(DRAWS))
