"""LSGAN: what both codings pull at, and eight Gaussians."""

import keras
import numpy as np
import pytest

from gm_keras.models.gan.lsgan import LSGAN
from tests.eight_gaussians import gaussians, quality
from tests.systems import arrays

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def small(seed: int = 0, optimizer=keras.optimizers.Adam, rate: float = 0.001, **arguments):
    keras.utils.set_random_seed(seed)
    model = LSGAN((2,), **{"latent_dim": 2, "units": (128, 128), **arguments})
    adam = {"beta_1": 0.5} if optimizer is keras.optimizers.Adam else {}
    model.compile({name: optimizer(rate, **adam) for name in ("discriminator", "generator")})
    return model


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match='"binary" or "pearson", not \'gaussian\''):
        LSGAN((2,), coding="gaussian")
    with pytest.raises(ValueError, match="even height and width"):
        LSGAN((7, 8, 1))


@pytest.mark.parametrize(("coding", "codes"), [("binary", (0, 1, 1)), ("pearson", (-1, 1, 0))])
def test_the_losses_of_a_discriminator_that_is_linear(coding, codes):
    """D(x) = 3 x_1 + 4 x_2 on the data (2, 2) and the fake (-1, -5), which the generator gives whatever the latents.

    The pull at the far fake, by which the generator's bias moves, is (D - c) times the slope.
    """
    fake_code, real_code, wanted = codes
    model = small(units=(), coding=coding, optimizer=keras.optimizers.SGD, rate=0.0)
    model.discriminator.set_weights([np.array([[3.0], [4.0]], "float32"), np.zeros(1, "float32")])
    bias = np.array([-1.0, -5.0], "float32")
    model.generator.set_weights([np.zeros((2, 2), "float32"), bias])
    model.optimizer["generator"].learning_rate = 0.001
    logs = model.train_on_batch(np.full((4, 2), 2.0, "float32"), return_dict=True)
    real, fake = 14.0, -23.0
    assert float(logs["real_score"]) == pytest.approx(real)
    assert float(logs["fake_score"]) == pytest.approx(fake)
    expected = 0.5 * ((real - real_code) ** 2 + (fake - fake_code) ** 2)
    assert float(logs["discriminator_loss"]) == pytest.approx(expected)
    assert float(logs["generator_loss"]) == pytest.approx(0.5 * (fake - wanted) ** 2)
    moved = list(arrays(model.generator.trainable_variables).values())[1] - bias
    np.testing.assert_allclose(moved, -0.001 * (fake - wanted) * np.array([3.0, 4.0]), rtol=1e-3)


@pytest.mark.learns
def test_it_finds_the_eight_gaussians():
    """At least 7 of 8 modes, and 75 % of the samples in one; untrained one at most."""
    model = small()
    assert quality(model.sample(2000))[0] <= 1
    model.fit(gaussians(20_000), batch_size=200, epochs=30, verbose=0)
    modes, good = quality(model.sample(2000))
    assert modes >= 7
    assert good >= 0.75
