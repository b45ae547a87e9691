"""Improved GAN: each technique on and off, the classifier, and how few labels it needs."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.layers.minibatch_discrimination import MinibatchDiscrimination
from gm_keras.losses import adversarial, semi_supervised
from gm_keras.models.gan.improved_gan import ImprovedGAN

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

SWITCHES = (
    "feature_matching",
    "minibatch_discrimination",
    "historical_averaging",
    "label_smoothing",
    "virtual_batch_normalization",
)


def small(*on: str, seed: int = 0, **arguments) -> ImprovedGAN:
    keras.utils.set_random_seed(seed)
    sizes = {"latent_dim": 3, "filters": 4, "stages": 2, "kernels": 3, "kernel_dim": 2}
    switches = {name: name in on for name in SWITCHES}
    model = ImprovedGAN((8, 8, 1), **{**sizes, "reference": 4, **switches, **arguments})
    model.compile({name: keras.optimizers.SGD(0.1) for name in ("discriminator", "generator")})
    model.run_eagerly = True
    return model


def images(n: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, size=(n, 8, 8, 1)).astype("float32")


def losses(model: ImprovedGAN, **fields) -> dict[str, float]:
    logs = model.test_on_batch({"image": images(), **fields}, return_dict=True)
    return {name: float(value) for name, value in logs.items()}


# ---- switches -------------------------------------------------------------------------------------


def test_without_any_technique_it_is_the_plain_game(monkeypatch):
    model = small()
    latents = model.draw_latents(8, seed=3)
    monkeypatch.setattr(model, "_draw_latents", lambda *_: ops.convert_to_tensor(latents))
    real, fake = (model.discriminator(x)[0] for x in (images(), model.generator(latents)))
    found = losses(model)
    assert found["discriminator_loss"] == pytest.approx(
        float(adversarial.discriminator(real, fake)), rel=1e-5
    )
    assert found["generator_loss"] == pytest.approx(
        float(adversarial.non_saturating_generator(fake)), rel=1e-5
    )
    # Smoothing moves the loss of the discriminator alone, features that of the generator alone.
    smoothed = losses(_as(model, "label_smoothing", monkeypatch, latents))
    assert smoothed["generator_loss"] == pytest.approx(found["generator_loss"], rel=1e-5)
    expected = found["discriminator_loss"] + 0.1 * float(ops.mean(real))
    assert smoothed["discriminator_loss"] == pytest.approx(expected, rel=1e-4)
    matched = losses(_as(model, "feature_matching", monkeypatch, latents))
    assert matched["discriminator_loss"] == pytest.approx(found["discriminator_loss"], rel=1e-5)
    features = [
        ops.convert_to_numpy(model.discriminator(x)[1]).mean(axis=0)
        for x in (images(), model.generator(latents))
    ]
    expected = np.square(features[0] - features[1]).sum()
    assert matched["generator_loss"] == pytest.approx(expected, rel=1e-4)


def _as(model, switch, monkeypatch, latents):
    """A model with one technique, the weights of another, and given latents."""
    other = small(switch)
    other.set_weights(model.get_weights())
    monkeypatch.setattr(other, "_draw_latents", lambda *_: ops.convert_to_tensor(latents))
    return other


@pytest.mark.parametrize("on", [True, False])
def test_minibatch_discrimination_lets_the_discriminator_see_the_batch(on):
    model = small(*(["minibatch_discrimination"] if on else []))
    layers = [type(layer) for layer in model.discriminator.layers]
    assert (MinibatchDiscrimination in layers) == on
    copies = np.repeat(images(1), 4, axis=0)
    alone, together = (
        ops.convert_to_numpy(model.discriminator(x)[0])[0, 0] for x in (copies[:1], copies)
    )
    assert (abs(alone - together) > 1e-3) == on


def test_virtual_batch_normalization_makes_each_fake_by_itself():
    """In training too; with batch normalization a fake depends on the others."""
    for on, model in ((True, small("virtual_batch_normalization")), (False, small())):
        latents = model.draw_latents(6)
        together = ops.convert_to_numpy(model.generator(latents, training=True))
        alone = ops.convert_to_numpy(model.generator(latents[:2], training=True))
        assert np.allclose(together[:2], alone, atol=1e-5) == on
        assert (
            np.allclose(ops.convert_to_numpy(model.generator(latents)), together, atol=1e-5) == on
        )


def test_historical_averaging_holds_to_the_mean_of_the_past():
    model = small("historical_averaging", historical_weight=2.0)
    variable = model.generator.trainable_variables[0]
    past = []
    for seed in range(3):
        model.train_on_batch(images(seed=seed))
        past.append(ops.convert_to_numpy(variable).copy())
    average = ops.convert_to_numpy(model.past["generator"][0])
    np.testing.assert_allclose(average, np.mean(past, axis=0), atol=1e-6)
    distances = {
        player.name: sum(
            np.square(ops.convert_to_numpy(value) - ops.convert_to_numpy(mean)).sum()
            for value, mean in zip(player.trainable_variables, model.past[player.name], strict=True)
        )
        for player in (model.discriminator, model.generator)
    }
    assert min(distances.values()) > 1e-6
    for name, distance in distances.items():
        player = getattr(model, name)
        assert float(model._distance_to_past(player)) == pytest.approx(2.0 * distance, rel=1e-3)
    assert float(small("historical_averaging")._distance_to_past(model.generator)) == 0.0


# ---- the classifier -------------------------------------------------------------------------------


def test_only_examples_with_a_label_are_classified():
    model = small(classes=3)
    labels = np.array([0, 2, -1, -1, 1, -1, -1, -1], "int32")
    logits = model.discriminator(images())[0]
    found = losses(model, label=labels)
    known = labels >= 0
    expected = semi_supervised.class_cross_entropy(
        ops.convert_to_numpy(logits)[known], labels[known]
    )
    assert found["class_loss"] == pytest.approx(float(expected), rel=1e-5)
    real = ops.mean(ops.sigmoid(semi_supervised.real_logit(logits)))
    assert found["real_probability"] == pytest.approx(float(real), rel=1e-5)
    assert losses(model, label=np.full(8, -1))["class_loss"] == 0.0
    classes = ops.convert_to_numpy(model.classify(images()))
    np.testing.assert_array_equal(classes, ops.convert_to_numpy(logits).argmax(axis=1))


def test_it_offers_what_it_was_built_for():
    plain, classifier = small(), small(classes=3)
    assert "classifier" not in plain.capabilities
    assert classifier.capabilities == plain.capabilities | {"classifier"}
    assert set(plain.inference_networks()) == {"generator"}
    logits = classifier.inference_networks()["discriminator"](images())[0]
    classes = ops.convert_to_numpy(classifier.classify(images()))
    assert classes.dtype == np.int32
    np.testing.assert_array_equal(classes, ops.convert_to_numpy(logits).argmax(axis=1))
    with pytest.raises(ValueError, match="was built for examples of shape"):
        classifier.classify(images()[:, :4])
    with pytest.raises(ValueError, match="was trained without labels"):
        classifier.classify(images(), label=1)


def test_wrong_labels_and_no_classifier():
    with pytest.raises(ValueError, match="from 0 to 2, or -1 for none, not from 0 to 3"):
        losses(small(classes=3), label=np.array([0, 3] * 4))
    with pytest.raises(ValueError, match="whole numbers, not of type"):
        losses(small(classes=3), label=np.array(["a"] * 8))
    with pytest.raises(ValueError, match="no classifier: build it with classes"):
        small().classify(images())
    with pytest.raises(ValueError, match="must not depend on the others of its batch"):
        small("minibatch_discrimination", classes=3)


@pytest.mark.learns
def test_it_learns_classes_of_few_labels():
    """Bars at four places under noise, 40 of 3600 with a label; the generator learns them too."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(4, size=4000).astype("int32")
    x = rng.uniform(-1.0, -0.6, size=(4000, 8, 8, 1)).astype("float32")
    for row, kind in enumerate(kinds):
        x[row, 2 * kind : 2 * kind + 2] *= -1.0
    labels = np.where(np.arange(4000) < 40, kinds, -1).astype("int32")
    keras.utils.set_random_seed(0)
    model = ImprovedGAN(
        (8, 8, 1),
        latent_dim=4,
        filters=8,
        stages=2,
        feature_matching=True,
        minibatch_discrimination=False,
        reference=20,
        classes=4,
    )
    adam = {"learning_rate": 0.002, "beta_1": 0.5}
    model.compile({name: keras.optimizers.Adam(**adam) for name in ("discriminator", "generator")})

    def share() -> float:
        return (ops.convert_to_numpy(model.classify(x[3600:])) == kinds[3600:]).mean()

    assert share() < 0.8
    history = model.fit(
        {"image": x[:3600], "label": labels[:3600]}, batch_size=40, epochs=3, verbose=0
    ).history
    assert share() > 0.98
    assert history["class_loss"][-1] < 0.1
    means = np.stack([x[kinds == kind].mean(axis=0).ravel() for kind in range(4)])
    distances = np.square(model.sample(200).reshape(200, 1, -1) - means).mean(axis=-1)
    found = np.bincount(distances.argmin(axis=1), minlength=4)
    assert found.min() >= 20, "the generator makes all four of them"
    assert distances.min(axis=1).mean() < 0.25
