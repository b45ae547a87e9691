"""What models are given is checked and cast, and what `compile` and `save` are given too."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from tests import systems

pytestmark = pytest.mark.backend


@pytest.fixture(scope="module")
def vae():
    """A model with labels, a bound, an encoder and a decoder."""
    return systems.build("vae")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda labels: labels + 90, "label 9[0-9] is out of range: 0 to 9"),
        (lambda labels: labels - 10, "label -[0-9]+ is out of range: 0 to 9"),
        (lambda labels: labels + 0.5, r"whole numbers, not [0-9]\.5"),
        (lambda labels: np.arange(len(labels)) % 10 + 1, "subtract 1"),
        (lambda labels: keras.utils.to_categorical(labels, 10), "argmax"),
        (lambda labels: labels.astype(str), "whole numbers"),
        (lambda labels: labels * np.nan, "whole numbers, not nan"),
    ],
)
def test_labels_that_are_none(vae, wrong, message):
    batches = [systems.batch(vae, seed) for seed in range(2)]
    x = np.concatenate([each["image"] for each in batches])
    labels = wrong(np.concatenate([each["label"] for each in batches]))
    before = systems.arrays(vae.variables)
    for call in ("fit", "evaluate"):
        with pytest.raises(ValueError, match=message):
            getattr(vae, call)(x, labels, batch_size=8, verbose=0)
    for key, value in systems.arrays(vae.variables).items():
        np.testing.assert_array_equal(value, before[key], key)


def test_labels_in_a_column(vae):
    batch = systems.batch(vae)
    x, label = batch["image"], batch["label"]
    plain = vae.evaluate(x, label, verbose=0, return_dict=True)
    assert vae.evaluate(x, label[:, None], verbose=0, return_dict=True).keys() == plain.keys()
    assert vae.evaluate(x, label.astype("float32"), verbose=0, return_dict=True)
    same = [ops.convert_to_numpy(vae.elbo(x, label=each)) for each in (label, label[:, None])]
    np.testing.assert_array_equal(*same)


def test_images_of_another_range(vae):
    batch = systems.batch(vae)
    x, label = 127.5 * (batch["image"] + 1.0), batch["label"]
    for call in (
        lambda: vae.fit(x, label, verbose=0),
        lambda: vae.train_on_batch(x, label),
        lambda: vae.elbo(x, label=label),
        lambda: vae.encode(x.astype("uint8"), label=label),
        lambda: vae.interpolate(batch["image"], x, label=label),
    ):
        with pytest.raises(ValueError, match=r"in \[-1, 1\], got values from .* x / 127.5 - 1"):
            call()
    with pytest.raises(ValueError, match="NaN"):
        vae.elbo(batch["image"] * np.nan, label=label)
    with pytest.warns(UserWarning, match="2 \\* x - 1"):
        vae.elbo(x / 255.0, label=label)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vae.elbo(x / 255.0, label=label)  # told once


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_numbers_of_any_precision(vae, dtype):
    batch = systems.batch(vae)
    x, label = batch["image"].astype("float16"), batch["label"]
    for method in (vae.elbo, vae.encode, vae.reconstruct):
        expected = ops.convert_to_numpy(method(x.astype("float32"), label=label))
        np.testing.assert_array_equal(
            ops.convert_to_numpy(method(x.astype(dtype), label=label)), expected
        )
    latents = vae.draw_latents(2).astype("float16")
    expected = ops.convert_to_numpy(vae.decode(latents.astype("float32"), label=label[:2]))
    decoded = ops.convert_to_numpy(vae.decode(latents.astype(dtype), label=label[:2]))
    np.testing.assert_array_equal(decoded, expected)
    tensor = ops.convert_to_tensor(x.astype(dtype))
    assert vae.elbo(tensor, label=label).shape == (len(x),)
    assert vae.elbo(x.tolist(), label=label).shape == (len(x),)


def test_what_is_no_array(vae):
    label = systems.batch(vae)["label"]
    with pytest.raises(ValueError, match="parts of several shapes"):
        vae.elbo([[1.0], [1.0, 2.0]], label=label)
    with pytest.raises(ValueError, match="was built for examples of shape"):
        vae.elbo(0.5, label=label)
    with pytest.raises(ValueError, match="array of numbers"):
        vae.elbo(np.full((2, 8, 8, 1), "a"), label=label[:2])


@pytest.mark.once("tensorflow")
def test_a_batch_that_does_not_divide():
    model = systems.build("wgan_gp")
    assert model.fresh_batches
    data = systems.batch(model)
    repeats = max(phase.repeats for phase in model.phase_list)
    image = np.concatenate([data["image"]] * 2)[: len(data["image"]) + repeats - 1]
    # A batch of the usual size, and a last one with fewer examples than repeats.
    model.fit(image, batch_size=len(data["image"]), verbose=0, shuffle=False)
    assert np.isfinite(model.train_on_batch(image[: 2 * repeats + 1], return_dict=True)["loss"])


def test_callbacks_of_keras_find_the_loss(vae, tmp_path):
    data = systems.batch(vae)
    x, label = data["image"], data["label"]
    fitted = vae.fit(
        x,
        label,
        validation_data=(x, label),
        epochs=2,
        verbose=0,
        callbacks=[
            keras.callbacks.TerminateOnNaN(),
            keras.callbacks.EarlyStopping(monitor="val_loss", patience=5),
            keras.callbacks.ReduceLROnPlateau(monitor="loss"),
            keras.callbacks.ModelCheckpoint(
                tmp_path / "best.keras", monitor="loss", save_best_only=True
            ),
        ],
    )
    assert fitted.history["loss"] == fitted.history["elbo_loss"]
    assert len(fitted.history["val_loss"]) == 2
    assert (tmp_path / "best.keras").exists()


def test_the_loss_of_a_game_is_the_sum():
    model = systems.build("dcgan")
    logs = model.test_on_batch(systems.batch(model), return_dict=True)
    assert logs["loss"] == pytest.approx(logs["discriminator_loss"] + logs["generator_loss"])
    first, *others = model.test_on_batch(systems.batch(model))
    assert first == pytest.approx(sum(others[:2]))


def test_compile_refuses_what_it_would_ignore(vae):
    for options in ({"loss": "mse"}, {"metrics": ["mae"]}, {"weighted_metrics": []}):
        with pytest.raises(ValueError, match=f"takes no {next(iter(options))}"):
            vae.compile("adam", **options)
    vae.train_on_batch(systems.batch(vae))
    adam = keras.optimizers.Adam()
    with pytest.raises(ValueError, match='serves both "discriminator" and "generator"'):
        systems.build("dcgan").compile({"discriminator": adam, "generator": adam})
    with pytest.raises(ValueError, match="another model"):
        systems.build("vae").compile(vae.optimizer)


def test_a_model_is_saved_as_a_keras_file(vae, tmp_path):
    for name in ("model.h5", "model.weights.h5", "model", "model.tf"):
        with pytest.raises(ValueError, match=r"NAME\.keras"):
            vae.save(tmp_path / name)
        assert not (tmp_path / name).exists()


def test_the_precision_is_saved(tmp_path):
    model = systems.build("vae", "bfloat16")
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.decoder.compute_dtype == model.decoder.compute_dtype == "bfloat16"
    assert keras.config.dtype_policy().name == "float32"
    x, label = systems.batch(model)["image"], systems.batch(model)["label"]
    values = [ops.convert_to_numpy(each.elbo(x, label=label)) for each in (model, loaded)]
    np.testing.assert_array_equal(*values)
