"""VQ-VAE: what its losses are, which way gradients go, code lengths, and what it learns."""

import math

import keras
import numpy as np
import pytest

from gm_keras import backend
from gm_keras.distributions import discretized_normal
from gm_keras.models.latent.vqvae import VQVAE, _squared_distance
from tests.systems import at_once

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

SMALL = {"num_codes": 6, "code_dim": 3, "filters": 4, "halvings": 1, "blocks": 1}


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor).copy()


def images(*shape, levels=5, seed=0) -> np.ndarray:
    codes = np.random.default_rng(seed).integers(0, levels, shape)
    return (2.0 * codes / (levels - 1) - 1.0).astype("float32")


def small(**options) -> VQVAE:
    backend.set_seed(3)
    model = VQVAE((4, 4, 1), **{**SMALL, "levels": 5, **options})
    # Far enough apart for several codes to be in use.
    vectors = array(model.encoder(images(2, 4, 4, 1))).reshape(-1, 3)
    model.quantizer.codebook.assign(vectors[:6] + 0.01)
    return model


def parts(model, x):
    """The encoder's vectors, their nearest codes by brute force, and the vectors of these."""
    vectors, codebook = array(model.encoder(x)), array(model.quantizer.codebook)
    codes = ((vectors[..., None, :] - codebook) ** 2).sum(-1).argmin(-1)
    return vectors, codes, codebook[codes]


def test_squared_distance_by_hand():
    vectors = np.zeros((2, 1, 2, 2), "float32")
    others = np.zeros((2, 1, 2, 2), "float32")
    others[0, 0, 0] = [3.0, 4.0]
    others[1, 0, 1] = [0.0, 1.0]
    assert float(_squared_distance(vectors, others)) == pytest.approx((25.0 + 1.0) / 2.0)


@pytest.mark.parametrize("codebook", ["ema", "loss"])
def test_the_loss_is_that_of_the_paper(codebook):
    model, x = small(codebook=codebook), images(8, 4, 4, 1, seed=1)
    vectors, codes, chosen = parts(model, x)
    assert len(np.unique(codes)) > 2
    distance = ((vectors - chosen) ** 2).sum(axis=(1, 2, 3)).mean()
    deviation = float(model.deviation.value())
    nats = -array(
        discretized_normal.log_prob(
            keras.ops.convert_to_tensor(x), model.decoder(chosen), deviation, 5
        )
    ).sum(axis=(1, 2, 3))
    weight = 0.25 if codebook == "ema" else 1.25
    loss = float(model._loss({"image": keras.ops.convert_to_tensor(x)}, False))
    assert loss == pytest.approx(nats.mean() + weight * distance, rel=1e-4)


def test_each_gradient_goes_where_the_paper_sends_it():
    model, x = small(codebook="loss"), images(8, 4, 4, 1, seed=1)
    vectors, codes, chosen = parts(model, x)
    state = model._loss_state()
    # The encoder's last bias is added to every vector: its gradient is the sum of theirs.
    bias = model.encoder.get_layer("outputs").bias
    of_codebook, of_bias = at_once(
        lambda image: backend.value_and_grad(
            lambda: model._loss({"image": image}, True), [model.quantizer.codebook, bias], state
        )[1],
        state,
    )(keras.ops.convert_to_tensor(x))
    away = 2.0 * (vectors - chosen) / len(x)
    one_hot = np.eye(6)[codes.reshape(-1)]
    np.testing.assert_allclose(array(of_codebook), -one_hot.T @ away.reshape(-1, 3), atol=1e-4)
    of_input = at_once(
        lambda image, chosen: backend.gradient(
            lambda z: -model._log_likelihood(image, model._mean(z)) / len(x), chosen, state
        ),
        state,
    )(keras.ops.convert_to_tensor(x), keras.ops.convert_to_tensor(chosen))
    expected = (array(of_input) + 0.25 * away).sum(axis=(0, 1, 2))
    np.testing.assert_allclose(array(of_bias), expected, rtol=1e-3, atol=1e-4)


def test_codes_there_and_back():
    model, x = small(), images(5, 4, 4, 1, seed=2)
    codes = model.encode(x)
    assert array(codes).dtype == np.int32
    np.testing.assert_array_equal(array(codes), parts(model, x)[1])
    np.testing.assert_array_equal(array(model.decode(codes)), array(model.reconstruct(x)))
    path = model.interpolate(x, x[::-1], 5)
    ends = array(model.reconstruct(x))
    np.testing.assert_allclose(path[-1], ends[::-1], atol=1e-5)
    shares = np.bincount(array(codes).reshape(-1)) / codes.shape[0] / 4.0
    shares = shares[shares > 0]
    assert model.perplexity(x) == pytest.approx(np.exp(-(shares * np.log(shares)).sum()), rel=1e-5)


