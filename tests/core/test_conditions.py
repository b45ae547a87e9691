"""What models are told by name: declared once, checked in one place, and the same on every way."""

import re

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.core import Condition
from gm_keras.models.latent.vae import VAE
from gm_keras.models.translation.pix2pix import Pix2Pix
from tests.painter import LENGTH, SHAPE, painter, paintings

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

BLANK = np.zeros(SHAPE, int)


@pytest.fixture(scope="module")
def trained():
    keras.utils.set_random_seed(0)
    model = painter(dropout=0.25)
    model.fit(paintings(), batch_size=32, epochs=60, verbose=0)
    return model


@pytest.fixture(scope="module")
def vae():
    return VAE((8,), latent_dim=2, network="dense", units=(4,), num_classes=3)


def array(value) -> np.ndarray:
    return np.asarray(ops.convert_to_numpy(value))


# ---- on every way ---------------------------------------------------------------------------------


def test_samples_follow_what_they_are_told(trained):
    half = BLANK.copy()
    half[:2] = 1
    for caption, expected in (("light", 1.0), ("dark", -1.0)):
        samples = trained.sample(64, caption=caption, mask=half)
        assert abs(samples[:, :2].mean() - expected - 2.0) < 0.4
        assert abs(samples[:, 2:].mean() - expected) < 0.4
    # Untold it has to say one thing for both.
    assert abs(trained.sample(64, mask=BLANK).mean()) < 0.6


def test_likelihoods_are_of_what_is_told(trained):
    data = paintings(16, seed=1)
    told = {name: data[name] for name in ("caption", "mask")}
    right = array(trained.log_prob(data["image"], **told))
    wrong = array(trained.log_prob(data["image"], caption=data["caption"][::-1], mask=data["mask"]))
    same = (data["caption"] == data["caption"][::-1]).all(axis=1)
    assert (right > wrong + 5.0)[~same].all()
    np.testing.assert_allclose(right[same], wrong[same], rtol=1e-5)
    words = ["light" if row[0] == ord("l") else "dark" for row in data["caption"]]
    by_words = array(trained.log_prob(data["image"], caption=words, mask=data["mask"]))
    np.testing.assert_array_equal(by_words, right)


def test_a_loaded_model_is_told_the_same(trained, tmp_path):
    trained.save(tmp_path / "painter.keras")
    loaded = keras.saving.load_model(tmp_path / "painter.keras")
    assert loaded.conditions == trained.conditions
    told = {"caption": ["light", "dark"], "mask": BLANK}
    np.testing.assert_array_equal(loaded.sample(2, **told), trained.sample(2, **told))


def test_one_value_for_all_or_one_for_each(trained):
    assert trained.capabilities == {"sampler", "density", "conditional"}
    codes = np.frombuffer(b"light\0", "uint8")
    assert len(codes) == LENGTH
    first = trained.sample(3, caption="light", mask=BLANK)
    for caption in (["light"] * 3, codes, np.stack([codes] * 3), codes.astype(float).tolist()):
        made = trained.sample(3, caption=caption, mask=np.stack([BLANK] * 3))
        np.testing.assert_array_equal(made, first)
    # Parts of a sample are told their own rows.
    parted = trained.sample(3, batch_size=2, caption=["dark", "dark", "light"], mask=BLANK)
    alone = trained.sample(3, batch_size=2, caption=["light", "light", "light"], mask=BLANK)
    np.testing.assert_array_equal(parted[2], alone[2])
    assert (parted[:2] < alone[:2]).all()


def test_what_is_left_out_is_hidden_in_training_only():
    model = painter(dropout=0.25)
    batch = {name: ops.convert_to_tensor(value) for name, value in paintings(2000).items()}
    told = {name: array(value) for name, value in model.told_in(batch, True).items()}
    hidden = (told["caption"] == 0).all(axis=1)
    assert 0.21 < hidden.mean() < 0.29
    np.testing.assert_array_equal(told["caption"][~hidden], array(batch["caption"])[~hidden])
    # What has no dropout is never hidden, and nothing in a test.
    np.testing.assert_array_equal(told["mask"], array(batch["mask"]))
    for name, value in model.told_in(batch, False).items():
        np.testing.assert_array_equal(array(value), array(batch[name]))


def test_guidance_leads_away_from_the_untold(trained):
    caption = ops.convert_to_tensor(paintings(3)["caption"])
    conditions = {"caption": caption, "mask": ops.zeros((3, *SHAPE), "int32")}
    ones = ops.ones((3, 1))

    def predict(inputs, told):
        return trained.network(trained.with_told(told, inputs))

    told = array(predict(ones, conditions))
    untold = array(predict(ones, {"mask": conditions["mask"]}))
    assert np.abs(told - untold).max() > 0.5
    for weight in (0.0, -1.0, 1.5):
        guided = array(trained.guided(predict, (ones,), conditions, weight))
        np.testing.assert_allclose(guided, (1 + weight) * told - weight * untold, atol=1e-5)


