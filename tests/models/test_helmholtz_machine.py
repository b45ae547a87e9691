"""Helmholtz machine: the delta rules of wake and sleep, sums over all states, and the bars."""

import itertools

import keras
import numpy as np
import pytest

from gm_keras.data.builders import bars
from gm_keras.models.boltzmann.helmholtz_machine import HelmholtzMachine

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def random_weights(model: HelmholtzMachine, seed: int, scale: float = 0.7) -> HelmholtzMachine:
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign((scale * generator.normal(size=variable.shape)).astype("float32"))
    return model


def every(bits: int) -> np.ndarray:
    return np.array(list(itertools.product((0.0, 1.0), repeat=bits)))


def logistic(values: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-values))


def connections(network) -> tuple[np.ndarray, np.ndarray]:
    kernel, bias = (array(each).astype("float64") for each in network.trainable_variables)
    return kernel, bias


def log_bernoulli(values: np.ndarray, log_odds: np.ndarray) -> np.ndarray:
    return (values * log_odds - np.logaddexp(0.0, log_odds)).sum(axis=-1)


def log_joint(model: HelmholtzMachine, bits: np.ndarray, low: np.ndarray, high: np.ndarray):
    """log p(x, h1, h2) of a machine with two hidden layers by its definition."""
    top = array(model.top.trainable_variables[0]).astype("float64")[0]
    total = log_bernoulli(high, top)
    for values, above, network in ((low, high, 1), (bits, low, 0)):
        kernel, bias = connections(model.generation[network])
        total = total + log_bernoulli(values, above @ kernel + bias)
    return total


def test_the_probabilities_are_sums_over_all_hidden_states():
    model = random_weights(HelmholtzMachine((4,), units=(3, 2)), 1)
    images = every(4)
    expected = [
        np.logaddexp.reduce(
            [log_joint(model, x, low, high) for low in every(3) for high in every(2)]
        )
        for x in images
    ]
    found = array(model.log_prob((2.0 * images - 1.0).astype("float32")))
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert np.exp(found.astype("float64")).sum() == pytest.approx(1.0, abs=1e-5)


def test_the_bound_is_below_and_importance_sampling_agrees():
    model = random_weights(HelmholtzMachine((4,), units=(3, 2)), 2, scale=0.5)
    x = (2.0 * every(4) - 1.0).astype("float32")
    exact = array(model.log_prob(x))
    bounds = np.mean([array(model.elbo(x, seed=seed)) for seed in range(300)], axis=0)
    assert (bounds < exact + 0.1).all()
    assert bounds.mean() < exact.mean() - 0.05
    estimate, error = (array(each) for each in model.log_prob_estimate(x, 4000, seed=1))
    assert (error < 0.05).all()
    assert (np.abs(estimate - exact) < 4.0 * error).all()


def test_samples_are_as_often_as_their_probabilities_say():
    model = random_weights(HelmholtzMachine((3,), units=(3, 2)), 3)
    samples = model.sample(20_000, seed=1, noise=True)
    images = (2.0 * every(3) - 1.0).astype("float32")
    shares = [(samples == image).all(axis=1).mean() for image in images]
    np.testing.assert_allclose(shares, np.exp(array(model.log_prob(images))), atol=0.018)
    means = model.sample(20_000, seed=1)
    assert means.min() > -1.0
    np.testing.assert_allclose(means.mean(axis=0), samples.mean(axis=0), atol=0.04)


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape).uniform(size=shape)


def test_wake_and_sleep_are_the_delta_rules(monkeypatch):
    """One step of gradient descent with rate 1 against NumPy, with the same uniform numbers."""
    monkeypatch.setattr(
        keras.random,
        "uniform",
        lambda shape, seed=None: keras.ops.convert_to_tensor(noise(*shape).astype("float32")),
    )
    model = random_weights(HelmholtzMachine((4,), units=(3, 2)), 4)
    model.compile(
        {key: keras.optimizers.SGD(1.0) for key in ("generation", "recognition")}, run_eagerly=True
    )
    up = [connections(network) for network in model.recognition]
    down = [connections(network) for network in model.generation]
    top = array(model.top.trainable_variables[0]).astype("float64")[0]
    bits = np.random.default_rng(0).integers(0, 2, size=(6, 4)).astype("float64")
    model.train_on_batch((2.0 * bits - 1.0).astype("float32"))

    def draw(log_odds):
        return (noise(*log_odds.shape) < logistic(log_odds)).astype("float64")

    def delta_rule(weights, inputs, targets):
        kernel, bias = weights
        missed = (targets - logistic(inputs @ kernel + bias)) / len(inputs)
        return kernel + inputs.T @ missed, bias + missed.sum(axis=0)

    x = 2.0 * bits - 1.0
    low = draw(x @ up[0][0] + up[0][1])
    high = draw(low @ up[1][0] + up[1][1])
    down = [delta_rule(down[0], low, bits), delta_rule(down[1], high, low)]
    top = top + (high - logistic(top)).mean(axis=0)
    # The dreams come from what the wake phase has just learned.
    high = draw(np.tile(top, (6, 1)))
    low = draw(high @ down[1][0] + down[1][1])
    dream = 2.0 * draw(low @ down[0][0] + down[0][1]) - 1.0
    up = [delta_rule(up[0], dream, low), delta_rule(up[1], low, high)]

    np.testing.assert_allclose(array(model.top.trainable_variables[0])[0], top, atol=1e-5)
    for networks, expected in ((model.generation, down), (model.recognition, up)):
        for network, (kernel, bias) in zip(networks, expected, strict=True):
            found = connections(network)
            np.testing.assert_allclose(found[0], kernel, atol=1e-5)
            np.testing.assert_allclose(found[1], bias, atol=1e-5)


@pytest.mark.learns
def test_the_bars_are_learnt():
    keras.utils.set_random_seed(1)
    images, probabilities = bars.distribution()
    every_image = 2.0 * images.astype("float32") - 1.0
    train = 2.0 * bars.bars(18_000, seed=0)[0].astype("float32") - 1.0
    model = HelmholtzMachine((4, 4, 1), units=(8, 1), levels=2)
    rates = [keras.optimizers.schedules.PolynomialDecay(0.03, 2500, 0.001) for _ in range(2)]
    model.compile(
        {
            "generation": keras.optimizers.Adam(rates[0]),
            "recognition": keras.optimizers.Adam(rates[1]),
        },
        jit_compile=keras.backend.backend() == "jax",
    )
    model.fit(train, batch_size=72, epochs=10, verbose=0)
    nll = -(probabilities * array(model.log_prob(every_image))).sum()
    # Independent pixels need 11.09 nats, and no model fewer than the entropy, 3.38. Measured: 4.2 to 4.6.
    assert bars.entropy() < nll < bars.independent_nll() - 5.5
    bound = np.mean([array(model.elbo(every_image, seed=seed)) for seed in range(20)], axis=0)
    assert nll - 0.01 < -(probabilities * bound).sum() < nll + 1.0
    samples = model.sample(1000, seed=1, noise=True)
    share = np.mean([(every_image == sample).all(axis=(1, 2, 3)).any() for sample in samples])
    assert share > 0.3  # measured: 0.42; of fair coins, 30 in 65,536
    assert model.nats_of == "discrete"


def test_wrong_requests_are_refused():
    with pytest.raises(ValueError, match="units must be"):
        HelmholtzMachine((4, 4, 1), units=())
    with pytest.raises(ValueError, match="too many states"):
        HelmholtzMachine((4,), units=(16, 5)).log_prob(np.zeros((1, 4), "float32"))
