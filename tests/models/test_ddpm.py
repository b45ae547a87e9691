"""Denoising diffusion: its network, labels, averages, and that it learns."""

import keras
import numpy as np
import pytest
from keras import ops
from sklearn.datasets import load_digits, make_moons
from sklearn.neighbors import NearestNeighbors

from gm_keras.layers.attention import SpatialSelfAttention
from gm_keras.layers.embedding import SinusoidalEmbedding
from gm_keras.models.diffusion.ddpm import DDPM
from gm_keras.networks.unet import unet
from tests.systems import at_once

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

SMALL = {"timesteps": 6, "filters": 8, "blocks": 1, "attention": (), "levels": 17}


def numpy_of(x):
    return np.asarray(ops.convert_to_numpy(x))


def small(**options):
    return DDPM((4, 4, 1), **{**SMALL, **options})


def disturb(model):
    """Gives every weight a value, also those that start at zero and hide the rest."""
    rng = np.random.default_rng(0)
    for variable in model.denoiser.trainable_variables:
        variable.assign(rng.normal(0.0, 0.2, variable.shape).astype("float32"))
    return model


def record(model):
    """Puts a network in place that returns its input and keeps what it was given: (x, time, label)."""
    seen = []

    def noise(x, time, conditions, training):
        del training
        tensors = (x, time, conditions.get("label"))
        seen.append([None if tensor is None else numpy_of(tensor) for tensor in tensors])
        return x

    model._noise = noise
    return seen


# ---- networks -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "multipliers"),
    [((8, 8, 1), (1, 2)), ((28, 28, 1), (1, 2, 2)), ((32, 32, 3), (1, 2, 2))],
)
def test_unet_keeps_the_shape(shape, multipliers):
    network = unet(
        shape,
        filters=8,
        multipliers=multipliers,
        blocks=1,
        attention=(7, 4),
        dropout=0.1,
        timesteps=10,
        num_classes=3,
        name="denoiser",
    )
    assert network.output_shape == (None, *shape)
    assert [tensor.name for tensor in network.inputs] == ["image", "time", "label"]
    heights = [
        layer.output.shape[1] for layer in network.layers if isinstance(layer, SpatialSelfAttention)
    ]
    # One on the way down, two on the way up, and always one between.
    assert heights.count(4) == {8: 4, 28: 0, 32: 0}[shape[0]]
    assert heights.count(7) == (4 if shape[0] == 28 else 0)


def denoised(model, *inputs):
    return numpy_of(
        at_once(lambda *given: model.denoiser(list(given)), model.denoiser.variables)(*inputs)
    )


def test_unet_starts_by_seeing_no_noise():
    model = small()
    x = np.random.default_rng(0).normal(size=(2, 4, 4, 1)).astype("float32")
    assert not denoised(model, x, np.array([1, 6])).any()
    assert denoised(disturb(model), x, np.array([1, 6])).any()


def test_times_have_different_embeddings():
    times = np.arange(1, 1001)
    embedded = numpy_of(SinusoidalEmbedding(32)(times)).astype("float64")
    distances = np.linalg.norm(embedded[1:] - embedded[:-1], axis=-1)
    assert distances.min() > 0.1
    far = NearestNeighbors(n_neighbors=2).fit(embedded).kneighbors(embedded)[0][:, 1]
    assert far.min() > 0.1
    np.testing.assert_allclose(embedded[4, [0, 16]], [np.sin(5.0), np.cos(5.0)], atol=1e-5)
    np.testing.assert_allclose(embedded[4, [15, 31]], [np.sin(5e-4), np.cos(5e-4)], atol=1e-5)
    np.testing.assert_allclose(
        numpy_of(SinusoidalEmbedding(32, scale=5.0)(times[:2])), embedded[[4, 9]], atol=1e-4
    )


def test_the_network_hears_time_and_label():
    model = disturb(small(num_classes=2))
    x = np.random.default_rng(0).normal(size=(1, 4, 4, 1)).astype("float32")
    times, labels = np.array([1, 2, 1, 1]), np.array([0, 0, 1, 2])
    seen = denoised(model, np.repeat(x, 4, axis=0), times, labels)
    for index, one in enumerate(seen):
        for other in seen[:index]:
            assert np.abs(one - other).max() > 1e-3


def test_attention_against_numpy():
    layer = SpatialSelfAttention(groups=2)
    x = np.random.default_rng(0).normal(size=(2, 2, 3, 4)).astype("float32")
    np.testing.assert_array_equal(numpy_of(layer(x)), x)
    rng = np.random.default_rng(1)
    for variable in layer.trainable_variables:
        variable.assign(rng.normal(size=variable.shape).astype("float32"))
    weights = [numpy_of(variable) for variable in layer.trainable_variables]
    gamma, beta, kernel, bias, out_kernel, out_bias = weights
    groups = x.reshape(2, 6, 2, 2)
    centred = groups - groups.mean((1, 3), keepdims=True)
    normal = centred / np.sqrt(groups.var((1, 3), keepdims=True) + 1e-5)
    flat = normal.reshape(2, 6, 4) * gamma + beta
    queries, keys, values = np.split(flat @ kernel + bias, 3, axis=-1)
    scores = np.exp(queries @ keys.transpose(0, 2, 1) / 2.0)
    attended = scores / scores.sum(-1, keepdims=True) @ values
    expected = x + (attended @ out_kernel + out_bias).reshape(x.shape)
    np.testing.assert_allclose(numpy_of(layer(x)), expected, atol=1e-4)