def test_a_class_that_is_left_out_is_drawn(vae):
    first, second = (vae.told({}, 300, seed=seed)["label"] for seed in (1, 2))
    assert np.bincount(first, minlength=3).min() > 70
    assert not np.array_equal(first, second)
    # Samples are of these classes, and likelihoods are given theirs.
    np.testing.assert_array_equal(vae.sample(5, seed=1), vae.sample(5, seed=1, label=first[:5]))
    assert set(vae.told({"label": 2}, 4)["label"]) == {2}


def test_a_translator_samples_from_sources():
    model = Pix2Pix((8, 8, 1), (8, 8, 2), filters=4)
    source = np.random.default_rng(0).uniform(-1.0, 1.0, (2, 8, 8, 2)).astype("float32")
    made = model.translate(source, seed=3)
    np.testing.assert_array_equal(model.sample(2, seed=3, source=source), made)
    # One source, twice: dropout is all that differs.
    pair = model.sample(2, seed=3, source=source[0])
    np.testing.assert_array_equal(pair[0], made[0])
    assert not np.array_equal(pair[0], pair[1])


# ---- what is refused ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "message"),
    [
        ({}, "a Painter cannot sample without a mask: pass mask="),
        ({"mask": BLANK + 2}, "mask 2 is out of range: 0 to 1"),
        ({"mask": BLANK - 1}, "mask -1 is out of range: 0 to 1"),
        ({"mask": BLANK + 0.5}, "masks must be whole numbers, not 0.5"),
        ({"mask": np.zeros((4, 4))}, "mask must be integers of shape (4, 4, 1), or (2, 4, 4, 1)"),
        ({"mask": [[1], [1, 2]]}, "mask must be integers of shape (4, 4, 1), or (2, 4, 4, 1), not"),
        ({"mask": "dark"}, "mask must be integers of shape (4, 4, 1), or (2, 4, 4, 1), not 'dark'"),
        ({"caption": "too long"}, "a caption has 8 bytes, and there is room for 6: 'too long'"),
        ({"caption": "a\0"}, "a caption has a null character: 'a\\x00'"),
        ({"caption": 3}, "caption must be text, 2 texts, or integers of shape (6,), or (2, 6), no"),
        ({"caption": ["a"] * 3}, "caption must be text, 2 texts, or integers of shape (6,), or"),
        ({"label": 1}, "this Painter was trained without labels: leave label out; it is told capt"),
    ],
)
def test_wrong_values(trained, told, message):
    wrong = {"mask": BLANK, **told} if told else told
    with pytest.raises(ValueError, match=f"^{re.escape(message)}[^\\n]*$"):
        trained.sample(2, **wrong)


def test_wrong_names(trained, vae):
    with pytest.raises(
        TypeError, match=r"no option \"captoin\" \(did you mean caption\?\); it is t"
    ):
        trained.sample(2, captoin="dark", mask=BLANK)
    with pytest.raises(
        TypeError, match=r'no condition "lable" \(did you mean label\?\); it is told'
    ):
        vae.elbo(np.zeros((1, 8)), lable=1)
    with pytest.raises(ValueError, match="without captions: leave caption out; it is told label"):
        vae.elbo(np.zeros((1, 8)), caption="a", label=1)
    with pytest.raises(ValueError, match="trained with labels: pass label="):
        vae.encode(np.zeros((1, 8)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mask": None}, r"needs masks: a dictionary with \['image', 'caption', 'mask'\]"),
        ({"mask": np.zeros((64, 4, 4))}, r"masks must have the shape \(64, 4, 4, 1\)"),
        ({"mask": np.full((64, *SHAPE), 2)}, "mask 2 is out of range: 0 to 1"),
        ({"caption": np.full((64, LENGTH), 256)}, "caption 256 is out of range: 0 to 255"),
    ],
)
def test_wrong_batches(change, message):
    model, data = painter(), {**paintings(), **change}
    data = {name: value for name, value in data.items() if value is not None}
    for call in (model.fit, model.evaluate):
        with pytest.raises(ValueError, match=message):
            call(data, batch_size=64, verbose=0)


def test_real_numbers_have_bounds():
    image, style = Condition.image((2, 2, 1)), Condition.vector(3, dropout=0.1)
    assert (image.optional, style.optional, style.dtype) == (False, True, "float32")
    assert style.rows("style", [0.0, 1e9, -3.0], 2).shape == (2, 3)
    with pytest.raises(ValueError, match=r"source must be in \[-1, 1\], got values from 0 to 255"):
        image.rows("source", np.array([0.0, 255.0, 0.0, 1.0]).reshape(2, 2, 1), 1)
    with pytest.raises(ValueError, match='"style" has values that are NaN'):
        style.rows("style", [0.0, np.nan, 0.0], 1)
