"""SAGAN: where its attention is, that it starts as none, what it normalizes, and patterns whose halves belong together."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.layers.attention import GatedSelfAttention
from gm_keras.layers.spectral_normalization import SpectralNormalization
from gm_keras.models.gan.sagan import SAGAN

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

SMALL = {
    "latent_dim": 4,
    "generator_filters": (8, 8),
    "discriminator_filters": (8, 8),
    "halvings": 1,
    "attention": 4,
}
X = np.random.default_rng(0).uniform(-1.0, 1.0, (6, 8, 8, 1)).astype("float32")


def small(seed: int = 0, **arguments) -> SAGAN:
    keras.utils.set_random_seed(seed)
    return SAGAN((8, 8, 1), **{**SMALL, **arguments})


def of_kind(network: keras.Model, kind: type) -> list:
    return [each for each in network.layers if isinstance(each, kind)]


@pytest.mark.parametrize("network", ["generator", "discriminator"])
def test_attention_stands_in_both_networks_at_its_height_and_starts_as_none(network):
    with_attention, without = (getattr(small(attention=side), network) for side in (4, None))
    (attention,) = of_kind(with_attention, GatedSelfAttention)
    assert attention.output.shape[1:] == (4, 4, 8)
    assert not of_kind(without, GatedSelfAttention)
    # The same weights otherwise: what the attention adds is nothing.
    others = [
        each for layer in with_attention.layers if layer is not attention for each in layer.weights
    ]
    for variable, value in zip(without.weights, others, strict=True):
        variable.assign(ops.convert_to_numpy(value))
    x = X if network == "discriminator" else X[:, 0, :4, 0]
    outputs = [ops.convert_to_numpy(each(x)) for each in (with_attention, without)]
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-6)
    attention.gamma.assign(1.0)
    assert not np.allclose(ops.convert_to_numpy(with_attention(x)), outputs[1], atol=1e-3)


def test_every_kernel_but_the_tables_of_the_classes_is_spectrally_normalized():
    model = small(num_classes=3)
    for network in (model.generator, model.discriminator):
        normal = of_kind(network, SpectralNormalization)
        for attention in of_kind(network, GatedSelfAttention):
            normal += [
                attention.queries,
                attention.keys,
                attention.values,
                attention.output_projection,
            ]
        assert all(isinstance(each, SpectralNormalization) for each in normal)
        known = {id(each.layer.kernel) for each in normal}
        rest = [
            each
            for each in network.trainable_variables
            if len(each.shape) > 1 and id(each) not in known
        ]
        tables = 8 if network is model.generator else 0
        assert len(rest) == tables, "a scale and a shift for each of four normalizations"
        assert all(each.shape[0] == 3 for each in rest)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"attention": 2}, "attention must be the height of a block's features, one of \\[4, 8\\]"),
        ({"generator_filters": (4, 4)}, "at least 8 channels"),
        ({"halvings": 4}, "halvings must be at most"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        small(**arguments)


def stripes(n: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Images of one bright row, or of one bright column: the class says which, chance where it is."""
    rng = np.random.default_rng(seed)
    images = np.full((n, 8, 8, 1), -0.8, "float32")
    labels, places = rng.integers(0, 2, n), rng.integers(0, 4, n)
    for image, label, place in zip(images, labels, places, strict=True):
        pair = slice(2 * place, 2 * place + 2)
        image[(pair, slice(None)) if label else (slice(None), pair)] = 0.8
    return {"image": images, "label": labels.astype("int32")}


def quality(samples: np.ndarray, labels: np.ndarray) -> tuple[float, int]:
    """The share of samples near an image of their class, and how many of the eight images there are among these."""
    every = stripes(400)
    kinds, index = np.unique(every["image"].reshape(400, -1), axis=0, return_index=True)
    distances = np.abs(samples.reshape(len(samples), 1, -1) - kinds).mean(-1)
    near = distances.argmin(1)
    good = (distances.min(1) < 0.25) & (every["label"][index][near] == labels)
    return float(good.mean()), len(np.unique(near[good]))


@pytest.mark.learns
def test_it_learns_which_stripes_belong_to_which_class():
    backend.set_seed(0)
    filters = {"generator_filters": (16, 16), "discriminator_filters": (16, 16)}
    model = small(latent_dim=8, num_classes=2, **filters)
    adam = {"beta_1": 0.0, "beta_2": 0.9}
    averaged = {"use_ema": True, "ema_momentum": 0.95}
    model.compile(
        {
            "discriminator": keras.optimizers.Adam(0.002, **adam),
            "generator": keras.optimizers.Adam(0.001, **adam, **averaged),
        }
    )
    labels = np.arange(200) % 2
    assert quality(model.sample(200, label=labels), labels)[0] < 0.1
    model.fit(stripes(3200), batch_size=32, epochs=6, verbose=0)
    assert quality(model.sample(200, label=labels), labels)[0] > 0.6
    gammas = [
        float(ops.convert_to_numpy(each.gamma))
        for network in (model.generator, model.discriminator)
        for each in of_kind(network, GatedSelfAttention)
    ]
    assert all(gamma != 0.0 for gamma in gammas)
