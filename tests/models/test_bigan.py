"""BiGAN: who is updated by which pairs, and whether the encoder comes to invert the generator."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.losses import adversarial
from gm_keras.models.gan.bigan import BiGAN

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def small(seed: int = 0, **arguments) -> BiGAN:
    keras.utils.set_random_seed(seed)
    model = BiGAN((8, 8, 1), **{"latent_dim": 3, "units": (6, 5), **arguments})
    model.compile({name: keras.optimizers.Adam() for name in ("discriminator", "generator")})
    model.run_eagerly = True
    return model


def images(n: int = 8) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, size=(n, 8, 8, 1)).astype("float32")


def test_vectors_have_dense_networks():
    with pytest.raises(ValueError, match='network must be "dense" for vectors'):
        BiGAN((2,), network="convolutional")


@pytest.mark.parametrize("network", ["dense", "convolutional"])
def test_networks_have_the_shapes_of_a_pair(network):
    model = small(network=network, filters=4, stages=2)
    assert model.generator.output_shape == (None, 8, 8, 1)
    assert model.encoder.output_shape == (None, 3)
    x, latents = images(), model.draw_latents(8)
    logits = ops.convert_to_numpy(model.discriminator([x, latents]))
    assert logits.shape == (8, 1)
    for pair in ([-x, latents], [x, -latents]):
        assert np.abs(ops.convert_to_numpy(model.discriminator(pair)) - logits).max() > 1e-6


def test_the_players_want_the_opposite_of_the_same_pairs(monkeypatch):
    """Both losses by hand, from the logits of (x, E(x)) and of (G(z), z)."""
    model = small()
    latents = model.draw_latents(8, seed=3)
    monkeypatch.setattr(model, "_draw_latents", lambda *_: ops.convert_to_tensor(latents))
    x = images()
    codes, fake = model.encoder(x), model.generator(latents)
    real_logits = model.discriminator([ops.convert_to_tensor(x), codes])
    fake_logits = model.discriminator([fake, ops.convert_to_tensor(latents)])
    logs = model.test_on_batch(x, return_dict=True)
    first = float(adversarial.discriminator(real_logits, fake_logits))
    second = float(adversarial.discriminator(fake_logits, real_logits))
    assert float(logs["discriminator_loss"]) == pytest.approx(first, rel=1e-5)
    assert float(logs["generator_loss"]) == pytest.approx(second, rel=1e-5)
    assert abs(first - second) > 1e-4


def test_codes_are_what_the_encoder_gives_without_a_label():
    model = small()
    codes = ops.convert_to_numpy(model.encode(images()))
    np.testing.assert_allclose(codes, ops.convert_to_numpy(model.encoder(images())), atol=1e-6)
    back = ops.convert_to_numpy(model.reconstruct(images()))
    expected = ops.convert_to_numpy(model.generator(codes))
    np.testing.assert_allclose(back, expected, atol=1e-6)


@pytest.mark.learns
def test_the_encoder_inverts_the_generator_on_a_line():
    """x = u + u^3 of a uniform u: up to the sign there is one encoder, the inverse of that."""
    keras.utils.set_random_seed(0)
    u = np.random.default_rng(0).uniform(-1, 1, size=(128 * 2000, 1)).astype("float32")
    model = BiGAN((1,), 1, units=(32, 32))
    adam = {"learning_rate": 0.001, "beta_1": 0.5}
    average = {"use_ema": True, "ema_momentum": 0.99}
    model.compile(
        {
            "discriminator": keras.optimizers.Adam(**adam),
            "generator": keras.optimizers.Adam(**adam, **average),
        }
    )
    z = np.linspace(-0.95, 0.95, 64, dtype="float32")[:, None]
    x = z + z**3

    def errors() -> list[float]:
        codes, back, again = (
            ops.convert_to_numpy(each)
            for each in (model.encode(x), model.reconstruct(x), model.encode(model.decode(z)))
        )
        inverse = min(np.abs(codes - z).mean(), np.abs(codes + z).mean())
        return [inverse, np.abs(back - x).mean() / np.abs(x).mean(), np.abs(again - z).mean()]

    assert (np.array(errors()) > [0.25, 0.9, 0.4]).all()
    model.fit(u + u**3, batch_size=128, epochs=2, verbose=0)
    assert (np.array(errors()) < [0.15, 0.4, 0.15]).all()
