"""SNGAN: the singular values of the discriminator, its slope, the projection, whose vectors move when, and digits."""

import keras
import numpy as np
import pytest
from keras import ops
from sklearn.datasets import load_digits

from gm_keras import backend
from gm_keras.layers.spectral_normalization import SpectralNormalization
from gm_keras.metrics import frechet_distance
from gm_keras.models.gan.sngan import SNGAN
from tests.systems import arrays

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

SMALL = {"generator_filters": (4, 4), "discriminator_filters": (4, 4, 6), "n_critic": 1}


def small(seed: int = 0, optimizer: str = "SGD", learning_rate: float = 0.0, **arguments) -> SNGAN:
    keras.utils.set_random_seed(seed)
    model = SNGAN((8, 8, 1), **{"latent_dim": 4, **SMALL, **arguments})
    make = getattr(keras.optimizers, optimizer)
    model.compile({name: make(learning_rate) for name in ("discriminator", "generator")})
    model.run_eagerly = True
    return model


def batch(model: SNGAN, n: int = 6) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    data = {"image": rng.uniform(-1.0, 1.0, (n, 8, 8, 1)).astype("float32")}
    if model.num_classes:
        data["label"] = np.arange(n, dtype="int32") % model.num_classes
    return data


def spectral_layers(network: keras.Model) -> list[SpectralNormalization]:
    return [each for each in network.layers if isinstance(each, SpectralNormalization)]


def scores(model: SNGAN, data: dict[str, np.ndarray]) -> np.ndarray:
    return ops.convert_to_numpy(called(model, data))[:, 0]


def called(model: SNGAN, data: dict[str, np.ndarray], training: bool = False):
    x = list(data.values())
    return model.discriminator(x if len(x) > 1 else x[0], training=training)


def train_vectors(model: SNGAN) -> None:
    """Gives the discriminator kernels of largest singular values 3, far above the others, and finds their vectors."""
    rng = np.random.default_rng(1)
    for layer in spectral_layers(model.discriminator):
        kernel = layer.layer.kernel
        left, values, right = np.linalg.svd(
            rng.normal(size=(int(np.prod(kernel.shape[:-1])), kernel.shape[-1])), False
        )
        values = np.array([3.0, *rng.uniform(0.0, 1.0, len(values) - 1)])
        kernel.assign((left * values @ right).reshape(kernel.shape))
    for _ in range(6):
        called(model, batch(model), training=True)


@pytest.mark.parametrize("network", ["residual", "standard"])
def test_every_kernel_of_the_discriminator_has_the_largest_singular_value_1(network):
    model = small(network=network, num_classes=3)
    normal = spectral_layers(model.discriminator)
    kernels = [each for each in model.discriminator.trainable_variables if len(each.shape) > 1]
    assert {id(each) for each in kernels} == {id(each.layer.kernel) for each in normal}
    assert not spectral_layers(model.generator)
    train_vectors(model)
    for layer in normal:
        kernel = ops.convert_to_numpy(layer.normalized_kernel())
        largest = np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]
        assert largest == pytest.approx(1.0, abs=1e-3), layer.name


def test_no_scale_of_the_kernels_makes_the_discriminator_steeper():
    model = small(network="standard")
    data = batch(model)
    train_vectors(model)
    slopes = ops.convert_to_numpy(
        model.gradient(lambda x: model.discriminator(x), ops.convert_to_tensor(data["image"]))
    )
    assert np.abs(slopes).max() > 0.0
    before = scores(model, data)
    for layer in spectral_layers(model.discriminator):
        layer.layer.kernel.assign(7.0 * ops.convert_to_numpy(layer.layer.kernel))
    np.testing.assert_allclose(scores(model, data), before, atol=1e-4)


def test_a_label_adds_the_product_of_the_features_with_its_vector():
    model = small(num_classes=3)
    data = batch(model)
    table = next(each for each in spectral_layers(model.discriminator) if "embedding" in each.name)
    vectors = ops.convert_to_numpy(table.normalized_kernel())
    sums = next(
        each for each in model.discriminator.layers if isinstance(each, keras.layers.Rescaling)
    )
    features = keras.Model(model.discriminator.inputs[0], sums.output)(data["image"])
    one, other = (scores(model, {**data, "label": np.full(6, label)}) for label in (0, 2))
    expected = ops.convert_to_numpy(features) @ (vectors[0] - vectors[2])
    np.testing.assert_allclose(one - other, expected, atol=1e-5)
    assert np.abs(expected).max() > 0.01


def test_the_vectors_move_twice_in_the_discriminators_phase_and_not_in_the_generators():
    model = small()
    layer = spectral_layers(model.discriminator)[0]
    u = ops.convert_to_numpy(layer.u).copy()
    w = ops.convert_to_numpy(layer.layer.kernel).reshape(-1, len(u))
    discriminator, generator = model.phase_list
    model.phase_list = (generator,)
    before = arrays(model.discriminator.weights)
    model.train_on_batch(batch(model))
    for key, value in arrays(model.discriminator.weights).items():
        np.testing.assert_array_equal(value, before[key], key)
    model.phase_list = (discriminator,)
    model.train_on_batch(batch(model))
    for _ in ("data", "fakes"):
        u = w.T @ (w @ u)
        u /= np.linalg.norm(u)
    np.testing.assert_allclose(ops.convert_to_numpy(layer.u), u, atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"halvings": 4}, "halvings must be at most the number of discriminator_filters, 3"),
        ({"generator_filters": (4, 4, 4, 4)}, "generator_filters must be no more than"),
        ({"loss": "wasserstein"}, "loss must be"),
    ],
)
@pytest.mark.parametrize("network", ["residual", "standard"])
def test_wrong_arguments_are_refused(network, arguments, message):
    with pytest.raises(ValueError, match=message):
        small(network=network, **arguments)


def distance_of(samples: np.ndarray, images: np.ndarray) -> float:
    """The Fréchet distance of the pixels' means and covariances."""
    return float(frechet_distance(*(each.reshape(len(each), -1) for each in (images, samples))))


@pytest.mark.learns
def test_it_learns_the_digits_of_each_class():
    """The nearest mean of a class is the wanted one of half of the samples; of one mean digit the distance is 19."""
    data = load_digits()
    order = np.random.default_rng(0).permutation(len(data.target))
    images = (data.images / 8.0 - 1.0).astype("float32")[order, ..., None]
    labels = data.target[order].astype("int32")
    backend.set_seed(0)
    filters = {"generator_filters": (16, 16), "discriminator_filters": (16, 16)}
    model = SNGAN((8, 8, 1), latent_dim=16, halvings=1, n_critic=1, num_classes=10, **filters)
    adam = {"learning_rate": 0.002, "beta_1": 0.0, "beta_2": 0.9}
    model.compile({key: keras.optimizers.Adam(**adam) for key in ("discriminator", "generator")})
    means = np.stack([images[labels == label].mean(0) for label in range(10)])
    wanted = np.arange(600) % 10

    def learned() -> tuple[float, float]:
        samples = model.sample(600, label=wanted)
        distances = np.square(samples[:, None] - means).sum((2, 3, 4))
        return (distances.argmin(1) == wanted).mean(), distance_of(samples, images[1300:])

    read, distance = learned()
    assert read < 0.2
    assert distance > 20.0
    model.fit({"image": images[:1300], "label": labels[:1300]}, batch_size=50, epochs=20, verbose=0)
    read, distance = learned()
    assert read > 0.5
    assert distance < 7.0
