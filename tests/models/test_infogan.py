"""InfoGAN: the bound on the information by hand, what the codes are, and whether they come to mean something."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.core import arguments
from gm_keras.distributions.information import categorical_information, continuous_information
from gm_keras.exploration import Scene, of_latents
from gm_keras.layers.categorical_codes import CategoricalCodes, class_of
from gm_keras.losses import adversarial
from gm_keras.models.gan.infogan import InfoGAN
from tests.systems import arrays

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def small(seed: int = 0, learning_rate: float = 0.001, **options) -> InfoGAN:
    keras.utils.set_random_seed(seed)
    sizes = {"noise_dim": 3, "num_codes": 4, "filters": 4, "stages": 2, "units": 8, "code_units": 6}
    model = InfoGAN((8, 8, 1), **{**sizes, **options})
    model.compile(
        {
            name: keras.optimizers.Adam(learning_rate, beta_1=0.5)
            for name in ("discriminator", "generator")
        }
    )
    return model


def images(n: int = 8) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, size=(n, 8, 8, 1)).astype("float32")


# ---- the bound ------------------------------------------------------------------------------------


def test_the_information_of_classes_by_hand():
    """Nothing where Q does not know, all of ln K where it does, less than nothing where it errs."""
    classes = np.array([[0, 2], [1, 1]], "int32")
    even = np.zeros((2, 2, 3), "float32")
    assert float(categorical_information(even, classes)) == pytest.approx(0.0, abs=1e-6)
    sure = 50.0 * np.eye(3, dtype="float32")[classes]
    assert float(categorical_information(sure, classes)) == pytest.approx(2 * math.log(3))
    third = np.log(np.array([[[0.5, 0.25, 0.25]] * 2] * 2, "float32"))
    expected = (math.log(0.5) + 3 * math.log(0.25)) / 2 + 2 * math.log(3)
    assert float(categorical_information(third, classes)) == pytest.approx(expected, rel=1e-5)


def test_the_information_of_numbers_by_hand():
    """A normal Q of the moments of the uniform distribution is short by the difference of their entropies."""
    values = np.linspace(-1.0, 1.0, 4001, dtype="float32")[:, None]
    zeros, variance = np.zeros_like(values), np.full_like(values, math.log(1.0 / 3.0))
    blind = float(continuous_information(zeros, variance, values))
    assert blind == pytest.approx(math.log(2) - 0.5 * math.log(2 * math.pi * math.e / 3), abs=1e-3)
    exact = float(continuous_information(values, np.full_like(values, math.log(0.01)), values))
    assert exact == pytest.approx(math.log(2) - 0.5 * math.log(2 * math.pi * 0.01), rel=1e-4)


# ---- the codes ------------------------------------------------------------------------------------


def test_codes_are_one_hot_and_the_rest_stays():
    latents = np.array([[-1.0, 0.3, 5.0], [0.1, -0.6, 6.0], [1.0, 0.0, 7.0]], "float32")
    layer = CategoricalCodes(2, 4)
    made = ops.convert_to_numpy(layer(latents))
    assert made.shape == layer.compute_output_shape((3, 3)) == (3, 9)
    classes = [[0, 2], [2, 0], [3, 2]]
    np.testing.assert_array_equal(made[:, :8], np.eye(4)[classes].reshape(3, 8))
    np.testing.assert_array_equal(made[:, 8], [5.0, 6.0, 7.0])
    assert CategoricalCodes.from_config(layer.get_config()).classes == 4


def test_classes_are_equally_probable():
    model = small(num_codes=5)
    drawn = ops.convert_to_numpy(class_of(model.draw_latents(5000)[:, :1], 5))
    shares = np.bincount(drawn.ravel(), minlength=5) / 5000
    np.testing.assert_allclose(shares, 0.2, atol=0.03)


def test_samples_of_one_code():
    """`code` sets the first code and leaves all other latents as they were drawn."""
    model = small()
    latents = model.draw_latents(3, seed=2)
    latents[:, 0] = 2.0 * (2 + 0.5) / 4 - 1.0
    expected = ops.convert_to_numpy(model.decode(latents))
    np.testing.assert_allclose(model.sample(3, seed=2, code=2), expected, atol=1e-5)
    with pytest.raises(ValueError, match="code must be 0 to 3, not 4"):
        model.sample(3, code=4)
    with pytest.raises(arguments.ArgumentError, match="code must be"):
        model.sample(3, code=-1)


def test_discriminator_and_q_share_all_but_their_last_layers():
    model = small(learning_rate=0.01, continuous_weight=0.0, categorical_weight=0.0)
    model.run_eagerly = True
    before = arrays(model.discriminator.trainable_variables)
    model.train_on_batch(images())
    after = arrays(model.discriminator.trainable_variables)
    kept = [name for name in before if np.array_equal(before[name], after[name])]
    # Without information nothing reaches Q: its own hidden layer, the normalization of that, and its outputs.
    assert len(kept) == 1 + 2 + 2
    assert len(before) > 2 * len(kept)


@pytest.mark.parametrize("learned", [False, True])
def test_both_losses_are_the_game_less_the_weighted_information(learned, monkeypatch):
    weights = {"categorical_weight": 0.7, "continuous_weight": 0.3}
    codes = {"categorical_codes": 2, "continuous_codes": 1, "learned_deviation": learned}
    model = small(**codes, **weights)
    latents = model.draw_latents(8, seed=1)
    monkeypatch.setattr(model, "_draw_latents", lambda n, seed: ops.convert_to_tensor(latents))
    x = images()
    fake = model.generator(latents, training=False)
    (real_logits, _), (fake_logits, parameters) = model.discriminator(x), model.discriminator(fake)
    parameters = ops.convert_to_numpy(parameters)
    assert parameters.shape == (8, 10 if learned else 9)
    classes = np.floor((latents[:, :2] + 1.0) * 2.0).astype("int32")
    of_classes = categorical_information(parameters[:, :8].reshape(8, 2, 4), classes)
    log_variances = parameters[:, 9:10] if learned else np.zeros((8, 1), "float32")
    of_numbers = continuous_information(parameters[:, 8:9], log_variances, latents[:, 2:3])
    information = 0.7 * float(of_classes) + 0.3 * float(of_numbers)
    logs = model.test_on_batch(x, return_dict=True)
    game = adversarial.OBJECTIVES["non_saturating"]
    for name, value in (
        ("discriminator", game.critic(real_logits, fake_logits)),
        ("generator", game.generator(fake_logits)),
    ):
        assert float(logs[f"{name}_loss"]) == pytest.approx(float(value) - information, rel=1e-4)


def test_without_continuous_codes_there_is_no_curve_of_them():
    model = small(continuous_codes=0)
    logs = model.train_on_batch(images(), return_dict=True)
    assert "continuous_information" not in logs
    assert math.isfinite(float(logs["categorical_information"]))


def test_codes_of_examples_are_those_that_q_finds_most_probable():
    model = small(categorical_codes=2)
    codes = ops.convert_to_numpy(model.codes(images()))
    parameters = ops.convert_to_numpy(model.discriminator(images())[1])
    np.testing.assert_array_equal(codes, parameters[:, :8].reshape(8, 2, 4).argmax(axis=-1))


def test_the_picture_of_codes_shows_every_class():
    model = small()
    seen = []
    scene = Scene(model, None)
    scene.decode = lambda latents, _: seen.append(latents) or np.zeros((3, 3, 4, 8, 8, 1))
    picture = of_latents.codes(scene, draws=3)
    assert model.latent_names == ("class 1", "code 1", "code 2")
    assert picture.name == "codes"
    (latents,) = seen
    assert ops.convert_to_numpy(class_of(latents[0, :, :, 0], 4)).tolist() == [[0, 1, 2, 3]] * 3
    np.testing.assert_array_equal(latents[1, :, :, 0], latents[1, :, :1, 0].repeat(4, axis=1))


# ---- learning -------------------------------------------------------------------------------------


@pytest.mark.learns
def test_a_code_makes_one_kind_of_examples():
    """Bars at four places under noise: samples of one code are of one kind, without a label ever seen."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(4, size=4000)
    x = rng.uniform(-1.0, -0.6, size=(4000, 8, 8, 1)).astype("float32")
    for row, kind in enumerate(kinds):
        x[row, 2 * kind : 2 * kind + 2] *= -1.0
    means = np.stack([x[kinds == kind].mean(axis=0).ravel() for kind in range(4)])
    sizes = {"filters": 8, "continuous_codes": 1, "noise_dim": 4, "units": 32, "code_units": 16}
    model = small(learning_rate=0.002, **sizes)

    def purity() -> float:
        shares = []
        for code in range(4):
            made = model.sample(100, code=code).reshape(100, 1, -1)
            nearest = np.square(made - means).mean(axis=-1).argmin(axis=1)
            shares.append(np.bincount(nearest, minlength=4).max() / 100)
        return float(np.mean(shares))

    history = model.fit(x, batch_size=40, epochs=5, verbose=0).history
    assert purity() > 0.8
    assert history["categorical_information"][-1] > 0.9 * math.log(4)
