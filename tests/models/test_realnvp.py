"""RealNVP: Jacobians, masks, inverses, probabilities that sum to one, and what it learns."""

import math

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits, make_moons

from gm_keras.layers.bijector import Bijector
from gm_keras.layers.coupling import ChannelCoupling, CheckerboardCoupling
from gm_keras.layers.logit import GreyLevelLogit
from gm_keras.layers.running_normalization import RunningNormalization
from gm_keras.layers.squeeze import Squeeze
from gm_keras.models.flow.realnvp import RealNVP
from gm_keras.networks.dense import dense
from gm_keras.networks.resnet import residual
from tests.systems import at_once

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

SMALL = {"filters": 4, "blocks": 1, "couplings": 1}


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def normal(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def disturb(layer, size=0.4):
    """Gives a layer or model fixed random weights, away from its start, where couplings are the identity."""
    for index, weight in enumerate(layer.weights):
        noise = normal(*weight.shape, seed=index)
        if len(weight.shape) > 1:
            weight.assign(noise / np.sqrt(np.prod(weight.shape[:-1])))
        elif weight.path.endswith("variance"):
            weight.assign(np.exp(size * noise))
        elif weight.dtype == "float32" and weight.shape:
            weight.assign(array(weight) + size * noise)
    return layer


def jacobian(function, x, step=3e-3) -> np.ndarray:
    """Central differences of `function`, from batches to batches, at one point `x`."""
    size = x.size
    moved = np.concatenate([np.eye(size), -np.eye(size)]) * step
    values = array(function(x + moved.reshape(2 * size, *x.shape).astype("float32")))
    values = values.reshape(2 * size, -1).astype("float64")
    return (values[:size] - values[size:]).T / (2.0 * step)


def couplings() -> dict[str, tuple[Bijector, tuple[int, ...]]]:
    return {
        "features": (CheckerboardCoupling(dense((5,), (8,), 10, name="d")), (5,)),
        "features flipped": (CheckerboardCoupling(dense((5,), (8,), 10, name="d"), True), (5,)),
        "pixels": (CheckerboardCoupling(residual((3, 4, 2), 6, 1, 4, name="r")), (3, 4, 2)),
        "channels": (ChannelCoupling(residual((2, 2, 2), 6, 1, 4, name="r")), (2, 2, 4)),
        "channels flipped": (
            ChannelCoupling(residual((2, 2, 2), 6, 1, 4, name="r"), True),
            (2, 2, 4),
        ),
    }


def layers() -> dict[str, tuple[Bijector, tuple[int, ...]]]:
    return {
        **couplings(),
        "normalization": (RunningNormalization(), (2, 3, 2)),
        "squeeze": (Squeeze(), (4, 2, 2)),
        "logit": (GreyLevelLogit(17), (2, 2, 1)),
    }


@pytest.mark.parametrize("name", list(layers()))
def test_a_layer_inverts_and_knows_its_jacobian(name):
    layer, shape = layers()[name]
    x = 0.4 * normal(3, *shape, seed=1)
    layer(x)
    disturb(layer)
    y, log_det = layer(x)
    back, back_log_det = layer(y, inverse=True)
    np.testing.assert_allclose(array(back), x, atol=1e-5)
    np.testing.assert_allclose(array(back_log_det), -array(log_det), atol=1e-4)
    matrix = jacobian(lambda values: layer(values)[0], x[0])
    assert np.linalg.slogdet(matrix)[1] == pytest.approx(float(log_det[0]), abs=0.01)
    assert tuple(layer.compute_output_spec(keras.KerasTensor((None, *shape)))[0].shape[1:]) == (
        tuple(y.shape[1:])
    )


@pytest.mark.parametrize("name", list(couplings()))
def test_a_coupling_keeps_one_part_and_changes_the_other_by_it(name):
    layer, shape = couplings()[name]
    x = normal(*shape, seed=2)
    layer(x[None])
    disturb(layer)
    matrix = jacobian(lambda values: layer(values)[0], x)
    position = np.indices(shape)
    if name.startswith("channels"):
        kept = position[-1] >= 2 if layer.flip else position[-1] < 2
    else:
        kept = position[:2].sum(axis=0) % 2 == int(layer.flip)
    kept = kept.ravel()
    np.testing.assert_allclose(matrix[kept], np.eye(x.size)[kept], atol=1e-4)
    among_changed = matrix[~kept][:, ~kept]
    np.testing.assert_allclose(among_changed, np.diag(np.diag(among_changed)), atol=1e-4)
    assert np.median(np.abs(np.diag(among_changed) - 1.0)) > 1e-2
    assert np.abs(matrix[~kept][:, kept]).max() > 1e-2


def test_the_scale_stays_finite_whatever_the_network_says():
    network = dense((2,), (), 4, name="d")
    layer = CheckerboardCoupling(network)
    network.layers[-1].bias.assign([1e6, 1e6, 0.0, 0.0])
    y, log_det = layer(normal(4, 2))
    np.testing.assert_allclose(array(log_det), 1.0, atol=1e-5)
    assert np.isfinite(array(y)).all()


def test_squeezed_halves_are_the_colours_of_a_checkerboard():
    image = np.arange(16, dtype="float32").reshape(1, 4, 4, 1)
    squeezed = array(Squeeze()(image)[0])
    assert squeezed.shape == (1, 2, 2, 4)
    assert squeezed[0, 0, 0].tolist() == [0.0, 5.0, 1.0, 4.0]
    assert squeezed[0, 1, 1].tolist() == [10.0, 15.0, 11.0, 14.0]


def test_normalization_is_by_the_running_average_also_in_training():
    layer = RunningNormalization(momentum=0.75, epsilon=0.0)
    x = 2.0 + 3.0 * normal(64, 2)
    y, log_det = layer(x, training=True)
    mean = 0.25 * x.mean(axis=0)
    variance = 0.75 + 0.25 * x.var(axis=0)
    np.testing.assert_allclose(array(y), (x - mean) / np.sqrt(variance), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(array(log_det), -0.5 * np.log(variance).sum(), rtol=1e-4)
    np.testing.assert_allclose(array(layer.mean), mean, rtol=1e-5)
    np.testing.assert_allclose(array(layer.variance), variance, rtol=1e-5)
    np.testing.assert_allclose(array(layer(x)[0]), array(y), rtol=1e-4, atol=1e-4)


def test_grey_levels_become_logits_of_the_middles_of_their_cells():
    levels = np.arange(17)
    logits, _ = GreyLevelLogit(17, alpha=0.05)((2.0 * levels / 16 - 1.0).astype("float32")[:, None])
    p = 0.05 + 0.9 * (levels + 0.5) / 17
    np.testing.assert_allclose(array(logits)[:, 0], np.log(p / (1 - p)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("shape", "levels", "scales", "finished"),
    [((3,), None, 1, 1), ((4, 4, 1), None, 2, 2), ((4, 8, 3), 17, 3, 2), ((3, 3, 1), 2, 3, 1)],
)
def test_a_model_inverts_and_knows_its_jacobian(shape, levels, scales, finished):
    arguments = {**SMALL, "couplings": 3 if len(shape) == 1 else 1}
    model = RealNVP(shape, levels=levels, num_scales=scales, units=(8,), **arguments)
    disturb(model, size=0.2)
    squeezes = [layer for layer in model.flow.layers if isinstance(layer, Squeeze)]
    assert len(squeezes) == finished - 1
    # As many as the differences take: what is compiled for them serves.
    n = 2 * math.prod(shape)
    if levels:
        v = np.random.default_rng(1).integers(0, levels, size=(n, *shape))
        x = (2.0 * v / (levels - 1) - 1.0).astype("float32")
    else:
        x = normal(n, *shape, seed=1)
    latents = array(model.encode(x))
    assert latents.shape == (n, math.prod(shape))
    np.testing.assert_allclose(array(model.decode(latents)), x, atol=1e-4)
    other = 0.5 * normal(n, math.prod(shape), seed=2)
    np.testing.assert_allclose(array(model.encode(model.decode(other))), other, atol=1e-4)
    matrix = jacobian(model.encode, x[0], step=1e-3 if levels else 3e-3)
    flow = at_once(lambda x: model.flow(x, training=False), model.flow.variables)
    log_det = float(array(flow(x)[1])[0])
    assert np.linalg.slogdet(matrix)[1] == pytest.approx(log_det, abs=0.02)
    if not levels:
        log_prior = -0.5 * (latents[0] ** 2 + math.log(2.0 * math.pi)).sum()
        log_prob = float(array(model.log_prob(x))[0])
        assert log_prob == pytest.approx(log_prior + log_det, abs=1e-3)


def test_probabilities_of_all_images_sum_to_one():
    model = disturb(RealNVP((1, 2, 1), levels=2, **SMALL), size=0.3)
    draws = 20_000
    every = np.array([[a, b] for a in (-1, 1) for b in (-1, 1)], "float32").reshape(4, 1, 2, 1)
    log_probs = array(model.log_prob(np.repeat(every, draws, axis=0), seed=3))
    probabilities = np.exp(log_probs.astype("float64")).reshape(4, draws).mean(axis=1)
    # Latents far out decode to values beyond black and white, which are lost to the images.
    assert 0.95 < probabilities.sum() < 1.005
    samples = model.sample(draws, seed=4)
    shares = [(samples == image).all(axis=(1, 2, 3)).mean() for image in every]
    assert sum(shares) == pytest.approx(1.0)
    np.testing.assert_allclose(shares, probabilities, atol=0.03)
    assert probabilities.max() - probabilities.min() > 0.05


def test_samples_lie_on_the_levels():
    model = RealNVP((4, 4, 1), levels=5, **SMALL)
    samples = model.sample(32, seed=1)
    assert set(np.unique(samples)) <= {-1.0, -0.5, 0.0, 0.5, 1.0}
    same = model.sample(2, seed=1, temperature=0.0)
    np.testing.assert_array_equal(same[0], same[1])


def test_an_uncompiled_model_can_be_saved(tmp_path):
    model = disturb(RealNVP((4, 4, 1), levels=17, **SMALL), size=0.1)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded.sample(3, seed=5), model.sample(3, seed=5))
    x = model.sample(3, seed=6)
    np.testing.assert_array_equal(
        array(loaded.log_prob(x, seed=1)), array(model.log_prob(x, seed=1))
    )
    assert not np.array_equal(array(model.log_prob(x, seed=1)), array(model.log_prob(x, seed=2)))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"image_shape": (1,)}, "at least 2"),
        ({"image_shape": (8, 8)}, "image_shape must be"),
        ({"image_shape": (2,), "levels": 256}, "images only"),
        ({"image_shape": (8, 8, 1), "levels": 1}, "at least 2"),
        (
            {"image_shape": (8, 8, 1), "alpha": 0.5},
            "alpha must be a number above 0 and less than 0.5",
        ),
        ({"image_shape": (2,), "couplings": 1}, "couplings must be"),
    ],
)
def test_arguments_that_make_no_flow_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        RealNVP(**arguments)