# ---- training -------------------------------------------------------------------------------------


def test_the_loss_is_the_error_of_the_noise():
    model = small(timesteps=50)
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (512, 4, 4, 1)).astype("float32")
    # A network that sees no noise is wrong by all of it, whose variance is 1.
    model.compile("sgd")
    assert abs(float(model.test_on_batch(x)) - 1.0) < 0.05
    seen = record(model)
    model._loss({"image": ops.convert_to_tensor(0.0 * x + 1.0)}, True)
    noisy, time, _ = seen[0]
    assert set(np.unique(time)) == set(range(1, 51))
    for now in (1, 10, 50):
        share = model.schedule.alpha_bar[now]
        assert abs(noisy[time == now].mean() - share**0.5) < 0.35 * (1 - share) ** 0.5
        assert 0.7 < noisy[time == now].var() / (1 - share) < 1.3


def test_labels_are_hidden_in_training_only():
    model = small(num_classes=3, label_dropout=0.25)
    seen = record(model)
    label = np.tile([0, 1, 2], 1000).astype("int32")
    batch = {"image": ops.zeros((3000, 4, 4, 1)), "label": ops.convert_to_tensor(label)}
    model._loss(batch, True)
    model._loss(batch, False)
    in_training, in_test = (label for _, _, label in seen)
    hidden = in_training == 3
    assert 0.22 < hidden.mean() < 0.28
    np.testing.assert_array_equal(in_training[~hidden], label[~hidden])
    np.testing.assert_array_equal(in_test, label)


def test_the_average_of_the_weights_is_kept_and_put_in_place():
    keras.utils.set_random_seed(0)
    model = DDPM((2,), network="dense", timesteps=5, units=(8,), dropout=0.0)
    model.compile(keras.optimizers.Adam(0.01, use_ema=True, ema_momentum=0.5))
    x = np.random.default_rng(0).normal(size=(16, 2)).astype("float32")
    average = None
    for _ in range(4):
        model.train_on_batch(x)
        raw = [numpy_of(variable).copy() for variable in model.denoiser.trainable_variables]
        average = (
            raw
            if average is None
            else [0.5 * a + 0.5 * b for a, b in zip(average, raw, strict=True)]
        )
    with model.optimizer.averaged():
        for variable, expected in zip(model.denoiser.trainable_variables, average, strict=True):
            np.testing.assert_allclose(numpy_of(variable), expected, atol=1e-6)
    for variable, expected in zip(model.denoiser.trainable_variables, raw, strict=True):
        np.testing.assert_array_equal(numpy_of(variable), expected)
    for _ in range(2):  # the second one starts from the averages
        model.fit(x, batch_size=16, epochs=2, verbose=0)
    for variable, mean in model.optimizer.averages():
        np.testing.assert_array_equal(numpy_of(variable), numpy_of(mean))


# ---- sampling -------------------------------------------------------------------------------------


def test_guidance():
    options = {"network": "dense", "units": (8,), "timesteps": 6, "num_classes": 2}
    model = disturb(DDPM((4,), **options))
    x = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(3, 4)).astype("float32"))
    time, label = ops.convert_to_tensor([1, 3, 6]), ops.convert_to_tensor([0, 1, 1])
    told = {"label": label}
    conditional = numpy_of(model._noise(x, time, told))
    unconditional = numpy_of(model._noise(x, time, {}))
    assert np.abs(conditional - unconditional).max() > 1e-3
    for weight, expected in (
        (0.0, conditional),
        (-1.0, unconditional),
        (1.0, 2.0 * conditional - unconditional),
        (2.5, 3.5 * conditional - 2.5 * unconditional),
    ):
        actual = numpy_of(model.guided(model._noise, (x, time), told, weight))
        np.testing.assert_allclose(actual, expected, atol=1e-4)
    guided, plain = (model.sample(3, label=1, guidance=weight) for weight in (2.0, 0.0))
    assert np.abs(guided - plain).max() > 1e-3
    # Without a label there is nothing to be guided to.
    np.testing.assert_array_equal(model.sample(3, guidance=2.0), model.sample(3))


