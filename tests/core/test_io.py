"""A saved model whose files were damaged: it is the model that was saved, or one line says what is wrong."""

import errno
import json
import os
import random
import shutil

import h5py
import numpy as np
import pytest

from gm_keras import backend
from gm_keras.core import io
from gm_keras.models.gan.dcgan import DCGAN
from gm_keras.models.latent.vae import VAE
from tests.systems import arrays

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

DAMAGES = 100


def small(latent_dim=2):
    backend.set_seed(3)
    return VAE((4, 4, 1), latent_dim=latent_dim, network="dense", units=(3,))


@pytest.fixture(scope="module")
def model():
    return small()


@pytest.fixture(scope="module")
def saved(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    io.save(model, folder)
    return folder


@pytest.fixture
def folder(saved, tmp_path):
    shutil.copytree(saved, tmp_path / "model")
    return tmp_path / "model"


def without_checksums(folder):
    """As models were written before there were any."""
    path = folder / io.CONFIG
    content = json.loads(path.read_text())
    del content["sha256"]
    path.write_text(json.dumps(content))


def refused(folder, *parts):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 (the parts are looked for below)
        io.load(folder)
    told = str(caught.value)
    assert "\n" not in told
    assert len(told) - told.count(str(folder)) * len(str(folder)) < 300
    assert str(folder) in told
    for part in parts:
        assert part in told
    return told


def assert_same(loaded, model):
    # JSON has lists for tuples.
    assert json.loads(json.dumps(loaded.get_config())) == json.loads(json.dumps(model.get_config()))
    for (key, value), other in zip(
        arrays(model.variables).items(), arrays(loaded.variables).values(), strict=True
    ):
        np.testing.assert_array_equal(other, value, key)


def damaged(content, rng):
    """A block overwritten with noise or zeros, cut out, or the rest cut off."""
    at, size = rng.randrange(len(content)), rng.choice([1, 4, 64, 1024])
    filling = {
        "noise": rng.randbytes(min(size, len(content) - at)),
        "zeros": bytes(min(size, len(content) - at)),
        "out": b"",
    }
    kind = rng.choice([*filling, "cut off"])
    if kind == "cut off":
        return content[:at]
    return content[:at] + filling[kind] + content[at + size :]


@pytest.mark.parametrize("name", [io.CONFIG, io.WEIGHTS])
def test_any_damage_is_one_line_or_none(model, saved, folder, name):
    content, rng = (saved / name).read_bytes(), random.Random(0)
    for _ in range(DAMAGES):
        (folder / name).write_bytes(damaged(content, rng))
        if (folder / name).read_bytes() == content:
            continue
        try:
            loaded = io.load(folder)
        except ValueError:
            refused(folder)
        else:
            # A blank less in JSON changes nothing; the weights have a checksum to the last bit.
            assert name == io.CONFIG
            assert_same(loaded, model)


def test_whatever_h5py_raises_is_one_line(saved, folder):
    without_checksums(folder)
    content, rng = (saved / io.WEIGHTS).read_bytes(), random.Random(1)
    for _ in range(12):
        (folder / io.WEIGHTS).write_bytes(damaged(content, rng))
        try:
            io.load(folder)
        except ValueError:
            refused(folder)


def test_one_weight_that_is_another_number_is_noticed(folder):
    with h5py.File(folder / io.WEIGHTS, "a") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        file[next(name for name in names if file[name].size > 4)][0] += 1e-3
    refused(folder, io.WEIGHTS, "checksum")


def test_models_of_before_there_were_checksums_are_read(model, folder):
    without_checksums(folder)
    assert_same(io.load(folder), model)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda _: None, "null"),
        (lambda _: [], "a list"),
        (lambda _: 3, "a number"),
        (lambda _: "vae", "a text"),
        (lambda _: {}, '"class" and "config"'),
        (lambda c: {**c, "class": None}, '"class" must be a name'),
        (lambda c: {**c, "class": ["vae"]}, '"class" must be a name'),
        (lambda c: {**c, "class": "nothing>VAE"}, "no"),
        (lambda c: {**c, "class": "x" * 5000}, "is not a model class"),
        (lambda c: {**c, "config": None}, '"config" must be an object'),
        (lambda c: {**c, "config": [1]}, '"config" must be an object'),
        (lambda c: {**c, "config": {}}, "does not describe a model"),
        (lambda c: {**c, "further": 1}, '"class" and "config"'),
        (lambda c: {**c, "config": {**c["config"], "further": 1}}, "further"),
        (lambda c: {**c, "config": {**c["config"], "latent_dim": "two"}}, "does not describe"),
        (lambda c: {**c, "config": {**c["config"], "latent_dim": None}}, "does not describe"),
        (lambda c: {**c, "config": {**c["config"], "units": {"a": 1}}}, "does not describe"),
        (lambda c: {**c, "config": {**c["config"], "image_shape": [[]]}}, "does not describe"),
        (lambda c: {**c, "config": {**c["config"], "name": 1.5}}, "does not describe"),
        (lambda c: {**c, "sha256": None}, "damaged"),
        (lambda c: {**c, "sha256": []}, "checksums"),
        (lambda c: {**c, "sha256": {io.CONFIG: 1, io.WEIGHTS: 2}}, "checksum"),
    ],
)
def test_a_configuration_that_is_none(folder, change, part):
    path = folder / io.CONFIG
    for checked in (True, False):
        content = json.loads(path.read_text())
        if not checked:
            content.pop("sha256", None)
        changed = change(content)
        if isinstance(changed, dict) and not checked and part.startswith(("damaged", "checksum")):
            return
        before = path.read_text()
        path.write_text(json.dumps(changed))
        told = refused(folder, io.CONFIG)
        if not checked or not isinstance(changed, dict):
            assert part in told
        path.write_text(before)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"class": ' * 100_000, "", "\ufeff{}", "{} {}"])