def test_the_bound_is_the_length_of_a_code():
    model, x = small(), images(6, 4, 4, 1, seed=3)
    nats = array(model.log_likelihood(x, model.encode(x)))
    np.testing.assert_allclose(array(model.elbo(x)), nats - 4 * math.log(6), rtol=1e-5)
    assert model.nats_of == "discrete"
    # Given its codes, the five levels of a pixel have probabilities that sum to one.
    codes = array(model.encode(x))[:1]
    total = 0.0
    base = keras.ops.convert_to_numpy(model._mean(model.quantizer.lookup(codes)))
    for level in np.linspace(-1.0, 1.0, 5, dtype="float32"):
        values = discretized_normal.log_prob(
            keras.ops.full(base.shape, level), base, model.deviation.value(), 5
        )
        total = total + np.exp(array(values))
    np.testing.assert_allclose(total, 1.0, rtol=1e-5)


def test_a_density_for_continuous_data():
    model, x = small(levels=None, deviation=0.5), images(3, 4, 4, 1)
    mean = array(model.decoder(parts(model, x)[2]))
    expected = -0.5 * ((x - mean) / 0.5) ** 2 - math.log(0.5) - 0.5 * math.log(2 * math.pi)
    nats = array(model.log_likelihood(x, model.encode(x)))
    np.testing.assert_allclose(nats, expected.sum(axis=(1, 2, 3)), rtol=1e-4)
    assert model.nats_of == "density"
    assert all("deviation" not in v.path for v in model.trainable_variables)


def test_a_training_reports_its_perplexity():
    model, x = small(restart_below=0.1), images(8, 4, 4, 1)
    model.compile(keras.optimizers.Adam(1e-3))
    logs = model.train_on_batch(x, return_dict=True)
    assert {"reconstruction", "commitment", "perplexity"} <= set(logs)
    assert 1.0 <= float(logs["perplexity"]) <= 6.0


def test_wrong_arguments():
    with pytest.raises(ValueError, match="cannot be halved 2 times"):
        VQVAE((6, 6, 1), **{**SMALL, "halvings": 2})
    with pytest.raises(ValueError, match=r"\(height, width, channels\)"):
        VQVAE((6,), **SMALL)


@pytest.fixture(scope="module")
def prototypes() -> np.ndarray:
    return images(6, 4, 4, 1, levels=2, seed=4)


def trained(prototypes, codebook, epochs, rate=0.01, **options) -> tuple[VQVAE, float]:
    """A model trained on copies of prototypes, and the mean squared error before."""
    backend.set_seed(1)
    x = prototypes[np.random.default_rng(0).integers(0, len(prototypes), 512)]
    model = VQVAE((4, 4, 1), 12, 4, 16, 2, 1, codebook=codebook, decay=0.95, **options)
    if codebook == "loss":
        # Nothing brings dead codes back here: start with six that are alive.
        vectors = array(model.encoder(prototypes)).reshape(6, 4)
        model.quantizer.codebook.assign(np.concatenate([1.2 * vectors, 50.0 + vectors]))
    model.compile(keras.optimizers.Adam(rate))
    before = np.mean((array(model.reconstruct(prototypes)) - prototypes) ** 2)
    model.fit(x, batch_size=64, epochs=epochs, verbose=0)
    return model, before


def test_each_prototype_gets_a_code_of_its_own(prototypes):
    model, before = trained(prototypes, "ema", 45, restart_below=0.1)
    assert before > 0.5
    assert np.mean((array(model.reconstruct(prototypes)) - prototypes) ** 2) < 0.02
    assert len(np.unique(array(model.encode(prototypes)))) == 6
    assert model.perplexity(prototypes) == pytest.approx(6.0, rel=1e-3)


@pytest.mark.learns
def test_a_codebook_learned_by_its_loss_halves_the_error(prototypes):
    # Slower than moving averages, which is why the paper offers these. At a higher rate codes die, more or fewer as
    # the processor rounds; at this one, of eight seeds the worst ended at 0.33.
    model, before = trained(prototypes, "loss", 120, rate=0.003)
    assert before > 0.5
    assert np.mean((array(model.reconstruct(prototypes)) - prototypes) ** 2) < 0.4
    assert model.perplexity(prototypes) > 2.5
