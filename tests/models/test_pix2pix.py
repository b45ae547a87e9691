"""pix2pix: its networks, its noise, its losses by hand, and edges to digits."""

import keras
import numpy as np
import pytest
from keras import ops
from sklearn.datasets import load_digits

from gm_keras.models.translation.pix2pix import Pix2Pix
from gm_keras.networks.pix2pix import (
    downsamplings_for,
    patch_layers_for,
    patchgan,
    pix2pix_generator,
)

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def small(seed: int = 0, learning_rate: float = 0.001, **arguments) -> Pix2Pix:
    keras.utils.set_random_seed(seed)
    model = Pix2Pix((8, 8, 1), (8, 8, 2), **{"filters": 4, **arguments})
    model.compile(
        {
            name: keras.optimizers.Adam(learning_rate, beta_1=0.5)
            for name in ("discriminator", "generator")
        }
    )
    return model


def pairs(n: int = 16, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "source": rng.uniform(-1, 1, size=(n, 8, 8, 2)).astype("float32"),
        "target": rng.uniform(-1, 1, size=(n, 8, 8, 1)).astype("float32"),
    }


@pytest.mark.parametrize(
    ("side", "halvings", "patch_layers"),
    [(6, 1, 0), (8, 3, 1), (12, 2, 1), (28, 2, 2), (32, 5, 3), (256, 8, 3)],
)
def test_networks_follow_the_size(side, halvings, patch_layers):
    assert downsamplings_for((side, side, 3)) == halvings
    assert patch_layers_for((side, side, 3)) == patch_layers


@pytest.mark.parametrize("side", [6, 28, 32])
def test_networks_have_the_shapes_of_the_paper(side):
    model = Pix2Pix((side, side, 3), (side, side, 1), filters=2)
    assert model.generator.output_shape == (None, side, side, 3)
    patches = side >> patch_layers_for((side, side, 3))
    assert model.discriminator.output_shape == (None, patches, patches, 1)
    assert model.fields == {"source": (side, side, 1), "target": (side, side, 3)}


def test_the_generator_of_256_x_256_is_that_of_the_paper():
    generator = pix2pix_generator((256, 256, 1), (256, 256, 3), filters=2, name="generator")
    convolutions = [each for each in generator.layers if isinstance(each, keras.layers.Conv2D)]
    assert [each.filters for each in convolutions] == [2, 4, 8, 16, 16, 16, 16, 16]
    transposed = [
        each for each in generator.layers if isinstance(each, keras.layers.Conv2DTranspose)
    ]
    assert [each.filters for each in transposed] == [16, 16, 16, 16, 8, 4, 2, 3]
    assert [each.shape[1:] for each in generator.inputs[1:]] == [(2, 2, 16), (4, 4, 16), (8, 8, 16)]


@pytest.mark.parametrize(("patch_layers", "patch"), [(0, 1), (1, 16), (2, 34), (3, 70)])
def test_an_output_of_the_discriminator_sees_its_patch(patch_layers, patch):
    side = 96
    network = patchgan(
        (side, side, 1), (side, side, 1), filters=2, patch_layers=patch_layers, name="patches"
    )
    for variable in network.trainable_variables:  # positive, so that nothing cancels
        variable.assign(np.abs(variable.numpy()) + 0.01)
    row = network.output_shape[1] // 2
    base = np.ones((side + 1, side, side, 1), "float32")
    # One pixel of the diagonal at a time: the patch is as wide as high. The last image is left as it is: another
    # batch may be summed in another order.
    moved = base.copy()
    moved[np.arange(side), np.arange(side)] += 1.0
    *scores, reference = ops.convert_to_numpy(network([moved, base]))[:, row, row, 0]
    seen = np.flatnonzero(np.abs(scores - reference) > 1e-7 * abs(reference))
    assert seen.max() - seen.min() + 1 == patch


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="even height and width, not 7 x 8"):
        Pix2Pix((7, 8, 1), (7, 8, 1))
    with pytest.raises(ValueError, match="from 1 to 2 for images of 28 x 28, not 3"):
        Pix2Pix((28, 28, 1), (28, 28, 1), downsamplings=3)
    with pytest.raises(ValueError, match="patch_layers must fit"):
        Pix2Pix((8, 8, 1), (8, 8, 1), patch_layers=4)
    with pytest.raises(ValueError, match=r"a shape \(height, width, channels\)"):
        Pix2Pix((8,), (8,))
    with pytest.raises(ValueError, match="the same height and width"):
        Pix2Pix((8, 8, 1), (16, 16, 1))
    with pytest.raises(ValueError, match="dropout_rate"):
        Pix2Pix((8, 8, 1), (8, 8, 1), dropout_rate=1.0)


def test_there_is_nothing_to_sample():
    model = small()
    assert model.capabilities == {"translator"}
    with pytest.raises(ValueError, match=r"translate\(source\) instead"):
        model.sample(4, seed=1)
    with pytest.raises(ValueError, match="without labels"):
        model.translate(pairs()["source"], label=1)
    with pytest.raises(ValueError, match=r"examples of shape \(8, 8, 2\).* in \"source\""):
        model.translate(pairs()["target"])


