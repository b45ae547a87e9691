"""`gm-keras add` on data that a recipe was not tuned for: the numbers for their shape, and comments that are true for them."""

import json

import numpy as np
import pytest

from pipelines.command import adding, fitting
from pipelines.settings import blocks, load_settings, params_file
from pipelines.shared import catalog
from pipelines.shared.errors import UserError
from tests.projects import parts

#: An example of what each key under `shapes:` is for: the field, its shape, the number of classes.
EXAMPLES = {
    "vectors": ("features", (7,), None),
    "text": ("tokens", (), None),
    "sound": ("audio", (8000,), None),
    **{f"images_{side}": ("image", (side, side, 1), 5) for side in (8, 16, 32, 64)},
    **{f"pairs_{side}": ("target", (side, side, 3), None) for side in (8, 32, 64, 256)},
}
#: Sizes and shares that were measured on the recipe's own data.
TUNED = [(name, shape) for name in catalog.names() for shape in catalog.recipe(name).shapes]


@pytest.fixture
def project(tmp_path):
    """A project, and a function that adds prepared data to it."""
    path = tmp_path / "params.yaml"
    path.write_text("backend: jax\nseed: 0\ndata:\nsystems:\n")

    def prepare(name, field, shape, classes=None, **sizes):
        parts.write_described(tmp_path, name, field, shape, classes, **sizes)
        entry = [f"{{ source: folder, path: {name} }}"]
        path.write_text(params_file.with_entry(path.read_text(), "data", name, entry))
        return path

    return prepare


def block(path, key):
    """The lines of a system's block in a file."""
    text = "\n".join(params_file.section_rows(path.read_text(), "systems"))
    return params_file.section_rows(text, key)


@pytest.mark.parametrize(("name", "shape"), TUNED)
def test_every_shape_of_every_recipe_gives_valid_settings(project, name, shape):
    path = project("mine", *EXAMPLES[shape])
    *_, last = adding.add(path, name, "mine")
    assert fitting.words(shape) in last.chosen
    system = load_settings(path).system(name)
    assert system.data == "mine"
    classes = EXAMPLES[shape][2]
    assert system.model.get("num_classes", classes) == classes
    text = "\n".join(block(path, name))
    # What is said of the recipe's own data would not be true here.
    own = "\n".join(params_file.section_rows(catalog.recipe(name).text, "system"))
    for said in ("8 x 8 -> 4 x 4 -> 2 x 2", "here there are", "of digits", "nats"):
        wanted = "\n".join(blocks.nested(catalog.recipe(name).text, "shapes", shape))
        assert said not in text or said not in own or said in wanted


@pytest.mark.parametrize("name", catalog.names())
def test_a_recipe_has_numbers_for_its_own_data(name):
    recipe = catalog.recipe(name)
    assert recipe.shapes
    for shape, entry in recipe.shapes.items():
        assert shape in EXAMPLES
        assert set(entry or {}) <= {*fitting.BESIDES, "model", "optimizers", "fit", "sample"}


def test_training_is_as_long_as_the_steps_that_the_recipe_asks_for(project):
    path = project("large", "image", (16, 16, 1), train=64_000)
    project("small", "image", (16, 16, 1), train=640)
    adding.add(path, "gated_pixelcnn", "large", "on_large")
    adding.add(path, "gated_pixelcnn", "small", "on_small")
    steps = catalog.recipe("gated_pixelcnn").shapes["images_16"]["steps"]
    settings = load_settings(path)
    assert settings.system("on_large").fit.epochs == steps // 1000
    assert settings.system("on_small").fit.epochs == fitting.MOST_EPOCHS
    assert "too often" in path.read_text()
    # A game has no likelihood that gets worse on other data.
    adding.add(path, "dcgan", "small")
    steps = catalog.recipe("dcgan").shapes["images_16"]["steps"]
    assert load_settings(path).system("dcgan").fit.epochs == steps // 10


def test_repeats_of_a_phase_that_take_batches_of_their_own_count(project):
    path = project("mine", "image", (16, 16, 1), train=64_000)
    adding.add(path, "wgan_gp", "mine")
    entry = catalog.recipe("wgan_gp").shapes["images_16"]
    assert load_settings(path).system("wgan_gp").fit.epochs == entry["steps"] // 200


def test_colour_and_labels_change_the_block(project):
    path = project("grey", "image", (32, 32, 1), 7)
    project("colour", "image", (32, 32, 3))
    adding.add(path, "ddpm", "grey", "on_grey")
    adding.add(path, "ddpm", "colour", "on_colour")
    grey, colour = (load_settings(path).system(f"on_{each}").model for each in ("grey", "colour"))
    assert (grey["filters"], colour["filters"]) == (32, 64)
    assert (grey["num_classes"], colour["num_classes"]) == (7, None)
    assert "colour has no labels" in path.read_text()


def test_a_first_stage_is_of_the_same_shape(project):
    path = project("mine", "image", (32, 32, 3))
    first, last = adding.add(path, "vqvae_prior", "mine")
    settings = load_settings(path)
    assert (first.key, settings.system(last.key).uses) == ("vqvae", "vqvae")
    assert settings.system("vqvae").model["halvings"] == 2


def test_few_examples_to_test_on_are_compared_with_as_many_samples(project):
    path = project("mine", "image", (8, 8, 1), test=70)
    adding.add(path, "dcgan", "mine")
    assert load_settings(path).system("dcgan").evaluate.samples == 70


