"""Neighbours, attributes, traversals, and the pictures of a model."""

import json
import shutil
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image
from scipy.spatial.distance import cdist

from gm_keras.data import PreparedData
from gm_keras.exploration import (
    Picture,
    Scene,
    canvas,
    class_attributes,
    nearest,
    of_latents,
    of_samples,
    traversal,
    write_pictures,
)
from gm_keras.exploration.calls import BATCH, decode, encode, in_parts
from gm_keras.metrics.features import Extractor
from gm_keras.models.boltzmann.rbm import RBM
from gm_keras.models.diffusion.ddpm import DDPM
from gm_keras.models.gan.dcgan import DCGAN
from gm_keras.models.gan.progressive_gan import ProgressiveGAN
from gm_keras.models.latent.vae import VAE
from gm_keras.models.latent.vqvae import VQVAE
from tests.projects.datasets import write_digits, write_points

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def numpy_of(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


class Brightness:
    """Stands for a classifier of two classes: dark images and bright ones."""

    kind = "classifier"

    def __init__(self, middle=0.0):
        self.middle = middle

    def __call__(self, x):
        return x.mean(axis=(1, 2, 3))[:, None]

    def probabilities(self, x):
        bright = 1.0 / (1.0 + np.exp(-50.0 * (x.mean(axis=(1, 2, 3)) - self.middle)))
        return np.stack([1.0 - bright, bright], axis=1)


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    return write_digits(tmp_path_factory.mktemp("data") / "digits")


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    return write_points(tmp_path_factory.mktemp("data") / "lines")


@pytest.fixture(scope="module")
def vae():
    keras.utils.set_random_seed(0)
    options = {"network": "dense", "units": (16,), "binarize": True}
    return VAE((8, 8, 1), latent_dim=3, num_classes=10, **options)


@pytest.fixture(scope="module")
def brightness(dcgan):
    """Reads half of what the network draws as the one class, half as the other."""
    return Brightness(np.median(dcgan.sample(BATCH).mean(axis=(1, 2, 3))))


@pytest.fixture(scope="module")
def dcgan():
    keras.utils.set_random_seed(0)
    model = DCGAN((8, 8, 1), latent_dim=4, filters=4, stages=1)
    for variable in model.generator.trainable_variables:
        if "kernel" in variable.path:
            variable.assign(np.random.default_rng(0).normal(0.0, 0.3, variable.shape))
    return model


# ---- neighbours -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("k", "part"), [(1, 7), (3, 7), (5, 2), (5, 200)])
def test_neighbours_are_those_of_a_complete_search(k, part):
    rng = np.random.default_rng(0)
    stored, queries = rng.normal(size=(100, 3, 2)), rng.normal(size=(9, 3, 2))
    parts = (stored[start : start + part] for start in range(0, 100, part))
    places, distances = nearest(queries, parts, k)
    full = cdist(queries.reshape(9, -1), stored.reshape(100, -1))
    np.testing.assert_array_equal(places, full.argsort(axis=1)[:, :k])
    np.testing.assert_allclose(distances, np.sort(full, axis=1)[:, :k], rtol=1e-12)


def test_a_copy_has_distance_zero():
    stored = np.random.default_rng(0).normal(size=(50, 8)).astype("float32") + 1000.0
    places, distances = nearest(stored[[17, 3]], [stored[:20], stored[20:]])
    assert places.tolist() == [[17], [3]]
    assert (distances == 0.0).all()


def test_too_few_neighbours():
    with pytest.raises(ValueError, match="3 rows, which are fewer than the 4 neighbours"):
        nearest(np.ones((1, 2)), [np.ones((2, 2)), np.ones((1, 2))], 4)


def test_a_model_that_copies_is_given_away(digits, vae):
    copies = digits.scaled("train", None, np.arange(40))
    picture = of_samples.neighbours(Scene(vae, digits, samples=copies), features=False)
    assert (
        "from a sample to the nearest of the 300 training examples is 0 in pixels"
        in picture.caption
    )
    honest = of_samples.neighbours(
        Scene(vae, digits, samples=digits.scaled("test")), features=False, rows=3, k=2
    )
    full = cdist(*(digits.scaled(each).reshape(-1, 64) for each in ("test", "train")))
    median = np.median(full.min(axis=1))
    assert f"from a test example {median:.3g}" in honest.caption
    assert f"training examples is {median:.3g}" in honest.caption
    threes = digits.arrays("test")["label"] == 3
    samples = digits.scaled("test", None, np.flatnonzero(threes))
    of_class = of_samples.neighbours(Scene(vae, digits, samples=samples), features=False, label=3)
    median = np.median(full[threes].min(axis=1))
    assert f'from a test example of the class "3" {median:.3g}' in of_class.caption


# ---- calls ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("n", [1, BATCH, BATCH + 3])
def test_parts_have_one_size(n):
    seen = []

    def double(x, y):
        seen.append(len(x))
        return 2.0 * x + y

    x = np.arange(2.0 * n).reshape(n, 2)
    np.testing.assert_array_equal(in_parts(double, x, x), 3.0 * x)
    assert set(seen) == {BATCH}


def test_a_model_is_told_the_labels_of_its_own_rows(vae, digits):
    x, label = digits.scaled("test", None, np.arange(5)), digits.arrays("test")["label"][:5]
    latents = encode(vae, x, {"label": label})
    np.testing.assert_allclose(latents, numpy_of(vae.encode(x, label=label)), atol=1e-5)
    made = decode(vae, latents, {"label": label}, {"noise": True})
    np.testing.assert_allclose(made, numpy_of(vae.decode(latents, label=label)), atol=1e-5)


# ---- which examples -------------------------------------------------------------------------------


def test_classes_come_in_turn(digits, vae):
    scene = Scene(vae, digits, seed=3)
    labels = digits.arrays("test")["label"]
    rows = scene.choose(20)
    assert labels[rows].tolist() == list(range(10)) * 2
    assert len(set(rows)) == 20
    assert rows.tolist() == Scene(vae, digits, seed=3).choose(20).tolist()
    assert rows.tolist() != Scene(vae, digits, seed=4).choose(20).tolist()
    assert set(labels[scene.choose(3, label=7)]) == {7}
    assert sorted(scene.choose(1000)) == list(range(60))
    pairs = scene.start(8, same_class=True)
    assert pairs.conditions["label"].tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    with pytest.raises(ValueError, match="no test example with the label 10: try 0 to 9"):
        scene.choose(3, label=10)


def test_data_without_labels(tmp_path, dcgan):
    scene = Scene(dcgan, write_digits(tmp_path / "plain", labels=False))
    assert len(set(scene.choose(20))) == 20
    with pytest.raises(ValueError, match="has no labels"):
        scene.choose(2, label=1)
    with pytest.raises(ValueError, match="trained without labels"):
        scene.start(2, label=1)
    assert class_attributes(scene) is None


# ---- latents --------------------------------------------------------------------------------------


def test_a_traversal_changes_one_dimension():
    start = np.arange(5.0)
    latents = traversal.traversal(start, np.array([3, 0]), np.array([-1.0, 9.0]))
    assert latents.shape == (2, 2, 5)
    for row, dimension in enumerate((3, 0)):
        assert latents[row, :, dimension].tolist() == [-1.0, 9.0]
        others = np.delete(np.arange(5), dimension)
        np.testing.assert_array_equal(latents[row][:, others], [start[others]] * 2)


def test_dimensions_are_ordered_by_their_effect():
    decoded = np.zeros((3, 4, 2, 2, 1))
    decoded[1, :, 0, 0, 0] = [0.0, 1.0, 2.0, 3.0]
    decoded[2, :, 1, 1, 0] = [0.0, 0.0, 0.0, 1.0]
    assert traversal.by_effect(decoded).tolist() == [1, 2, 0]


def test_columns_are_quantiles_of_the_prior(dcgan, vae):
    shares = np.array([0.1, 0.5, 0.9])
    for model in (dcgan, vae):
        drawn = np.quantile(model.draw_latents(4000).ravel(), shares)
        np.testing.assert_allclose(traversal.prior_quantiles(model, shares), drawn, atol=0.06)


def test_scale_one_gives_the_plain_samples(vae):
    label = np.arange(6) % 10
    latents = traversal.scaled(vae.draw_latents(6, seed=2), np.array([0.5, 1.0]))
    assert latents.shape == (2, 6, 3)
    np.testing.assert_array_equal(2.0 * latents[0], latents[1])
    made = Scene(vae, None).decode(latents, {"label": label})
    np.testing.assert_allclose(made[1], vae.sample(6, seed=2, label=label), atol=1e-5)
    assert np.abs(made[0] - made[1]).max() > 1e-3


def test_scaling_changes_nothing_where_latents_are_normalized(digits):
    options = {"latent_dim": 3, "base_size": 4, "filters": [8, 4], "fade_steps": 4}
    model = ProgressiveGAN((8, 8, 1), **options)
    assert of_latents.truncation(Scene(model, digits)) is None


def test_attributes_of_an_encoder_are_means_of_training_examples(vae, digits):
    attributes = class_attributes(Scene(vae, digits))
    label = digits.arrays("train")["label"]
    for number in range(10):
        x = digits.scaled("train", None, np.flatnonzero(label == number))
        expected = numpy_of(vae.encode(x, label=np.full(len(x), number))).mean(axis=0)
        np.testing.assert_allclose(attributes.mean(number), expected, atol=1e-5)
    assert attributes.encoded
    back = attributes.combine([(1, 3), (-1, 5), (1, 5)])
    np.testing.assert_allclose(back, attributes.mean(3), atol=1e-6)
    total = attributes.combine([(1, 3), (-1, 5), (1, 8)])
    parts = [attributes.mean(each) for each in (3, 5, 8)]
    np.testing.assert_allclose(total, parts[0] - parts[1] + parts[2], atol=1e-6)
    assert set(class_attributes(Scene(vae, digits), [4, 2]).members) == {2, 4}


def test_attributes_without_an_encoder_are_draws_that_are_read_as_the_class(
    dcgan, digits, brightness
):
    attributes = class_attributes(Scene(dcgan, digits, brightness, seed=1))
    assert not attributes.encoded
    drawn = {tuple(row) for row in dcgan.draw_latents(1024, seed=1)}
    assert sum(map(len, attributes.members.values())) == 1024
    for number, members in attributes.members.items():
        assert {tuple(row) for row in members} <= drawn
        images = numpy_of(dcgan.decode(members))
        assert (brightness.probabilities(images).argmax(axis=1) == number).mean() > 0.99
    assert set(attributes.members) == {0, 1}
    assert class_attributes(Scene(dcgan, digits, Extractor("raw"))) is None
    # Noise of an image's shape has no directions, and with labels no classes.
    noise = DDPM((8, 8, 1), timesteps=2, filters=8, blocks=1, attention=(), multipliers=(1,))
    assert class_attributes(Scene(noise, digits, brightness)) is None


# ---- pictures -------------------------------------------------------------------------------------


def test_a_grid_has_its_images_in_their_places():
    values = np.linspace(-1.0, 1.0, 6).reshape(2, 3, 1, 1, 1)
    images = np.broadcast_to(values, (2, 3, 4, 4, 1)).copy()
    plain = canvas.grid(images)
    side = canvas.SIDE
    shown = plain[side // 2 :: side + canvas.GAP, side // 2 :: side + canvas.GAP, 0]
    np.testing.assert_array_equal(shown, np.round(values[..., 0, 0, 0] * 127.5 + 127.5))
    images[0, 1] = np.nan
    assert (canvas.grid(images)[side // 2, side + canvas.GAP + 5] == canvas.EMPTY).all()
    words = canvas.grid(images, rows=["one", "two"], columns=["a", "b", "c"], blocks=1, apart=[1])
    assert words.shape[0] > plain.shape[0]
    assert words.shape[1] > plain.shape[1] + 20
    coloured = canvas.grid(np.broadcast_to([-1.0, 0.0, 1.0], (1, 1, 2, 2, 3)))
    assert coloured[0, 0].tolist() == [0, 128, 255]


EXPECTED = {
    "vae": [
        "reconstructions",
        "interpolation",
        "traversal",
        "attributes",
        "truncation",
        "projection",
    ],
    "dcgan": ["interpolation", "traversal", "attributes", "truncation"],
    "ddpm": ["interpolation", "truncation", "trajectory"],
    "vqvae": ["reconstructions", "interpolation"],
    "rbm": [],
}


def small(name, vae, dcgan):
    if name == "ddpm":
        options = {"timesteps": 3, "filters": 8, "blocks": 1, "multipliers": (1,), "attention": ()}
        return DDPM((8, 8, 1), schedule="cosine", num_classes=10, **options), {"eta": 1.0}
    if name == "vqvae":
        sizes = {"num_codes": 8, "code_dim": 4, "filters": 4, "halvings": 1, "blocks": 1}
        return VQVAE((8, 8, 1), levels=17, **sizes), {}
    if name == "rbm":
        return RBM((8, 8, 1), hidden=6, binarize=True, levels=17), {}
    return {"vae": vae, "dcgan": dcgan}[name], {}


def check(folder, entries):
    assert {entry["file"] for entry in entries} == {path.name for path in folder.iterdir()}
    for entry in entries:
        assert set(entry) == {"file", "title", "caption", "alt"}
        assert all(entry.values())
        pixels = np.asarray(Image.open(folder / entry["file"]))
        assert pixels.shape[2] == 3
        assert 100 < pixels.shape[1] < 1200
        assert pixels.std() > 1.0
    return [entry["file"].removesuffix(".png") for entry in entries]


@pytest.mark.parametrize("name", EXPECTED)
def test_pictures_of_images(name, vae, dcgan, digits, brightness, tmp_path):
    model, options = small(name, vae, dcgan)
    samples = model.sample(30, **options)
    arguments = {"extractor": brightness, "samples": samples, "seed": 1, "options": options}
    entries = write_pictures(model, digits, folder=tmp_path, **arguments)
    assert check(tmp_path, entries) == [*EXPECTED[name], "neighbours", "neighbours_features"]
    again = tmp_path / "again"
    again.mkdir()
    write_pictures(model, digits, folder=again, **arguments)
    for path in again.iterdir():
        assert path.read_bytes() == (tmp_path / path.name).read_bytes(), path.name


def relabelled(digits, folder, labels):
    """The digits with other labels of the test examples, or fewer test examples."""
    shutil.copytree(digits.path, folder)
    for field in ("image", "label"):
        values = np.load(folder / f"test_{field}.npy")[: len(labels)]
        np.save(folder / f"test_{field}.npy", labels if field == "label" else values)
    info = {**digits.info, "splits": {**digits.info["splits"], "test": len(labels)}}
    (folder / "dataset.json").write_text(json.dumps(info))
    return PreparedData(folder)


@pytest.mark.parametrize(
    ("labels", "without"),
    [
        ([3, 7] * 30, []),
        ([5] * 60, ["attributes"]),
        ([0, 4, 8], ["interpolation"]),
        ([2], ["interpolation", "attributes", "projection"]),
    ],
)
def test_classes_that_the_test_set_lacks(vae, digits, brightness, tmp_path, labels, without):
    data, told = relabelled(digits, tmp_path / "data", np.array(labels, "int32")), []
    (tmp_path / "pictures").mkdir()
    entries = write_pictures(
        vae,
        data,
        extractor=brightness,
        samples=vae.sample(10),
        seed=0,
        options={},
        folder=tmp_path / "pictures",
        tell=told.append,
    )
    drawn = check(tmp_path / "pictures", [each for each in entries if "left_out" not in each])
    expected = [*EXPECTED["vae"], "neighbours", "neighbours_features"]
    assert drawn == [name for name in expected if name not in without]
    # Without a pair of one class there is nothing to go between; the others are not called for.
    reason = "no class has two test examples to go between"
    left_out = [{"title": "Interpolation", "left_out": reason}]
    assert [each for each in entries if "left_out" in each] == left_out * (
        "interpolation" in without
    )
    assert len(told) == ("interpolation" in without)


def test_a_picture_that_cannot_be_drawn_does_not_take_the_others_with_it(
    vae, digits, brightness, tmp_path, monkeypatch
):
    def fails(*_, **__):
        raise RuntimeError("out of\nmemory")

    def stopped(*_, **__):
        raise KeyboardInterrupt

    told, arguments = [], {"extractor": brightness, "samples": vae.sample(10), "seed": 0}
    arguments |= {"options": {}, "folder": tmp_path, "tell": told.append}
    monkeypatch.setattr(of_latents, "dimensions", fails)
    monkeypatch.setattr(of_latents, "truncation", lambda _: Picture("a", np.zeros(3), "", "", ""))
    entries = write_pictures(vae, digits, **arguments)
    left_out = {each["title"]: each["left_out"] for each in entries if "left_out" in each}
    assert left_out.keys() == {"Single dimensions", "Truncation"}
    assert left_out["Single dimensions"] == "out of memory"
    drawn = check(tmp_path, [each for each in entries if "left_out" not in each])
    assert drawn[:2] == ["reconstructions", "interpolation"]
    assert len(drawn) == 6
    assert len(told) == 2
    assert told[0] == 'the picture "Single dimensions" is left out: RuntimeError: out of memory'
    monkeypatch.setattr(of_latents, "dimensions", stopped)
    with pytest.raises(KeyboardInterrupt):
        write_pictures(vae, digits, **arguments)


@pytest.mark.parametrize(
    "name", ["$a_", "_hidden", "a\nb", "caf\udce9", "", "\u732b" * 300, "$$", "a$b$"]
)
def test_names_of_classes_that_are_no_plain_words(name):
    names = [name, "other"]
    scene = Scene(None, SimpleNamespace(info={"class_names": names}, num_classes=2))
    points, classes = np.arange(8.0).reshape(4, 2), np.array([0, 1, 0, 1])
    with_legend = canvas.scatter(points, classes, scene.names, ("z1", "z2"))
    assert with_legend.shape[2] == 3
    grid = np.zeros((2, 1, 4, 4, 1))
    short = [of_latents._short(each) for each in scene.names]
    assert canvas.grid(grid, rows=short, columns=short[:1]).shape[2] == 3


def test_pictures_of_points(lines, tmp_path):
    keras.utils.set_random_seed(0)
    vae = VAE((2,), 2, network="dense", units=(8,), likelihood="gaussian", num_classes=2)
    ddpm = DDPM((2,), network="dense", timesteps=9, units=(8,), num_classes=2)
    names = {
        vae: ["reconstructions", "interpolation", "traversal", "truncation", "projection"],
        ddpm: ["interpolation", "truncation", "trajectory"],
    }
    for model, expected in names.items():
        folder = tmp_path / type(model).__name__
        folder.mkdir()
        samples = model.sample(40)
        entries = write_pictures(
            model,
            lines,
            extractor=Extractor("raw"),
            samples=samples,
            seed=0,
            options={},
            folder=folder,
        )
        assert check(folder, entries) == [*expected, "neighbours"]


def test_of_text_there_are_no_pictures(tmp_path):
    model = SimpleNamespace(capabilities={"sampler"}, data_field="tokens", data_shape=(7,))
    tokens = np.zeros((2, 7), "int32")
    entries = write_pictures(
        model, None, extractor=None, samples=tokens, seed=0, options={}, folder=tmp_path
    )
    assert entries == []
    assert not list(tmp_path.iterdir())
