"""`params.yaml`: what is refused, and in which words."""

import json
import os
import textwrap

import pytest

from gm_keras import registry
from pipelines.command import adding
from pipelines.running.stages import quick
from pipelines.settings import load_settings
from pipelines.shared.errors import UserError

GOOD = """
backend: jax
data:
  digits: {source: tfds}
systems:
  vae:
    class: vae
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


def test_a_training_may_have_a_seed_of_its_own(tmp_path):
    assert load(tmp_path, GOOD + "seed: 7\n").training_seed("vae") == 7
    own = load(tmp_path, GOOD.replace("epochs: 1", "epochs: 1, seed: 0") + "seed: 7\n")
    assert (own.training_seed("vae"), own.seed) == (0, 7)


def test_how_many_examples_are_measured(tmp_path):
    assert load(tmp_path, GOOD).examples("vae") == 2000
    # The Fréchet distance of 2,048 features needs more of them.
    inception = GOOD + "metrics: {extractor: inception}\n"
    assert load(tmp_path, inception).examples("vae") > 2048
    chosen = inception.replace("evaluate: {}", "evaluate: {examples: 300}")
    assert load(tmp_path, chosen).examples("vae") == 300


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("epochs: 1", "epoch: 1", ["systems.vae.fit.epoch is", '"epochs"']),
        ("epochs: 1", "epochs: 1, batchsize: 3", ["batchsize", '"batch_size"']),
        ("epochs: 1", "epochs: many", ["systems.vae.fit.epochs", "integer", '"many"']),
        ("evaluate: {}", "evaluate: {examples: 0}", ["evaluate.examples", "at least 1", "not 0"]),
        ("epochs: 1", "epochs: 0", ["systems.vae.fit.epochs", "at least 1", "not 0"]),
        ("latent_dim: 4", "latent_dims: 4", ["systems.vae.model.latent_dims", '"latent_dim"']),
        ("class: vae", "class: vea", ['"vea"', 'did you mean "vae"']),
        ("class: vae", "class: vae\n    family: latent", ["systems.vae.family", "remove the line"]),
        ("data: digits", "data: digit", ['"digit"', 'did you mean "digits"']),
        ("backend: jax", "backend: jaxx", ["backend", "jax"]),
        ("backend: jax", "backends: jax", ["backends", '"backend"']),
        ("source: tfds", "sorce: tfds", ["data.digits.sorce", '"source"']),
        ("sample: {}", "", ["systems.vae.sample is missing"]),
        ("systems:", "systems: [", ["not YAML", "line"]),
        ("{source: tfds}", "[tfds]", ["data.digits: expected keys and values, not"]),
        ("{source: tfds}", "{seed: -1}", ["data.digits.seed: expected a number of at least 0"]),
        ("{source: tfds}", "{image_size: 1.5}", ["image_size: expected an integer, not 1.5"]),
        ("{source: tfds}", '{path: ""}', ["path: expected a text that is not empty"]),
        ("backend: jax", "seed: -1", ["seed: expected a number of at least 0, not -1"]),
        ("backend: jax", f"seed: {2**32}", ["seed: expected a number of at most 4,294,967,295"]),
        ("backend: jax", "seed: 1.5", ["seed: expected an integer, not 1.5"]),
        ("backend: jax", "checkpoint_every: {}", ["checkpoint_every: give steps, minutes or both"]),
        ("backend: jax", "checkpoint_every: {minutes: .nan}", ["minutes: expected a finite"]),
        ("backend: jax", "checkpoint_every: {minutes: .inf}", ["minutes: expected a finite"]),
        (
            "backend: jax",
            "checkpoint_every: {minutes: 1e300}",
            ["minutes: expected a number of at"],
        ),
        ("backend: jax", "checkpoint_every: {minutes: true}", ["minutes: expected a number, not"]),
        ("epochs: 1", f"epochs: {10**30}", ["fit.epochs: expected a number of at most"]),
        ("epochs: 1", "epochs: 2.0", ["fit.epochs: expected an integer, not 2.0"]),
        ("epochs: 1", "epochs: true", ["fit.epochs: expected an integer, not true"]),
        ("epochs: 1", 'epochs: "1"', ['fit.epochs: expected an integer, not "1"']),
        ("epochs: 1", f"stages: {{a: {10**30}}}", ["fit.stages.a: expected a number of at most"]),
        ("epochs: 1", "stages: {}", ["fit.stages: expected at least 1"]),
        ("epochs: 1", "stages: {a: 3}", ["fit.stages: vae is not trained in stages: give epochs"]),
        ("epochs: 1", "stages: 3", ["fit.stages: expected keys and values, not 3"]),
        ("epochs: 1", "stages: {a b: 3}", ['fit.stages: "a b" cannot be a key']),
        ("epochs: 1", "epochs: 1, grids: 1000000", ["fit.grids: expected a number of at most"]),
        ("epochs: 1", "epochs: 1, fresh_batches: no", ["fresh_batches", 'not "no"', "YAML 1.2"]),
        ("epochs: 1", "epochs: 1, steps_per_epoch: 0", ["fit.steps_per_epoch", "at least 1"]),
        ("epochs: 1", "epochs: 1, labels: 0", ["fit.labels: expected", "at least 1"]),
        ("epochs: 1", f"epochs: 1, steps_per_execution: {10**9}", ["steps_per_execution", "most"]),
        (
            "batch_size: 8",
            f"batch_size: {10**30}",
            ["fit.batch_size: expected a number of at most"],
        ),
        ("evaluate: {}", f"evaluate: {{samples: {10**30}}}", ["samples: expected a number of at"]),
        ("evaluate: {}", f"evaluate: {{seeds: {10**30}}}", ["seeds: expected a number of at most"]),
        (
            "{class: adam}",
            "{class: adam, learning_rate: -1}",
            ["optimizers.main.learning_rate: ex"],
        ),
        ("{main: {class: adam}}", "{}", ["systems.vae.optimizers", "main"]),
        ("main: {class", "other: {class", ["systems.vae.optimizers", "main", "other"]),
        ("{main: {class: adam}}", "{main: adam}", ["optimizers.main: expected keys and values"]),
    ],
)
def test_mistakes_get_one_line(tmp_path, old, new, parts):
    with pytest.raises(UserError) as caught:
        load(tmp_path, GOOD.replace(old, new, 1))
    message = str(caught.value)
    assert message.startswith("params.yaml")
    assert "\n" not in message
    for part in parts:
        assert part in message


DIFFUSION = GOOD.replace("vae", "ddpm").replace("latent\n", "diffusion\n").replace("latent_dim: 4", "timesteps: 20")  # fmt: skip


@pytest.mark.parametrize(
    ("sample", "words"),
    [
        ("steps: 50", "sample.steps: expected at most 20, the timesteps of the model, not 50"),
        ("guidance: 2.0", "sample.guidance: this model has no classes"),
        ("noize: true", "sample.noize is not a known key"),
        ("guidance_scale: 2.0", "sample.guidance_scale is not a known key"),
        ("label: 3", "sample.label"),
        ("n: 5", "sample.n "),
        ("seed: 1", "sample.seed"),
        ("batch_size: 16", "sample.batch_size"),
        ("steps: 2.7", "sample.steps"),
        ("steps: -1", "sample.steps"),
        ("guidance: .nan", "sample.guidance"),
        ("clip: no", "sample.clip"),
    ],
)
def test_options_of_samplers_are_checked_before_anything_runs(tmp_path, sample, words):
    assert load(tmp_path, DIFFUSION.replace("sample: {}", "sample: {steps: 20, guidance: 0.0}"))
    with pytest.raises(UserError) as caught:
        load(tmp_path, DIFFUSION.replace("sample: {}", f"sample: {{{sample}}}"))
    assert str(caught.value).startswith(f"params.yaml: systems.ddpm.{words}")
    assert "\n" not in str(caught.value)


BAD_KEYS = [
    "vae.v2", "vae v2", "../x", "a/b", "", "none", "None", "no", "1st", "_x", "-x", "ä", "a" * 65,
    "a\nb", "a@b", "a:b", "${x}",
]  # fmt: skip


@pytest.mark.parametrize("key", BAD_KEYS)
@pytest.mark.parametrize(
    ("block", "old", "new"),
    [
        ("systems", "vae:", "{}:"),
        ("data", "digits:", "{}:"),
        ("systems.vae.optimizers", "main:", "{}:"),
        ("systems.vae.fit.stages", "epochs: 1", "stages: {{{}: 1}}"),
    ],
)
def test_keys_that_cannot_name_folders_and_stages(tmp_path, key, block, old, new):
    if block.endswith("stages") and key == "1st":
        return  # models have such: "8x8_fade"
    with pytest.raises(UserError) as caught:
        load(tmp_path, GOOD.replace(old, new.format(json.dumps(key)), 1))
    message = str(caught.value)
    assert message.startswith(f"params.yaml: {block}: ")
    assert "cannot be a key" in message
    assert "\n" not in message


@pytest.mark.parametrize("key", BAD_KEYS)
def test_keys_of_new_systems(tmp_path, key):
    path = tmp_path / "params.yaml"
    path.write_text(GOOD, encoding="utf-8")
    with pytest.raises(UserError, match="cannot be a key"):
        adding.add(path, "vae", key=key)
    assert path.read_text(encoding="utf-8") == GOOD


def test_keys_that_differ_by_case_only(tmp_path):
    with pytest.raises(UserError, match='data: "digits" and "Digits" are one name'):
        load(tmp_path, GOOD.replace("{source: tfds}", "{}\n  Digits: {}", 1))
    (tmp_path / "params.yaml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(UserError, match='systems: "vae" and "VAE" are one name'):
        adding.add(tmp_path / "params.yaml", "vae", key="VAE")


def test_limits_are_allowed(tmp_path):
    text = GOOD.replace("backend: jax", f"seed: {2**32 - 1}")
    text = text.replace("evaluate: {}", "evaluate: {samples: 1000000, seeds: 1}")
    text = text.replace("epochs: 1", "epochs: 1000000, steps_per_epoch: 1")
    assert load(tmp_path, text).seed == 2**32 - 1
    # Evaluation counts on from the seed.
    with pytest.raises(UserError, match=r"systems\.vae\.evaluate\.seeds"):
        load(tmp_path, text.replace("seeds: 1", "seeds: 2"))


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


def test_a_class_without_recipe_or_place(tmp_path, monkeypatch):
    monkeypatch.setitem(registry.SYSTEMS, "newcomer", ("latent", "Newcomer"))
    with pytest.raises(UserError, match=r'class: the system "newcomer" has no recipe yet: write '):
        load(tmp_path, GOOD.replace("class: vae", "class: newcomer"))
    monkeypatch.delitem(registry.SYSTEMS, "vae")
    with pytest.raises(UserError, match=r'class: "vae" has a recipe and no line in .*registry\.py'):
        load(tmp_path, GOOD)
