"""RBM: energies, gradients and partition functions against sums over all states, and what it learns."""

import itertools
import math

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.neural_network import BernoulliRBM

from gm_keras.models.boltzmann import annealing
from gm_keras.models.boltzmann.bipartite import Enumeration
from gm_keras.models.boltzmann.rbm import RBM

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

KINDS = ("bernoulli", "gaussian")


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def random_weights(model: RBM, seed: int, kernel: float, bias: float = 1.0) -> RBM:
    """Gives the machine normal weights: the kernel and the biases of these standard deviations."""
    generator = np.random.default_rng(seed)
    scales = {"kernel": kernel, "log_variance": 0.3}
    for variable in model.machine.weights:
        value = scales.get(variable.name, bias) * generator.normal(size=variable.shape)
        variable.assign(value.astype("float32"))
    return model


def weights(model: RBM) -> dict[str, np.ndarray]:
    return {each.name: array(each).astype("float64") for each in model.machine.weights}


def every(bits: int) -> np.ndarray:
    return np.array(list(itertools.product((0.0, 1.0), repeat=bits)))


def energy(model: RBM, visible: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """E(v, h) by its definition: `(n, m)` for visible `(n, units)` and hidden `(m, units)`."""
    w = weights(model)
    scaled, own = visible, -(visible @ w["visible_bias"])
    if model.gaussian:
        variance = np.exp(w["log_variance"])
        scaled = visible / variance
        own = ((visible - w["visible_bias"]) ** 2 / (2.0 * variance)).sum(axis=1)
    return own[:, None] - hidden @ w["hidden_bias"] - scaled @ w["kernel"] @ hidden.T


def as_data(model: RBM, visible: np.ndarray) -> np.ndarray:
    data = visible if model.gaussian else 2.0 * visible - 1.0
    return data.reshape(-1, *model.data_shape).astype("float32")


# ---- energies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_free_energy_is_that_of_all_hidden_states(kind):
    model = random_weights(RBM((5,), hidden=4, visible=kind), 1, kernel=0.7)
    visible = every(5) if kind == "bernoulli" else np.random.default_rng(0).normal(size=(20, 5))
    expected = -np.logaddexp.reduce(-energy(model, visible, every(4)), axis=1)
    found = array(model.free_energy(as_data(model, visible)))
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_the_partition_function_is_the_sum_over_all_states():
    model = random_weights(RBM((5,), hidden=4), 2, kernel=1.0)
    expected = np.logaddexp.reduce(-energy(model, every(5), every(4)).ravel())
    assert model.exact_log_partition() == pytest.approx(expected, abs=1e-6)


def test_the_density_of_continuous_units_integrates_to_one():
    model = random_weights(RBM((2,), hidden=5, visible="gaussian"), 3, kernel=0.8)
    ticks = np.linspace(-12.0, 12.0, 601)
    grid = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)
    free_energy = array(model.free_energy(grid.astype("float32"))).astype("float64")
    density = np.exp(-free_energy - model.exact_log_partition())
    assert density.sum() * (ticks[1] - ticks[0]) ** 2 == pytest.approx(1.0, abs=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_drawn_states_of_an_enumeration_are_as_often_as_they_should_be(kind):
    machine = random_weights(RBM((3,), hidden=3, visible=kind), 4, kernel=0.7).machine
    enumeration = Enumeration(machine)
    hidden = enumeration.draw(40_000, np.random.default_rng(1))
    shares = np.bincount((hidden @ [1, 2, 4]).astype(int), minlength=8) / len(hidden)
    expected = np.exp(enumeration.log_weights - enumeration.log_partition())
    np.testing.assert_allclose(shares, expected, atol=0.013)  # five standard deviations


# ---- annealed importance sampling -------------------------------------------------------------------


def test_log_mean_exp_and_its_error_by_hand():
    log_weights = np.log(np.array([1.0, 2.0, 3.0])) + 900.0
    estimate, error = annealing.log_mean_exp(log_weights)
    assert estimate == pytest.approx(900.0 + math.log(2.0))
    assert error == pytest.approx(1.0 / math.sqrt(3.0) / 2.0)


def test_temperatures_are_dense_where_weights_vary():
    generator = np.random.default_rng(0)
    pilot = generator.normal(size=(10, 500)) * np.array([1.0] * 5 + [9.0] * 5)[:, None]
    betas = annealing.spread(pilot, 490)
    assert len(betas) == 501  # rounded up to whole blocks
    assert (betas[0], betas[-1]) == (0.0, 1.0)
    assert (np.diff(betas) > 0.0).all()
    assert np.sum(betas > 0.5) > 400


@pytest.mark.parametrize("kind", KINDS)
def test_annealing_finds_the_exact_partition_function(kind):
    model = RBM((12,), hidden=8, visible=kind)
    for seed, kernel in enumerate((0.3, 0.7, 1.0)):
        random_weights(model, 10 + seed, kernel * (1.0 if kind == "bernoulli" else 0.5))
        exact = model.exact_log_partition()
        for direction in ("forward", "reverse"):
            estimate, error = model.log_partition(128, 1000, seed=seed, direction=direction)
            assert 0.0 < error < 0.05
            assert abs(estimate - exact) < 3.0 * error


def test_annealing_errs_to_the_side_that_its_direction_says():
    # Far too few distributions: the errors are large and must have the known sign.
    model = random_weights(RBM((16,), hidden=10), 5, kernel=4.0)
    exact = model.exact_log_partition()
    for direction, side in (("forward", -1.0), ("reverse", 1.0)):
        estimates = [model.log_partition(2, 25, seed, direction)[0] for seed in range(10)]
        assert side * (np.mean(estimates) - exact) > 0.05


def test_reverse_annealing_without_enumeration():
    # Two machines side by side that know nothing of each other: their partition functions multiply.
    half = random_weights(RBM((6,), hidden=11), 6, kernel=0.6)
    both = RBM((12,), hidden=22)
    w = weights(half)
    kernel = np.zeros((12, 22), "float32")
    kernel[:6, :11] = kernel[6:, 11:] = w["kernel"]
    both.machine.kernel.assign(kernel)
    both.machine.visible_bias.assign(np.tile(w["visible_bias"], 2))
    both.machine.hidden_bias.assign(np.tile(w["hidden_bias"], 2))
    with pytest.raises(ValueError, match="too many states"):
        both.exact_log_partition()
    for direction in ("forward", "reverse"):
        estimate, error = both.log_partition(128, 1000, seed=2, direction=direction)
        assert error < 0.05
        assert abs(estimate - 2.0 * half.exact_log_partition()) < 3.0 * error


def test_log_probabilities_are_estimated_with_their_error():
    model = random_weights(RBM((8,), hidden=6), 7, kernel=0.5)
    x = as_data(model, every(8))
    estimate, error = model.log_prob_estimate(x, num_samples=64, seed=1)
    assert estimate.shape == error.shape == (256,)
    assert np.exp(estimate.astype("float64")).sum() == pytest.approx(1.0, abs=4.0 * float(error[0]))
    exact = -array(model.free_energy(x)) - model.exact_log_partition()
    np.testing.assert_allclose(estimate, exact, atol=4.0 * error[0] + 1e-4)


# ---- training ---------------------------------------------------------------------------------------


def numpy_free_energy_gradient(model: RBM, visible: np.ndarray) -> dict[str, np.ndarray]:
    """Minus the statistics of visible values, averaged: what the free energy's gradient is."""
    w = weights(model)
    variance = np.exp(w["log_variance"]) if model.gaussian else np.ones(visible.shape[1])
    scaled = visible / variance
    hidden = 1.0 / (1.0 + np.exp(-(scaled @ w["kernel"] + w["hidden_bias"])))
    n = len(visible)
    away = visible - w["visible_bias"] if model.gaussian else visible
    gradient = {
        "kernel": -scaled.T @ hidden / n,
        "visible_bias": -(away / variance).mean(axis=0),
        "hidden_bias": -hidden.mean(axis=0),
    }
    if model.gaussian:
        energy = -(away**2) / (2.0 * variance) + scaled * (hidden @ w["kernel"].T)
        gradient["log_variance"] = energy.mean(axis=0)
    return gradient


@pytest.mark.parametrize("kind", KINDS)
def test_the_update_is_the_difference_of_the_statistics(kind):
    """One step of gradient descent with rate 1 against NumPy, with the chains that the step left behind."""
    model = RBM((6,), hidden=4, visible=kind, persistent=True, chains=7, steps=2)
    random_weights(model, 8, kernel=0.5)
    model.compile(keras.optimizers.SGD(1.0))
    visible = np.random.default_rng(1).integers(0, 2, size=(10, 6)).astype("float64")
    before = weights(model)
    positive = numpy_free_energy_gradient(model, visible)
    machine_before = {name: value.copy() for name, value in before.items()}
    loss = float(model.train_on_batch(as_data(model, visible)))
    after = weights(model)
    chains = array(model.chains.visible).astype("float64")
    assert np.abs(chains).sum() > 0.0
    for variable in model.machine.weights:
        variable.assign(machine_before[variable.name].astype("float32"))
    negative = numpy_free_energy_gradient(model, chains)
    for name, value in after.items():
        expected = before[name] - (positive[name] - negative[name])
        np.testing.assert_allclose(value, expected, atol=2e-5, err_msg=name)
    free_energy = array(model.free_energy(as_data(model, visible))).mean()
    free_energy -= array(model.free_energy(as_data(model, chains))).mean()
    assert loss == pytest.approx(free_energy, abs=1e-3)


def test_contrastive_divergence_starts_its_chains_at_the_data():
    # Weights so large that a Gibbs step gives back what it was given: the two free energies are equal.
    model = RBM((4,), hidden=4, steps=1)
    model.machine.kernel.assign(80.0 * np.eye(4, dtype="float32"))
    model.machine.visible_bias.assign(np.full(4, -40.0, "float32"))
    model.machine.hidden_bias.assign(np.full(4, -40.0, "float32"))
    model.compile(keras.optimizers.SGD(1.0))
    before = weights(model)
    assert float(model.train_on_batch(as_data(model, every(4)))) == 0.0
    for name, value in weights(model).items():
        np.testing.assert_allclose(value, before[name], atol=1e-5)


def test_persistent_chains_go_on_after_loading(tmp_path):
    model = RBM((4, 4, 1), hidden=5, persistent=True, chains=6, binarize=True)
    model.compile(keras.optimizers.SGD(0.1))
    x = np.random.default_rng(0).uniform(-1.0, 1.0, size=(8, 4, 4, 1)).astype("float32")
    states = [array(model.chains.visible).copy()]
    for _ in range(2):
        model.train_on_batch(x)
        states.append(array(model.chains.visible).copy())
    assert not np.array_equal(states[0], states[1])
    assert not np.array_equal(states[1], states[2])
    assert set(np.unique(states[2])) == {0.0, 1.0}
    model.test_on_batch(x)
    np.testing.assert_array_equal(array(model.chains.visible), states[2])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(array(loaded.chains.visible), states[2])
    model.train_on_batch(x)
    loaded.train_on_batch(x)
    np.testing.assert_array_equal(array(loaded.chains.visible), array(model.chains.visible))
    np.testing.assert_array_equal(array(loaded.machine.kernel), array(model.machine.kernel))


# ---- sampling and learning --------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_samples_are_distributed_as_the_machine_says(kind):
    model = random_weights(RBM((3,), hidden=4, visible=kind), 9, kernel=0.8)
    samples = model.sample(4000, seed=1, steps=200, noise=True)
    if kind == "bernoulli":
        states = every(3)
        log_probability = -array(model.free_energy(as_data(model, states)))
        expected = np.exp(log_probability - model.exact_log_partition())
        shares = [(samples == 2.0 * state - 1.0).all(axis=1).mean() for state in states]
        np.testing.assert_allclose(shares, expected, atol=0.04)
        return
    enumeration, w = Enumeration(model.machine), weights(model)
    probability = np.exp(enumeration.log_weights - enumeration.log_partition())
    centers = w["visible_bias"] + enumeration.bits(np.arange(16)) @ w["kernel"].T
    mean = probability @ centers
    deviation = np.sqrt(np.exp(w["log_variance"]) + probability @ (centers - mean) ** 2)
    np.testing.assert_allclose(samples.mean(axis=0), mean, atol=0.1 * deviation.max())
    np.testing.assert_allclose(samples.std(axis=0), deviation, rtol=0.06)


@pytest.mark.learns
def test_a_learned_variance_fits_the_data():
    keras.utils.set_random_seed(1)
    generator = np.random.default_rng(0)
    side = generator.choice([-1.5, 1.5], size=(2000, 1))
    x = (side + 0.3 * generator.normal(size=(2000, 2))).astype("float32")
    # Chains from the data: no chain of its own would cross from one side to the other.
    model = RBM((2,), hidden=4, visible="gaussian")
    rate = keras.optimizers.schedules.PolynomialDecay(0.02, 600, 0.001)
    model.compile(keras.optimizers.Adam(rate), jit_compile=keras.backend.backend() == "jax")
    model.fit(x, batch_size=200, epochs=60, verbose=0)
    nll = array(model.free_energy(x)).mean() + model.exact_log_partition()
    entropy = math.log(2.0) + math.log(2.0 * math.pi * math.e * 0.09)
    # One Gaussian of the same covariance has 2.4 nats, the entropy is 1.1.
    assert entropy - 0.1 < nll < entropy + 0.7
    np.testing.assert_allclose(np.exp(weights(model)["log_variance"]), 0.09, rtol=0.25)


@pytest.mark.learns
def test_digits_are_learnt_as_well_as_by_scikit_learn():
    keras.utils.set_random_seed(1)
    bits = (load_digits().images >= 8.0).reshape(-1, 64).astype("float32")
    order = np.random.default_rng(0).permutation(len(bits))
    train, test = bits[order[:1400]], bits[order[1400:]]
    shape = (-1, 8, 8, 1)

    def nll(model):
        free_energy = array(model.free_energy(2.0 * test.reshape(shape) - 1.0)).mean()
        return float(free_energy + model.exact_log_partition())

    theirs = RBM((8, 8, 1), hidden=12)
    # Its best: with a rate of 0.1, its default, it is two nats worse.
    fitted = BernoulliRBM(12, learning_rate=0.02, n_iter=60, random_state=0).fit(train)
    theirs.machine.kernel.assign(fitted.components_.T.astype("float32"))
    theirs.machine.visible_bias.assign(fitted.intercept_visible_.astype("float32"))
    theirs.machine.hidden_bias.assign(fitted.intercept_hidden_.astype("float32"))

    model = RBM((8, 8, 1), hidden=12, persistent=True, levels=2)
    rate = keras.optimizers.schedules.PolynomialDecay(0.2, 28 * 60, 0.005)
    model.compile(
        keras.optimizers.SGD(rate, momentum=0.5), jit_compile=keras.backend.backend() == "jax"
    )
    untrained = nll(model)
    model.fit(2.0 * train.reshape(shape) - 1.0, batch_size=50, epochs=60, verbose=0)
    assert untrained > 40.0
    assert nll(model) < nll(theirs) + 0.3
    samples = model.sample(200, seed=1)
    means = np.stack([test.mean(axis=0), samples.mean(axis=0).ravel()])
    assert np.corrcoef(means)[0, 1] > 0.9


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"visible": "binary"}, "visible must be"),
        ({"hidden": 0}, "at least 1"),
        ({"variance": 1.0}, 'variance needs visible="gaussian"'),
        ({"visible": "gaussian", "variance": -1.0}, "above 0"),
        ({"visible": "gaussian", "binarize": True}, "binarize needs"),
    ],
)
def test_arguments_that_make_no_machine_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RBM((4,), **arguments)


def test_what_the_nats_are_of():
    assert RBM((4, 4, 1), hidden=2, binarize=True).nats_of == "discrete"
    assert RBM((4, 4, 1), hidden=2, levels=2).nats_of == "discrete"
    assert RBM((4, 4, 1), hidden=2, levels=17).nats_of == "relaxed"
    assert RBM((4,), hidden=2, visible="gaussian").nats_of == "density"
    with pytest.raises(ValueError, match="direction must be"):
        RBM((4,), hidden=2).log_partition(direction="both")
