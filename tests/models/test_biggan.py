"""BigGAN: its parts of the latents, the orthogonal penalty, truncation, standing statistics, and stripes."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.layers.conditional_normalization import ConditionalBatchNormalization
from gm_keras.models.gan.biggan import BigGAN
from gm_keras.ops.random import RandomStream
from tests.models.test_sagan import quality, stripes
from tests.systems import arrays

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

SMALL = {
    "latent_dim": 12,
    "class_dim": 5,
    "generator_filters": (8, 8),
    "discriminator_filters": (8, 8),
    "halvings": 1,
    "attention": 4,
}


def small(seed: int = 0, **arguments) -> BigGAN:
    keras.utils.set_random_seed(seed)
    return BigGAN((8, 8, 1), **{**SMALL, **arguments})


def normalizations(model: BigGAN) -> list[ConditionalBatchNormalization]:
    layers = model.generator.layers
    return [each for each in layers if isinstance(each, ConditionalBatchNormalization)]


def test_each_block_is_told_the_shared_class_and_a_part_of_the_latents():
    model = small(num_classes=3)
    embedding = model.generator.get_layer("class_embedding")
    network = keras.Model(
        model.generator.inputs,
        [embedding.output, *(each.input[1] for each in normalizations(model))],
    )
    latents = np.arange(24.0, dtype="float32").reshape(2, 12)
    outputs = network([latents, np.array([0, 2])])
    shared, *told = (ops.convert_to_numpy(each) for each in outputs)
    assert len(told) == 4, "two in each block"
    for index, each in enumerate(told):
        part = latents[:, 4:8] if index < 2 else latents[:, 8:]
        np.testing.assert_array_equal(each, np.concatenate([shared, part], axis=1))
    with pytest.raises(ValueError, match="latent_dim must be a multiple of 3"):
        small(latent_dim=10)


def test_the_orthogonal_penalty_is_in_the_generators_loss_and_spares_the_embedding():
    x = {"image": np.zeros((4, 8, 8, 1), "float32"), "label": np.array([0, 1, 2, 0], "int32")}
    losses = []
    for weight in (0.0, 0.5):
        model = small(num_classes=3, orthogonal_weight=weight)
        model.compile({key: keras.optimizers.SGD() for key in ("discriminator", "generator")})
        model.run_eagerly = True
        backend.set_seed(1)
        losses.append(model.test_on_batch(x, return_dict=True))
    expected = 0.0
    for variable in model.generator.trainable_variables:
        if len(variable.shape) > 1 and "embedding" not in variable.path:
            matrix = ops.convert_to_numpy(variable).reshape(-1, variable.shape[-1])
            products = matrix.T @ matrix
            expected += np.square(products - np.diag(np.diag(products))).sum()
    assert float(losses[0]["orthogonal_penalty"]) == pytest.approx(expected, rel=1e-4)
    assert expected > 1.0, "kernels with more outputs than inputs cannot be orthogonal"
    difference = float(losses[1]["generator_loss"]) - float(losses[0]["generator_loss"])
    assert difference == pytest.approx(0.5 * expected, rel=1e-3)


def truncated_variance(threshold: float) -> float:
    """Of a standard normal variable cut to [-threshold, threshold]."""
    values = np.linspace(-threshold, threshold, 20_001)
    density = np.exp(-0.5 * values**2)
    return float((values**2 * density).sum() / density.sum())


@pytest.mark.parametrize("threshold", [0.3, 1.5])
def test_standing_statistics_are_those_of_the_truncated_samples(threshold):
    """The first normalization sees a linear function of the latents: its variance is known."""
    model = small()
    measured = model._standing_statistics(2000, RandomStream(0), threshold)
    values = {variable.path: ops.convert_to_numpy(value) for variable, value in measured}
    first = normalizations(model)[0].normalization
    linear = next(each for each in model.generator.layers if "dense" in each.name)
    kernel = ops.convert_to_numpy(linear.normalized_kernel()).reshape(4, 2, 2, 8)
    expected = np.square(kernel).sum(0).mean((0, 1)) * truncated_variance(threshold)
    actual = values[first.moving_variance.path]
    np.testing.assert_allclose(actual, expected, rtol=0.15)
    mean = values[first.moving_mean.path]
    assert np.abs(mean).max() < 0.2 * np.sqrt(actual.max())


@pytest.mark.once("jax")
def test_standing_statistics_in_compiled_code_of_jax():
    model = small(generator_filters=(8,), attention=None)
    before = arrays(model.weights)
    latents = model.draw_latents(4, seed=3)
    measured = model.sample(4, seed=3, standing_statistics=64)
    assert np.abs(measured - ops.convert_to_numpy(model.generator(latents))).max() > 0.01
    for key, value in arrays(model.weights).items():
        np.testing.assert_array_equal(value, before[key], key)


def test_with_standing_statistics_samples_are_normalized_as_in_training_and_the_model_stays():
    model = small()
    before = arrays(model.weights)
    actual = model.sample(500, seed=3, standing_statistics=1500)
    for key, value in arrays(model.weights).items():
        np.testing.assert_array_equal(value, before[key], key)
    latents = model.draw_latents(500, seed=3)
    with_moving_averages = ops.convert_to_numpy(model.generator(latents))
    expected = ops.convert_to_numpy(model.generator(latents, training=True))
    assert np.abs(actual - expected).mean() < 0.2 * np.abs(with_moving_averages - expected).mean()


def test_a_failure_in_the_middle_of_a_sampling_leaves_the_statistics(monkeypatch):
    model = small()
    before = arrays(model.weights)

    def fail(*_):
        raise MemoryError("no room")

    monkeypatch.setattr(model, "_decode", fail)
    with pytest.raises(MemoryError, match="no room"):
        model.sample_batch(4, RandomStream(0), {}, standing_statistics=50)
    for key, value in arrays(model.weights).items():
        np.testing.assert_array_equal(value, before[key], key)


def test_truncated_latents_make_samples_more_alike():
    model = small(num_classes=3)
    spreads = [
        model.sample(200, label=0, truncation=threshold).std(axis=0).mean()
        for threshold in (0.2, None)
    ]
    assert 0.0 < spreads[0] < 0.5 * spreads[1]
    with pytest.raises(ValueError, match="truncation"):
        model.sample(2, truncation=0.0)


@pytest.mark.learns
def test_it_learns_which_stripes_belong_to_which_class():
    backend.set_seed(0)
    filters = {"generator_filters": (16, 16), "discriminator_filters": (16, 16)}
    model = small(num_classes=2, n_critic=1, **filters)
    adam = {"beta_1": 0.0, "beta_2": 0.999}
    model.compile(
        {
            "discriminator": keras.optimizers.Adam(0.002, **adam),
            "generator": keras.optimizers.Adam(0.002, **adam),
        }
    )
    labels = np.arange(200) % 2
    assert quality(model.sample(200, label=labels), labels)[0] < 0.1
    model.fit(stripes(3200), batch_size=32, epochs=4, verbose=0)
    share, kinds = quality(model.sample(200, label=labels), labels)
    assert share > 0.6
    assert kinds >= 4
