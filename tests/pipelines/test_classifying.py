"""`gm-keras classify` on a small exported system."""

import keras
import numpy as np
import pytest
from PIL import Image

from gm_keras.models.gan.improved_gan import ImprovedGAN
from tests.projects import parts
from tests.projects.datasets import write_digits

pytestmark = [pytest.mark.backend, pytest.mark.once("jax")]

SIZES = {"latent_dim": 3, "filters": 4, "stages": 1, "minibatch_discrimination": False}


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The folder of a project, and its exported systems: one with a classifier, one without."""
    folder = tmp_path_factory.mktemp("project")
    keras.utils.set_random_seed(0)
    built = {}
    for key, classes in (("reader", 10), ("plain", None)):
        built[key] = ImprovedGAN((8, 8, 1), classes=classes, **SIZES)
        (folder / "exports" / key).mkdir(parents=True)
        built[key].save(folder / "exports" / key / "model.keras")
    parts.write_params(folder, dict.fromkeys(built, parts.block("improved_gan", parts.GAME)))
    return folder, built


def test_each_example_is_a_line(models, run, monkeypatch, tmp_path):
    folder, built = models
    monkeypatch.chdir(folder)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8), "uint8")
    x = pixels[..., None] / 127.5 - 1.0
    one, many = tmp_path / "one.png", tmp_path / "many.npy"
    Image.fromarray(pixels[0]).save(one)
    np.save(many, x)
    found = np.asarray(built["reader"].classify(x))
    code, out, err = run("classify", "reader", str(one), str(many))
    files = [one, many, many, many]
    numbers = [found[0], *found]
    expected = [f"{file}: label {each}" for file, each in zip(files, numbers, strict=True)]
    assert (code, out.splitlines(), err) == (0, expected, "")
    data = write_digits(folder / "data" / "digits")
    names = [f"the {number}" for number in range(10)]
    description = data.path / "dataset.json"
    parts.write_json(description, {**data.info, "class_names": names})
    _, out, _ = run("classify", "reader", str(one))
    assert out == f'{one}: label {found[0]} ("the {found[0]}")\n'


def test_what_cannot_be_read_is_one_line(models, run, monkeypatch, tmp_path):
    monkeypatch.chdir(models[0])
    Image.new("L", (4, 4)).save(tmp_path / "small.png")
    np.save(tmp_path / "grey.npy", np.full((8, 8, 1), 200))
    (tmp_path / "text.png").write_text("none")
    for key, file, told in (
        ("reader", "none.png", "there is no such file"),
        ("reader", "text.png", "cannot be read"),
        ("reader", "small.png", "built for examples of shape (8, 8, 1), got (4, 4, 1)"),
        ("reader", "grey.npy", 'expects "image" in [-1, 1], got values from 200 to 200'),
        ("plain", "small.png", "as it was trained, does not tell classes apart"),
    ):
        code, out, err = run("classify", key, str(tmp_path / file))
        assert (code, out, err.count("\n")) == (1, "", 1)
        assert told in err