@pytest.mark.parametrize(
    ("name", "example", "expected"),
    [
        ("gpt2", ("features", (7,)), 'vectors of 7 values.*"gpt2".*for text alone.*vae'),
        ("vae", ("tokens", ()), "these have some: gpt2"),
        ("vae", ("audio", (8000,)), "no recipe has some yet"),
        ("dcgan", ("image", (128, 96, 3)), "set image_size: 64 under data.mine"),
        ("ddpm", ("image", (30, 30, 3)), "multiples of 4: set image_size: 32 under data.mine"),
        ("progressive_gan", ("image", (28, 28, 1)), "set image_size: 32 under data.mine"),
        ("rbm", ("image", (8, 8, 3)), "grey images alone: these are for colour: .*vae"),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(project, name, example, expected):
    path = project("mine", *example)
    before = path.read_text()
    with pytest.raises(UserError, match=expected) as caught:
        adding.add(path, name, "mine")
    assert "\n" not in str(caught.value)
    assert path.read_text() == before


def test_a_size_that_was_set_since_the_data_were_prepared_counts(project):
    path = project("mine", "image", (30, 30, 3))
    with pytest.raises(UserError, match="set image_size: 32"):
        adding.add(path, "ddpm", "mine")
    path.write_text(path.read_text().replace("path: mine }", "path: mine, image_size: 32 }"))
    *_, last = adding.add(path, "ddpm", "mine")
    assert "colour images of 32 x 32 pixels" in last.chosen


def test_data_prepared_with_other_settings_are_looked_at_anew(project, tmp_path):
    path = project("mine", "image", (8, 8, 3))
    images = np.random.default_rng(0).integers(0, 255, (200, 12, 12, 3), "uint8")
    np.savez(tmp_path / "mine.npz", image=images)
    now = "{ source: folder, path: mine.npz }"
    path.write_text(path.read_text().replace("{ source: folder, path: mine }", now))
    then = {"source": "folder", "path": "mine.npz"}
    for changed, expected in (({}, "8 x 8"), ({"validation": 0.3}, "12 x 12")):
        params = {"params.yaml": {"data.mine": {**then, **changed}}}
        lock = {"schema": "2.0", "stages": {"prepare@mine": {"cmd": "x", "params": params}}}
        (tmp_path / "dvc.lock").write_text(json.dumps(lock))
        *_, last = adding.add(path, "ddpm", "mine", key=f"of_{len(changed)}")
        assert f"colour images of {expected} pixels" in last.chosen


def test_declared_data_are_looked_at_where_nothing_is_prepared(tmp_path):
    images = np.random.default_rng(0).integers(0, 255, (200, 12, 12, 3), "uint8")
    np.savez(tmp_path / "mine.npz", image=images, label=np.arange(200) % 4)
    path = tmp_path / "params.yaml"
    path.write_text("backend: jax\ndata:\n  mine: { source: folder, path: mine.npz }\nsystems:\n")
    *_, last = adding.add(path, "ddpm", "mine")
    assert "colour images of 12 x 12 pixels, 160 to train on" in last.chosen
    assert load_settings(path).system("ddpm").model["num_classes"] == 4
    assert not (tmp_path / "data").exists()


def test_data_of_tfds_are_prepared_first(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("backend: jax\ndata:\n  kmnist: { source: tfds }\nsystems:\n")
    with pytest.raises(UserError, match="dvc repro prepare@kmnist"):
        adding.add(path, "ddpm", "kmnist")


def test_damaged_data_are_prepared_again(project, tmp_path):
    path = project("mine", "image", (8, 8, 1))
    (tmp_path / "data" / "mine" / "dataset.json").write_text("{}")
    with pytest.raises(UserError, match="prepare the data set again"):
        adding.add(path, "ddpm", "mine")


ROWS = """\
# tuned on digits
model:
  width: 8 # 16 are 0.1 nats worse
  kind: one # or two: 0.2 nats worse
  name: "a # b" # as in the paper
fit: { epochs: 3, batch_size: 4 }""".splitlines()


def test_comments_that_are_true_for_any_data_stay():
    assert blocks.general(ROWS) == [
        "model:",
        "  width: 8",
        "  kind: one # or two",
        '  name: "a # b" # as in the paper',
        "fit: { epochs: 3, batch_size: 4 }",
    ]


def test_changes_bring_their_comments():
    changes = [
        "# larger data",
        "model:",
        "  width: 16 # more to see",
        "  depth: 2",
        "fit: { batch_size: 8 } # as in the paper",
    ]
    assert blocks.overlay(blocks.general(ROWS), changes) == [
        "# larger data",
        "model:",
        "  width: 16 # more to see",
        "  kind: one # or two",
        '  name: "a # b" # as in the paper',
        "  depth: 2",
        "fit: {epochs: 3, batch_size: 8} # as in the paper",
    ]


def test_entries_go_with_their_comments():
    rows = blocks.without(ROWS, "model", "width")
    assert "  width: 8 # 16 are 0.1 nats worse" not in rows
    assert blocks.without(ROWS, "fit", "epochs")[-1] == "fit: {batch_size: 4}"
    assert blocks.without(ROWS, "model")[0].startswith("fit")
    assert blocks.without(ROWS, "nothing") == ROWS
