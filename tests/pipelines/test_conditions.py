"""What a model is told by name, on its way through batches, evaluation, pictures, the command and serving."""

import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from gm_keras.callbacks.grids import draw, examples, picture_size
from gm_keras.data import Batches, PreparedData
from gm_keras.exploration import Scene
from gm_keras.metrics.evaluation import Evaluation
from pipelines.command import sampling, telling
from pipelines.exports.registration import Sampler as Registered
from pipelines.exports.registration import signature
from pipelines.exports.sampler_model import Sampler
from pipelines.running.build import build_model
from pipelines.shared.errors import UserError
from tests.painter import LENGTH, SHAPE, Painter, painter, paintings
from tests.projects.tiny import make_project

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

FIELDS = {
    "image": {"shape": [*SHAPE], "dtype": "uint8"},
    "caption": {"shape": [LENGTH], "dtype": "uint8", "levels": 256},
    "mask": {"shape": [*SHAPE], "dtype": "uint8", "levels": 2},
}
BLANK = np.zeros(SHAPE, int)


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    model = painter()
    model.fit(paintings(), batch_size=32, epochs=20, verbose=0)
    return model


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project whose data set has captions and masks."""
    root = make_project(tmp_path_factory.mktemp("project"))
    folder, sizes = root / "data" / "digits", {"train": 24, "validation": 8, "test": 8}
    for seed, (split, size) in enumerate(sizes.items()):
        rows = paintings(size, seed)
        rows["image"] = np.clip((rows["image"] + 3.0) * 2.0, 0, 15).round()
        for field, values in rows.items():
            np.save(folder / f"{split}_{field}.npy", values.astype("uint8"))
    info = json.loads((folder / "dataset.json").read_text())
    info |= {"fields": FIELDS, "splits": sizes, "levels": 16, "num_classes": None}
    (folder / "dataset.json").write_text(json.dumps(info))
    return root


@pytest.fixture(scope="module")
def data(project):
    return PreparedData(project / "data" / "digits")


# ---- data, evaluation, pictures -------------------------------------------------------------------


def test_batches_evaluation_and_pictures_are_told_the_same(model, data):
    fresh = painter()
    fresh.fit(Batches(data, "train", 8), epochs=1, verbose=0)
    test = Batches(data, "test", 8, shuffle=False)[0]
    told = {name: test[name] for name in ("caption", "mask")}
    evaluation = Evaluation(model, data, None, None, 0)
    for name, values in evaluation.examples.conditions(np.arange(8)).items():
        assert values.dtype == "int32"
        np.testing.assert_array_equal(values, told[name])
    expected = keras.ops.convert_to_numpy(model.log_prob(test["image"], **told))
    np.testing.assert_allclose(evaluation.over_examples(model.log_prob), expected, rtol=1e-5)
    # Where classes are chosen, all else is that of the first test example.
    chosen = Scene(model, data).told_classes(np.zeros((2, 3), int))
    assert chosen.keys() == told.keys()
    for name, values in chosen.items():
        np.testing.assert_array_equal(
            values, np.tile(told[name][0], (2, 3, *[1] * (values.ndim - 2)))
        )
    # A picture shows the first test examples again and again.
    n = picture_size(model)
    rows = np.arange(n) % 8
    made = model.sample(n, seed=3, **{name: values[rows] for name, values in told.items()})
    seen = []
    shown = SimpleNamespace(
        **{name: getattr(model, name) for name in ("conditions", "capabilities", "data_field")},
        fields=model.fields,
        sample=lambda n, **given: seen.append(model.sample(n, **given)) or seen[-1],
    )
    assert draw(shown, 3, {}, examples(model, data)).ndim == 3
    np.testing.assert_array_equal(seen[0], made)


def test_a_model_is_built_for_the_captions_of_the_data(data, monkeypatch):
    monkeypatch.setattr("gm_keras.registry.get", lambda name: Painter)
    fit = SimpleNamespace(precision="float32")
    system = SimpleNamespace(class_name="painter", data="digits", model={}, sample={}, fit=fit)
    assert build_model("mine", system, data).caption_length == LENGTH
    system.model = {"caption_length": 3}
    with pytest.raises(
        UserError, match=r"told a caption of shape \(3,\), but \"digits\" has \(6,\)"
    ):
        build_model("mine", system, data)
    fields = {"image": FIELDS["image"], "caption": FIELDS["caption"]}
    info = {**data.info, "fields": fields}
    names = ("primary", "example_shape", "levels", "num_classes")
    plain = SimpleNamespace(info=info, **{name: getattr(data, name) for name in names})
    with pytest.raises(
        UserError, match='learns from image, caption, mask, but "digits" has image, c'
    ):
        build_model("mine", system, plain)


# ---- the command ----------------------------------------------------------------------------------


def test_words_of_the_command_line(model, tmp_path):
    assert telling.gathered("3", None, ["mask=a=b.npy"]) == {"label": "3", "mask": "a=b.npy"}
    for others, message in (
        (["mask"], "expects NAME=VALUE"),
        (["a b=1"], "expects NAME=VALUE"),
        (["label=2"], 'the condition "label" is given twice'),
    ):
        with pytest.raises(UserError, match=message):
            telling.gathered("3", None, others)
    pixels = np.arange(16, dtype="uint8").reshape(4, 4) % 2
    Image.fromarray(pixels).save(tmp_path / "mask.png")
    np.save(tmp_path / "mask.npy", pixels[..., None])
    (tmp_path / "mask.txt").write_text("0 1")
    for name in ("mask.png", "mask.npy"):
        read = telling.values(model, {"mask": str(tmp_path / name)}, [], "digits")["mask"]
        np.testing.assert_array_equal(read, pixels[..., None])
    for name, message in (("none.png", "there is no such file"), ("mask.txt", "cannot be read")):
        with pytest.raises(UserError, match=message):
            telling.values(model, {"mask": str(tmp_path / name)}, [], "digits")


def test_a_grid_of_a_caption(model, project, tmp_path, monkeypatch):
    (project / "exports" / "tiny").mkdir(parents=True, exist_ok=True)
    (project / "exports" / "tiny" / "model.keras").touch()
    monkeypatch.setattr(sampling, "load_exported", lambda path, settings: model)

    def drawn(name, **given):
        output = tmp_path / f"{name}.png"
        options = {"n": 4, "seed": 1, "output": output, "exports": project / "exports"}
        told = sampling.sample_to_file(project / "params.yaml", "tiny", given=given, **options)
        return told, np.asarray(Image.open(output)).mean()

    # The masks, which nobody gave, are those of the test examples.
    (told, light), (_, dark) = (drawn(word, caption=word) for word in ("light", "dark"))
    assert told == "caption 'light'"
    assert light > dark + 20
    np.save(tmp_path / "ones.npy", BLANK + 1)
    _, bright = drawn("bright", caption="light", mask=str(tmp_path / "ones.npy"))
    assert bright > light
    with pytest.raises(UserError, match='system "tiny": this Painter was trained without labels'):
        drawn("wrong", label="2")
    assert not (tmp_path / "wrong.png").exists()


# ---- serving --------------------------------------------------------------------------------------


def test_a_served_model_is_told_by_parameters_and_inputs(model):
    expected = signature(
        Registered("painter", None, SHAPE, "jax", {}, "", conditions=model.conditions)
    ).to_dict()
    assert [each["name"] for each in json.loads(expected["params"])] == [
        "n",
        "seed",
        "format",
        "caption",
    ]
    assert json.loads(expected["inputs"])[0]["tensor-spec"]["shape"] == [-1, *SHAPE]
    served, context = Sampler(), SimpleNamespace(model_config={"options": {}})
    served.model = model
    masks = np.stack([BLANK, BLANK + 1]).astype("float64")
    answer = served.predict(context, masks, {"caption": "light", "seed": 2})
    same = model.sample(2, seed=2, caption="light", mask=masks)
    np.testing.assert_array_equal(answer, same)
    with pytest.raises(Exception, match="mask 2 is out of range"):
        served.predict(context, masks + 1, {"caption": "light"})
