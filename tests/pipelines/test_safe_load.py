"""`.keras` files: the same bytes for the same model, and nothing in them is ever run."""

import json
import os
import random
import warnings
import zipfile

import keras
import numpy as np
import pytest

from pipelines.exports.networks import save_keras
from pipelines.exports.safe_load import load_keras
from pipelines.shared.errors import UserError

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


@pytest.fixture(scope="module")
def network():
    inputs = keras.Input((3,))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs), name="network")


@pytest.fixture
def saved(network, tmp_path):
    save_keras(network, tmp_path / "model.keras")
    return tmp_path / "model.keras"


def _edit(source, target, change):
    """Copies a `.keras` file with its configuration changed."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "config.json":
                content = json.dumps(change(json.loads(content))).encode()
            new.writestr(name, content)


def test_the_same_model_is_the_same_bytes(network, saved, tmp_path):
    save_keras(network, tmp_path / "again.keras")
    assert (tmp_path / "again.keras").read_bytes() == saved.read_bytes()
    with zipfile.ZipFile(saved) as archive:
        assert {item.date_time[0] for item in archive.infolist()} == {1980}
        assert json.loads(archive.read("metadata.json"))["date_saved"].startswith("1980")


def test_a_saved_model_computes_the_same(network, saved):
    x = np.ones((2, 3), "float32")
    np.testing.assert_array_equal(load_keras(saved)(x), network(x))


def _refused(path) -> str:
    with pytest.raises(UserError) as told:
        load_keras(path)
    assert "\n" not in str(told.value)
    assert str(path) in str(told.value)
    return str(told.value)


def test_a_lambda_layer_is_refused(tmp_path):
    inputs = keras.Input((3,))
    keras.Model(inputs, keras.layers.Lambda(lambda x: x * 2)(inputs)).save(tmp_path / "a.keras")
    assert "Lambda layer" in _refused(tmp_path / "a.keras")


def test_a_foreign_class_is_refused(tmp_path):
    class Foreign(keras.layers.Layer):
        def call(self, x):
            return x

    inputs = keras.Input((3,))
    keras.Model(inputs, Foreign()(inputs)).save(tmp_path / "a.keras")
    assert "Foreign" in _refused(tmp_path / "a.keras")


def test_code_of_another_module_is_not_run(saved, tmp_path):
    target = tmp_path / "shell.keras"
    command = {"command": f"touch {tmp_path}/ran"}
    call = {"module": "os", "class_name": "system", "config": command, "registered_name": None}
    _edit(saved, target, lambda _: call)
    assert "os.system" in _refused(target)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["missing", "text", "half", "other weights", "no configuration"])
def test_a_damaged_file_is_one_line(saved, tmp_path, kind):
    target = tmp_path / "broken.keras"
    if kind == "text":
        target.write_text("hello")
    elif kind == "half":
        target.write_bytes(saved.read_bytes()[: saved.stat().st_size // 2])
    elif kind == "other weights":
        _edit(saved, target, lambda config: _widen(config))
    elif kind == "no configuration":
        _edit(saved, target, lambda _: [1])
    _refused(target)


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        "text",
        {"class_name": None, "config": None, "module": "gm_keras", "registered_name": []},
        {"class_name": ["a"], "config": {}, "module": {"a": 1}, "registered_name": {"b": 2}},
        {"class_name": "a\nb" * 500, "config": {}, "module": "x\ny", "registered_name": None},
        {"class_name": "Functional", "config": None, "module": "keras", "registered_name": None},
        {
            "class_name": "VAE",
            "config": {},
            "module": "gm_keras",
            "registered_name": "gm_keras>VAE",
        },
    ],
)
def test_a_configuration_of_other_types(saved, tmp_path, config):
    target = tmp_path / "other.keras"
    _edit(saved, target, lambda _: config)
    assert len(_refused(target)) < 400 + len(str(target))


def test_any_damage_is_one_line_or_none(network, saved, tmp_path):
    content, rng, x = saved.read_bytes(), random.Random(0), np.ones((2, 3), "float32")
    target = tmp_path / "damaged.keras"
    for _ in range(60):
        at, size = rng.randrange(len(content)), rng.choice([1, 16, 300])
        noise = rng.randbytes(len(content[at : at + size]))
        target.write_bytes(content[:at] + noise + content[at + size :])
        try:
            loaded = load_keras(target)
        except UserError:
            _refused(target)
        else:  # what does not matter was damaged: a date, say
            np.testing.assert_array_equal(loaded(x), network(x))


def test_a_configuration_nested_too_deep(saved, tmp_path):
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(tmp_path / "a.keras", "w") as new:
        for name in old.namelist():
            new.writestr(name, "[" * 100_000 if name == "config.json" else old.read(name))
    assert "nested too deep" in _refused(tmp_path / "a.keras")
    deep = {"class_name": "Dense", "config": {}}
    for _ in range(150):
        deep = {"class_name": "Dense", "config": {"layer": [deep]}}
    _edit(saved, tmp_path / "b.keras", lambda _: deep)
    _refused(tmp_path / "b.keras")


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("bomb", "compressed"),
        ("outside", "outside"),
        ("absolute", "outside"),
        ("twice", "twice"),
        ("encrypted", "encrypted"),
        ("folder", "a folder"),
        ("pipe", "a pipe"),
    ],
)
def test_an_archive_that_is_not_what_keras_writes(saved, tmp_path, kind, part):
    target = tmp_path / "other.keras"
    if kind == "folder":
        target.mkdir()
    elif kind == "pipe":
        os.mkfifo(target)
    else:
        target.write_bytes(saved.read_bytes())
        with warnings.catch_warnings(), zipfile.ZipFile(target, "a") as archive:
            warnings.simplefilter("ignore")
            if kind == "bomb":
                archive.writestr("assets/a", bytes(10**7), zipfile.ZIP_DEFLATED)
            elif kind == "twice":
                archive.writestr("config.json", "{}")
            else:
                name = {"outside": "assets/../../a", "absolute": "/tmp/a"}.get(kind, "assets/a")
                archive.writestr(name, "text")
        if kind == "encrypted":
            content = bytearray(target.read_bytes())
            content[content.rindex(b"PK\x01\x02") + 8] |= 1
            target.write_bytes(content)
    assert part in _refused(target)


def _widen(config):
    for layer in config["config"]["layers"]:
        if layer["class_name"] == "Dense":
            layer["config"]["units"] = 7
    return config