def gaussian_nll(train: np.ndarray, test: np.ndarray) -> float:
    """The mean negative log-density under the Gaussian with the mean and covariance of `train`."""
    covariance, centred = np.cov(train.T), test - train.mean(axis=0)
    squares = (centred @ np.linalg.inv(covariance) * centred).sum(axis=1).mean()
    return 0.5 * (squares + np.linalg.slogdet(2.0 * math.pi * covariance)[1])


@pytest.mark.learns
def test_two_moons_are_learnt_and_their_density_is_one():
    keras.utils.set_random_seed(1)
    points = make_moons(6000, noise=0.1, random_state=0)[0].astype("float32") - (0.5, 0.25)
    train, test = points[:4000].astype("float32"), points[4000:].astype("float32")
    model = RealNVP((2,), couplings=6, units=(32, 32))
    model.compile(keras.optimizers.Adam(0.003), jit_compile=keras.backend.backend() == "jax")
    model.fit(train, batch_size=200, epochs=25, verbose=0)
    nll = -array(model.log_prob(test)).mean()
    # Measured: 0.65 to 0.8 nats better.
    assert nll < gaussian_nll(train, test) - 0.5

    side, cells = 480, 12
    ticks = (np.arange(side) + 0.5) / side * 6.0 - 3.0
    grid = np.stack(np.meshgrid(ticks, ticks, indexing="ij"), axis=-1).reshape(-1, 2)
    log_density = array(model.log_prob(grid.astype("float32"))).astype("float64")
    mass = np.exp(log_density) * (6.0 / side) ** 2
    assert mass.sum() == pytest.approx(1.0, abs=0.01)

    samples = model.sample(20_000, seed=2)
    edges = np.linspace(-3.0, 3.0, cells + 1)
    shares = np.histogram2d(*samples.T, bins=[edges, edges])[0] / len(samples)
    expected = mass.reshape(cells, side // cells, cells, side // cells).sum(axis=(1, 3))
    assert 0.5 * np.abs(shares - expected).sum() < 0.03
    entropy = -(mass * log_density).sum()
    assert -array(model.log_prob(samples)).mean() == pytest.approx(entropy, abs=0.03)


@pytest.mark.learns
def test_digits_are_learnt():
    keras.utils.set_random_seed(1)
    images = (load_digits().images / 8.0 - 1.0).astype("float32")[..., None]
    order = np.random.default_rng(0).permutation(len(images))
    train, test = images[order[:1440]], images[order[1440:]]
    model = RealNVP((8, 8, 1), levels=17, couplings=2, filters=12, blocks=1)
    model.compile(keras.optimizers.Adam(0.01), jit_compile=keras.backend.backend() == "jax")

    def bits(x):
        return -array(model.log_prob(x)).mean() / (64 * math.log(2.0))

    # 17 levels of one probability are 4.09 bits; the histogram of each pixel by itself gives 2.43 and the
    # best Gaussian of the logits 2.46.
    assert bits(test) > 3.5
    history = model.fit(train, batch_size=32, epochs=6, verbose=0).history
    assert history["bits_per_dim"][-1] == pytest.approx(
        history["nll_loss"][-1] / (64 * math.log(2.0)), rel=1e-4
    )
    assert bits(test) < 2.4
    # Ink is where the data have it.
    samples = model.sample(256, seed=3)
    means = np.stack([test.mean(axis=0).ravel(), samples.mean(axis=0).ravel()])
    assert np.corrcoef(means)[0, 1] > 0.95


# ---- cells ----------------------------------------------------------------------------------------


def test_noise_fills_the_cells_of_discrete_features():
    """The mean over the noise of the density, times the volume of the cell; real numbers have none."""
    cells = (0.5, 0.0, 1.0)
    options = {"image_shape": (3,), "couplings": 2, "units": (8,), "batch_norm": False}
    model = disturb(RealNVP(cells=cells, **options))
    plain = RealNVP(**options)
    plain.set_weights(model.get_weights())
    assert (model.nats_of, plain.nats_of) == ("table", "density")
    x = np.array([0.3, -0.2, 1.0], "float32")
    steps = (np.arange(60) + 0.5) / 60 - 0.5
    noise = np.stack(np.meshgrid(cells[0] * steps, [0.0], cells[2] * steps), -1).reshape(-1, 3)
    expected = array(plain.log_prob((x + noise).astype("float32"))).mean() + math.log(0.5)
    drawn = array(model.log_prob(np.tile(x, (4000, 1)), seed=0)).astype("float64")
    assert drawn.mean() == pytest.approx(expected, abs=4.0 * drawn.std() / math.sqrt(4000))
    assert drawn.std() > 0.01


def test_cells_that_do_not_go_with_the_features():
    with pytest.raises(ValueError, match="one width for each feature of vectors, not 2"):
        RealNVP((3,), cells=(1.0, 0.0))
    with pytest.raises(ValueError, match="cells"):
        RealNVP((2,), cells=(1.0, -1.0))