def test_images_are_clipped_and_vectors_are_not():
    model = disturb(small())
    assert np.abs(model.sample(4)).max() <= 1.0
    assert np.abs(model.sample(4, clip=False)).max() > 1.0
    far = DDPM((2,), network="dense", timesteps=5, units=(8,))
    far._noise = lambda x, time, conditions, training=False: x * 0.0
    assert np.abs(far.sample(50)).max() > 1.0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sampler": "euler"}, 'sampler must be "ddim" or "ancestral", not \'euler\''),
        ({"steps": 7}, "steps must be from 1 to 6"),
        ({"steps": 0}, "steps must be an integer of at least 1"),
        ({"sampler": "ancestral", "variance": "alpha"}, "variance must be"),
        ({"eta": -0.1}, "eta must be a number from 0 to 1"),
        ({"guidance": 1.0}, "guidance needs a model with classes"),
    ],
)
def test_wrong_options_of_a_sampler(options, message):
    with pytest.raises(ValueError, match=message):
        small().sample(2, **options)


@pytest.mark.parametrize(
    ("shape", "options", "message"),
    [
        ((4, 4, 1), {"schedule": "sine"}, 'schedule must be "linear" or "cosine"'),
        ((4, 4, 1), {"variance": "sigma"}, "variance must be"),
        ((4, 4, 1), {"network": "resnet"}, 'network must be "unet" or "dense"'),
        ((4, 4, 1), {"network": "dense"}, '"unet" for images'),
        ((2,), {}, '"dense" for vectors'),
        ((4, 4, 1), {"timesteps": 0}, "timesteps must be an integer of at least 1"),
        ((4, 4, 1), {"label_dropout": 1.0}, "label_dropout"),
        ((4, 4, 1), {"filters": 12}, "filters must be a multiple of 8"),
        ((6, 4, 1), {"multipliers": (1, 2, 2)}, "multiples of 4, not \\(6, 4\\)"),
    ],
)
def test_wrong_arguments(shape, options, message):
    with pytest.raises(ValueError, match=message):
        DDPM(shape, **options)


# ---- learning -------------------------------------------------------------------------------------


def discrepancy(a, b):
    """The squared maximum mean discrepancy with a Gaussian kernel of width 0.5."""

    def kernel(x, y):
        squared = ((x[:, None] - y[None]) ** 2).sum(-1)
        return np.exp(-squared / (2.0 * 0.5**2)).mean()

    return kernel(a, a) + kernel(b, b) - 2.0 * kernel(a, b)


def moons(n, seed):
    x, label = make_moons(n, noise=0.05, random_state=seed)
    return x.astype("float32"), label.astype("int32")


# Compiling takes most of the time here, and is quicker without XLA.
def test_it_learns_two_moons():
    keras.utils.set_random_seed(0)
    x, label = moons(8192, seed=0)
    sizes = {"network": "dense", "timesteps": 50, "units": (64, 64), "dropout": 0.0}
    model = DDPM((2,), num_classes=2, label_dropout=0.25, **sizes)
    model.compile(keras.optimizers.Adam(6e-3, use_ema=True, ema_momentum=0.98))
    test, test_label = moons(1000, seed=1)
    untrained = model.sample(1000)
    model.fit(x, label, batch_size=256, epochs=16, verbose=0)
    # A normal distribution of the data's mean and covariance has 0.020.
    assert discrepancy(untrained, test) > 0.05
    assert discrepancy(model.sample(1000), test) < 0.015
    classes = np.arange(1000) % 2
    samples = model.sample(1000, label=classes)
    for each in (0, 1):
        own = samples[classes == each]
        assert discrepancy(own, test[test_label == each]) < 0.015
        assert discrepancy(own, test[test_label != each]) > 0.2
    # The moons are thin: the normal distribution has 0.32.
    distance = NearestNeighbors(n_neighbors=1).fit(x).kneighbors(samples)[0]
    assert np.quantile(distance, 0.9) < 0.15
    # The normal distribution has a log-density of -1.9 nats.
    right = numpy_of(model.elbo(test, label=test_label)).mean()
    assert right > -1.0
    assert numpy_of(model.elbo(test)).mean() > -1.9
    assert numpy_of(model.elbo(test, label=1 - test_label)).mean() < right - 1.0


def test_it_learns_digits():
    keras.utils.set_random_seed(0)
    images = (load_digits().images[..., None] / 8.0 - 1.0).astype("float32")
    train, test = images[:1536], images[1536:]
    # One resolution; two are compared between the backends.
    sizes = {"timesteps": 20, "filters": 16, "multipliers": (1,), "blocks": 1, "dropout": 0.0}
    model = DDPM((8, 8, 1), schedule="cosine", levels=17, **sizes)
    model.compile(keras.optimizers.Adam(4e-3, use_ema=True, ema_momentum=0.9))
    history = model.fit(train, batch_size=32, epochs=2, verbose=0).history
    # A perfect network that knows each pixel's mean and variance, and not that pixels belong together.
    share = model.schedule.alpha_bar[1:, None, None, None]
    variance = train.var(0)
    pixelwise = (share * variance / (share * variance + 1.0 - share)).mean()
    assert history["loss"][-1] < 0.9 * pixelwise
    # Digits whose pixels are drawn one by one, as often black or grey as in the data, have -108 nats.
    assert numpy_of(model.elbo(test)).mean() > -150.0
    assert np.abs(model.sample(64).mean(0) - train.mean(0)).mean() < 0.25