def test_a_seed_decides_the_noise_of_a_translation():
    model = small()
    model.train_on_batch(pairs())
    source = pairs(5)["source"]
    first = model.translate(source, seed=3)
    assert first.shape == (5, 8, 8, 1)
    assert first.dtype == np.float32
    assert np.abs(first).max() <= 1.0
    np.testing.assert_array_equal(first, model.translate(source, seed=3))
    assert np.abs(first - model.translate(source, seed=4)).max() > 1e-4
    exact = small(dropout_rate=0.0)
    assert len(exact.generator.inputs) == 1
    np.testing.assert_array_equal(exact.translate(source), exact.translate(source, seed=4))


def test_masks_are_those_of_dropout():
    model = small(dropout_rate=0.25, filters=16)
    masks = model._masks(200, lambda: keras.random.SeedGenerator(5))
    assert [tuple(mask.shape) for mask in masks] == [(200, 2, 2, 32), (200, 4, 4, 16)]
    for mask in map(ops.convert_to_numpy, masks):
        np.testing.assert_allclose(np.unique(mask), [0.0, 1 / 0.75], rtol=1e-6)
        assert mask.mean() == pytest.approx(1.0, abs=0.02)


def test_the_losses_are_those_of_the_paper(monkeypatch):
    """Half the discriminator's cross-entropy; the generator's plus lambda times the mean absolute error."""
    noise = np.random.default_rng(1).uniform(size=(16, 4, 4, 16)).astype("float32")
    monkeypatch.setattr(
        keras.random,
        "uniform",
        lambda shape, **_: ops.convert_to_tensor(noise[:, : shape[1], : shape[2], : shape[3]]),
    )
    model = small(l1_weight=7.0)
    batch = {key: ops.convert_to_tensor(value) for key, value in pairs().items()}
    masks = [
        (noise[:, : m.shape[1], : m.shape[2], : m.shape[3]] >= 0.5) * 2.0
        for m in model.generator.inputs[1:]
    ]
    masks = [ops.convert_to_tensor(mask.astype("float32")) for mask in masks]
    fake = model.generator([batch["source"], *masks])
    real_logits, fake_logits = (
        ops.convert_to_numpy(model.discriminator([batch["source"], each]))
        for each in (batch["target"], fake)
    )
    expected = 0.5 * (np.logaddexp(0, -real_logits).mean() + np.logaddexp(0, fake_logits).mean())
    assert float(model._discriminator_loss(batch, False)) == pytest.approx(expected, rel=1e-5)
    distance = np.abs(pairs()["target"] - ops.convert_to_numpy(fake)).mean()
    expected = np.logaddexp(0, -fake_logits).mean() + 7.0 * distance
    assert float(model._generator_loss(batch, False)) == pytest.approx(expected, rel=1e-5)


def test_translations_do_not_depend_on_their_neighbours():
    """They are normalized by the moving averages, not by the batch."""
    model = small(dropout_rate=0.0)
    model.train_on_batch(pairs())
    source = pairs(5)["source"]
    np.testing.assert_allclose(model.translate(source)[:1], model.translate(source[:1]), atol=1e-6)


def test_a_step_moves_the_statistics_of_each_network_in_its_own_phase_only():
    model = small(learning_rate=0.0)
    before, phases = model.get_weights(), model.phase_list
    for phase in phases:
        model.set_weights(before)
        model.phase_list = (phase,)
        model.train_function = None
        model.train_on_batch(pairs())
        (own,) = phase.networks
        for network in (model.generator, model.discriminator):
            moved = [
                not np.allclose(weight.numpy(), 0.0)
                for weight in network.non_trainable_weights
                if "moving_mean" in weight.path
            ]
            assert all(moved) if network is own else not any(moved)


def edges(images: np.ndarray) -> np.ndarray:
    """The magnitude of the gradient, in [-1, 1]."""
    down, across = np.gradient(images[..., 0], axis=(1, 2))
    return np.clip(2.0 * np.hypot(down, across) - 1.0, -1.0, 1.0)[..., None].astype("float32")


@pytest.mark.learns
def test_it_learns_to_fill_the_edges_of_digits():
    """The mean digit is 0.39 from the test digits, the untrained network 0.79; trained for longer it is at 0.12."""
    digits = (load_digits().images / 8.0 - 1.0).astype("float32")[..., None]
    digits = np.random.default_rng(0).permutation(digits)
    train, held_out = digits[:1437], digits[1437:]
    keras.utils.set_random_seed(0)
    model = Pix2Pix((8, 8, 1), (8, 8, 1), filters=12)
    model.compile(
        {name: keras.optimizers.Adam(0.004, beta_1=0.5) for name in ("discriminator", "generator")}
    )
    untrained = np.abs(model.translate(edges(held_out)) - held_out).mean()
    model.fit(edges(train), train, batch_size=16, epochs=3, verbose=0)
    trained = np.abs(model.translate(edges(held_out)) - held_out).mean()
    assert untrained > 0.6
    assert trained < 0.22
