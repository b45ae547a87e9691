"""Conditional GAN: how the label reaches both networks, what fakes are told, and whether samples show their class."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.layers.maxout import Maxout
from gm_keras.models.gan.cgan import CGAN
from gm_keras.networks.conditioning import with_label_maps

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

CLASSES = 8
ANGLES = 2.0 * np.pi * np.arange(CLASSES) / CLASSES
CENTRES = 1.5 * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1)


def small(seed: int = 0, **arguments) -> CGAN:
    keras.utils.set_random_seed(seed)
    sizes = {"latent_dim": 3, "filters": 4, "stages": 2, "num_classes": 3}
    model = CGAN((8, 8, 1), **{**sizes, **arguments})
    model.compile({name: keras.optimizers.Adam() for name in ("discriminator", "generator")})
    return model


def paper(**arguments) -> CGAN:
    return small(network="dense", **arguments)


def images(n: int = 6) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, size=(n, 8, 8, 1)).astype("float32")


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match='network must be "dense" for vectors'):
        CGAN((2,), num_classes=3)
    with pytest.raises(ValueError, match="generator_units must be three widths"):
        paper(generator_units=(3, 4))


def test_label_maps_against_numpy():
    inputs = keras.Input((2, 3, 1))
    maps, all_inputs = with_label_maps(inputs, inputs, 4)
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 1)).astype("float32")
    made = ops.convert_to_numpy(keras.Model(all_inputs, maps)([x, np.array([3, 0])]))
    np.testing.assert_array_equal(made[..., :1], x)
    for row, label in enumerate((3, 0)):
        assert (made[row, :, :, 1:] == np.eye(4)[label]).all()


def test_maxout_against_numpy():
    layer = Maxout(3, 2)
    x = np.random.default_rng(0).normal(size=(5, 4)).astype("float32")
    layer(x)
    layer.bias.assign(np.arange(6.0))
    pieces = (x @ ops.convert_to_numpy(layer.kernel) + np.arange(6.0)).reshape(5, 3, 2)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), pieces.max(axis=-1), atol=1e-5)
    copy = Maxout.from_config(layer.get_config())
    assert copy.compute_output_shape((5, 4)) == copy(x).shape == (5, 3)


def test_the_dense_networks_are_those_of_the_paper():
    """Their weights by hand: layers on either input, then a joint one, of five, five and four pieces."""
    model = CGAN((28, 28, 1), network="dense", num_classes=10)
    of_generator = 101 * 200 + 11 * 1000 + 1201 * 1200 + 1201 * 784
    assert model.generator.count_params() == of_generator
    of_discriminator = 785 * 240 * 5 + 11 * 50 * 5 + 291 * 240 * 4 + 241
    assert model.discriminator.count_params() == of_discriminator
    rates = [each.rate for each in model.generator.layers if isinstance(each, keras.layers.Dropout)]
    assert rates == [0.5] * 3


@pytest.mark.parametrize("build", [small, paper])
def test_both_networks_look_at_the_label(build):
    model = build()
    one, other = np.zeros(6, "int32"), np.full(6, 2, "int32")
    latents = model.draw_latents(6)
    for network, inputs in ((model.generator, latents), (model.discriminator, images())):
        first, second = (ops.convert_to_numpy(network([inputs, label])) for label in (one, other))
        assert np.abs(first - second).reshape(6, -1).max(axis=1).min() > 1e-6
    assert not np.allclose(model.sample(2, label=0), model.sample(2, label=1))


def test_fakes_are_told_the_labels_of_the_batch(monkeypatch):
    """A discriminator that looks at the label alone then says the same of both."""
    model = small()
    seen = []

    def label_alone(_, conditions, __):
        seen.append(ops.convert_to_numpy(conditions["label"]).tolist())
        return ops.cast(conditions["label"], "float32")[:, None]

    monkeypatch.setattr(model, "_scores", label_alone)
    model.run_eagerly = True
    labels = np.array([2, 0, 1, 1, 2, 0], "int32")
    logs = model.test_on_batch({"image": images(), "label": labels}, return_dict=True)
    assert seen == [labels.tolist()] * 3
    assert float(logs["real_probability"]) == float(logs["fake_probability"])


@pytest.mark.learns
def test_samples_show_the_class_that_was_asked_for():
    """Each class is one of eight Gaussians: at least 95 % of the samples lie at theirs, and not all in one point."""
    rng = np.random.default_rng(0)
    labels = rng.integers(CLASSES, size=64 * 800).astype("int32")
    points = (CENTRES[labels] + 0.2 * rng.normal(size=(len(labels), 2))).astype("float32")
    keras.utils.set_random_seed(0)
    units = {"generator_units": (32, 32, 64), "discriminator_units": (32, 16, 32)}
    model = CGAN((2,), 4, "dense", **units, dropout=0.0, num_classes=CLASSES)
    adam = {"learning_rate": 0.002, "beta_1": 0.5}
    model.compile({name: keras.optimizers.Adam(**adam) for name in ("discriminator", "generator")})
    wanted = np.arange(800) % CLASSES

    def share() -> float:
        made = model.sample(800, label=wanted)
        nearest = np.linalg.norm(made[:, None] - CENTRES, axis=-1).argmin(axis=1)
        return float((nearest == wanted).mean())

    assert share() < 0.5
    model.fit(points, labels, batch_size=64, verbose=0)
    assert share() >= 0.95
    spread = model.sample(400, label=3).std(axis=0)
    assert (spread > 0.05).all()