def test_a_configuration_that_is_no_json(folder, text):
    (folder / io.CONFIG).write_text(text)
    refused(folder, io.CONFIG, "damaged")


def test_a_configuration_changed_by_hand_is_told(folder):
    path = folder / io.CONFIG
    content = json.loads(path.read_text())
    content["config"]["beta"] = 2.0
    path.write_text(json.dumps(content))
    refused(folder, io.CONFIG, "changed by hand")


@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("other", ["another size", "another system"])
def test_files_of_another_model(folder, tmp_path, checked, other):
    (tmp_path / "other").mkdir()
    of = small(latent_dim=3)
    if other == "another system":
        of = DCGAN((4, 4, 1), latent_dim=2, filters=2, stages=1)
    io.save(of, tmp_path / "other")
    shutil.copy(tmp_path / "other" / io.WEIGHTS, folder / io.WEIGHTS)
    if not checked:
        without_checksums(folder)
    refused(folder, io.WEIGHTS, "of another model")


def test_weights_that_are_no_numbers_are_told(tmp_path):
    model = small()
    model.encoder.trainable_variables[0].assign(
        np.full(model.encoder.trainable_variables[0].shape, np.nan)
    )
    io.save(model, tmp_path)
    refused(tmp_path, io.WEIGHTS, "no finite numbers")


def test_weights_that_stand_in_another_file_are_refused(folder, tmp_path):
    without_checksums(folder)
    with h5py.File(folder / io.WEIGHTS) as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if hasattr(item, "shape") else None)
        values = {name: np.array(file[name]) for name in names}
    with h5py.File(tmp_path / "elsewhere.h5", "w") as file:
        for name, value in values.items():
            file[name] = value

    def linked(file, name):
        file[name] = h5py.ExternalLink(tmp_path / "elsewhere.h5", name)

    def virtual(file, name):
        layout = h5py.VirtualLayout(values[name].shape, values[name].dtype)
        layout[...] = h5py.VirtualSource(tmp_path / "elsewhere.h5", name, values[name].shape)
        file.create_virtual_dataset(name, layout)

    def external(file, name):
        (tmp_path / "raw").write_bytes(values[name].tobytes())
        storage = [(str(tmp_path / "raw"), 0, values[name].nbytes)]
        file.create_dataset(name, values[name].shape, values[name].dtype, external=storage)

    def huge(file, name):
        file.create_dataset(name, (10**12,), "float32", chunks=(1024,), compression="gzip")

    for kind in (linked, virtual, external, huge):
        (folder / io.WEIGHTS).unlink()
        with h5py.File(folder / io.WEIGHTS, "w") as file:
            for name, value in values.items():
                if value.size > 4:
                    kind(file, name)
                else:
                    file[name] = value
        refused(folder, io.WEIGHTS)


@pytest.mark.parametrize("name", [io.CONFIG, io.WEIGHTS])
def test_what_is_no_file_is_told(folder, name):
    (folder / name).unlink()
    refused(folder, name, "missing")
    (folder / name).mkdir()
    refused(folder, name, "a folder")
    (folder / name).rmdir()
    os.mkfifo(folder / name)
    refused(folder, name, "a pipe")


def test_a_full_disk_is_an_error_like_any_other(model, tmp_path, monkeypatch):
    # HDF5 would end the process.
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10_000))
    with pytest.raises(OSError, match="No space left") as caught:
        io.save(model, tmp_path)
    assert caught.value.errno == errno.ENOSPC
    assert not list(tmp_path.iterdir())
