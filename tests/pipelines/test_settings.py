"""`params.yaml`: what is refused, and in which words."""

import os
import textwrap

import pytest

from pipelines.errors import UserError
from pipelines.settings import load_settings
from pipelines.stages import quick

GOOD = """
backend: jax
data:
  digits: {source: tfds}
systems:
  vae:
    class: vae
    family: latent
    data: digits
    uses: none
    model: {latent_dim: 4}
    optimizers: {main: {class: adam}}
    fit: {epochs: 1, batch_size: 8}
    sample: {}
    evaluate: {}
"""


def load(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return load_settings(path)


def test_good_settings(tmp_path):
    settings = load(tmp_path, GOOD)
    assert settings.system("vae").fit.epochs == 1
    assert settings.seed == 0


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("epochs: 1", "epoch: 1", ["systems.vae.fit.epoch is", '"epochs"']),
        ("epochs: 1", "epochs: 1, batchsize: 3", ["batchsize", '"batch_size"']),
        ("epochs: 1", "epochs: many", ["systems.vae.fit.epochs", "integer", '"many"']),
        ("epochs: 1", "epochs: 0", ["systems.vae.fit.epochs", "at least 1", "not 0"]),
        ("latent_dim: 4", "latent_dims: 4", ["systems.vae.model.latent_dims", '"latent_dim"']),
        ("class: vae", "class: vea", ['"vea"', 'did you mean "vae"']),
        ("family: latent", "family: gan", ['belongs to "latent"']),
        ("data: digits", "data: digit", ['"digit"', 'did you mean "digits"']),
        ("backend: jax", "backend: jaxx", ["backend", "jax"]),
        ("backend: jax", "backends: jax", ["backends", '"backend"']),
        ("source: tfds", "sorce: tfds", ["data.digits.sorce", '"source"']),
        ("sample: {}", "", ["systems.vae.sample is missing"]),
        ("systems:", "systems: [", ["not YAML", "line"]),
    ],
)
def test_mistakes_get_one_line(tmp_path, old, new, parts):
    with pytest.raises(UserError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_an_unknown_system_names_the_nearest(tmp_path):
    with pytest.raises(UserError, match='no system "vea": did you mean "vae"'):
        load(tmp_path, GOOD).system("vea")


def test_a_missing_file(tmp_path):
    with pytest.raises(UserError, match="cannot read"):
        load_settings(tmp_path / "params.yaml")


def test_the_environment_chooses_the_backend(tmp_path, monkeypatch):
    settings = load(tmp_path, GOOD)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert settings.choose_backend() == "tensorflow"
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    with pytest.raises(UserError, match="KERAS_BACKEND"):
        settings.choose_backend()
    monkeypatch.delenv("KERAS_BACKEND")
    assert settings.choose_backend() == "jax"


def test_choosing_a_backend_leaves_the_kernels_to_each_stage(tmp_path, monkeypatch):
    settings = load(tmp_path, GOOD)
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    # Set first, so that it is put back afterwards.
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS")
    settings.choose_backend()
    assert "TF_ENABLE_ONEDNN_OPTS" not in os.environ
    quick()
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "1"
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
    quick()
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "0"
