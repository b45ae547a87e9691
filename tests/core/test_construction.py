"""Constructors: what they refuse, in which words; what a subclass adds to its parents."""

import json
import re

import keras
import numpy as np
import pytest

from gm_keras import registry
from gm_keras.core import GenerativeModel, arguments, io
from gm_keras.models.latent.vae import VAE
from pipelines.settings import signatures
from pipelines.shared import catalog
from pipelines.shared.errors import UserError

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

SMALL = {"image_shape": (8,), "latent_dim": 2, "network": "dense", "units": (4,)}
NAN, INF = float("nan"), float("inf")
MALFORMED = [
    *("no", "off", "", "3", b"x", "x" * 10_000, "a\nb"),
    *(None, True, False, -3, 0, 0.5, -0.5, 2.7, NAN, INF, 1e300, 1j),
    *(10**30, -(10**30), 10**6000, np.float32("nan"), np.int64(-1)),
    *([], [[]], [[1, 2]], [0], [-1], [2.5], [True], [None], ["a"], [10**30], [10**6000], (), {}),
    *({"a": 1}, {1}, object, len, [8, 8], [8, 8, 8, 8], [2**20, 2**20, 1], np.zeros((0,))),
]


@pytest.mark.parametrize("name", registry.names())
def test_every_argument_says_what_it_may_be(name):
    known = arguments.inherited(registry.get(name), "__init__", GenerativeModel)
    for argument, parameter in known.parameters.items():
        assert arguments.describe(parameter.annotation), argument
        assert parameter.annotation not in (parameter.empty, arguments.Any), argument
    sampler = registry.get(name).sampling_options()
    assert tuple(sampler) == signatures.sample_options(name)
    for option in sampler:
        # The pipeline reads it from the source: what is no word of gm_keras.types it could not check.
        with pytest.raises(UserError, match=f"{option} must be"):
            signatures.check_sample("here", name, {option: ["no such value"]})


@pytest.mark.parametrize("name", registry.names())
def test_what_is_malformed_is_told_in_one_line_here_and_in_the_pipeline(name):
    check = arguments.Signature(registry.get(name).__init__).check
    for argument in signatures.constructor_arguments(name):
        if argument == signatures.FIRST_STAGE:
            continue
        for value in MALFORMED:
            here, there = None, None
            try:
                check(argument, value)
            except arguments.ArgumentError as error:
                here = f"{error.argument}|{error}"
            try:
                signatures.check_model("here", name, {argument: value})
            except UserError as error:
                there = f"{argument}|{str(error).removeprefix('here.')}"
            assert (here or "").replace("None", "null") == (there or "").replace("None", "null")
            if here:
                assert here.startswith(f"{argument}|{argument} must be ")
                assert "\n" not in here
                assert len(here) < 300


@pytest.mark.parametrize(
    ("system", "wrong", "message"),
    [
        ("vae", {"latent_dim": -3}, "latent_dim must be an integer of at least 1, not -3"),
        ("vae", {"binarize": "no"}, "binarize must be true or false, not 'no'"),
        ("vae", {"image_shape": (8,)}, 'network must be "dense" for vectors'),
        ("vqvae", {"halvings": 4}, "halvings must fit the images: 8 x 8 cannot be halved 4"),
        ("ddpm", {"multipliers": [1] * 6}, "multipliers must fit the images"),
        ("ddpm", {"multipliers": [1, 600]}, "multipliers must leave the widest layer"),
        ("ddpm", {"filters": 12}, "filters must be a multiple of 8"),
        ("ddpm", {"image_shape": (2,), "network": "dense", "units": [5]}, "units must begin with"),
        ("gated_pixelcnn", {"image_shape": (4, 4, 2)}, "image_shape must have 1 or 3 channels"),
        ("gated_pixelcnn", {"image_shape": (4, 4, 3), "filters": 4}, "filters must be a multiple"),
        ("gated_pixelcnn", {"levels": None}, "levels must be given"),
        ("dcgan", {"stages": 4}, "stages must fit the images: 8 x 8 cannot be halved 4 times"),
        ("dcgan", {"filters": 4096}, "filters must leave the widest layer at most 4096"),
        ("dcgan", {"image_shape": (7, 8, 1), "stages": None}, "image_shape must have an even"),
        ("wgan_gp", {"filters": 4096}, "filters must leave the widest layer at most 4096"),
        ("pix2pix", {"downsamplings": 4}, "downsamplings must be from 1 to 3"),
        ("pix2pix", {"filters": 4096}, "filters must leave the widest layer"),
        ("pix2pix", {"patch_layers": 4}, "patch_layers must fit the images"),
        ("progressive_gan", {"base_size": 3}, "base_size must be the side of the images"),
        ("progressive_gan", {"filters": [8]}, "filters must have a number for each"),
        ("realnvp", {"image_shape": (2,)}, "levels is for images only"),
        ("realnvp", {"filters": 4096}, "filters must leave the widest layer"),
        ("rbm", {"variance": 1.0}, 'variance needs visible="gaussian"'),
        ("gpt2", {"heads": 3}, "heads must divide width"),
        ("gpt2", {"vocabulary": "aba"}, "vocabulary has the character 'a' twice"),
        ("vqvae", {"codebook": "loss"}, "restart_below needs a codebook"),
    ],
)
def test_relations_name_the_argument(system, wrong, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}[^\\n]*$"):
        registry.get(system)(**{**catalog.recipe(system).test, **wrong})


def test_first_stages_are_models_of_the_right_kind():
    with pytest.raises(ValueError, match=r"^first_stage must be a VQVAE, not a VAE$"):
        registry.get("vqvae_prior")(VAE(**SMALL))


def test_numbers_of_numpy_are_numbers():
    model = VAE(
        np.array([8]),
        latent_dim=np.int32(2),
        network="dense",
        units=[np.int64(4)],
        binarize=np.bool_(True),
    )
    assert model.get_config()["latent_dim"] == 2
    assert type(model.get_config()["units"][0]) is int
    assert model.binarize is True


# ---- subclasses ----------------------------------------------------------------------------------


@keras.saving.register_keras_serializable("gm_keras_tests")
class Weighted(VAE):
    """A further argument, before those of the parent, and another default."""

    def __init__(self, beta: float = 2.0, latent_dim=3, **kwargs):
        super().__init__(latent_dim=latent_dim, **kwargs)
        self.beta = beta

    def _loss(self, batch, training):
        return self.beta * super()._loss(batch, training)


@keras.saving.register_keras_serializable("gm_keras_tests")
class Narrow(Weighted):
    """A grandchild that fixes an argument and passes the places on."""

    def __init__(self, *args, depth=1, **kwargs):
        super().__init__(*args, network="dense", units=(4,) * depth, **kwargs)


def test_a_subclass_adds_arguments_to_those_of_its_parent():
    model = Weighted(image_shape=(8,), network="dense", units=[4])
    assert (model.beta, model.latent_dim, model.data_shape) == (2.0, 3, (8,))
    config = model.get_config()
    assert {
        "beta": 2.0,
        "latent_dim": 3,
        "image_shape": (8,),
        "likelihood": "bernoulli",
    }.items() <= (config.items())
    assert Weighted.from_config(config).get_config() == config


def test_a_grandchild_keeps_what_it_fixes_out_of_its_configuration():
    model = Narrow(0.5, image_shape=(8,), depth=2)
    config = model.get_config()
    assert config["beta"] == 0.5
    assert config["depth"] == 2
    assert not {"network", "units"} & set(config)
    copy = Narrow.from_config(config)
    assert copy.get_config() == config
    assert copy.count_params() == model.count_params()


def test_a_subclass_is_trained_saved_and_loaded(tmp_path):
    model = Narrow(0.5, image_shape=(8,))
    model.compile("adam")
    model.fit(np.zeros((8, 8), "float32"), batch_size=4, epochs=1, verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is Narrow
    assert loaded.get_config() == json.loads(json.dumps(model.get_config()))
    np.testing.assert_array_equal(loaded.sample(2, seed=1), model.sample(2, seed=1))
    io.save(model, tmp_path)
    assert io.load(tmp_path).get_config() == loaded.get_config()


def test_what_no_constructor_of_a_subclass_knows_is_refused():
    with pytest.raises(TypeError, match=r'Narrow has no argument "gamma".*depth.*beta.*latent_dim'):
        Narrow(image_shape=(8,), gamma=1)
    with pytest.raises(ValueError, match=r"^beta must be a number, not 'x'$"):
        Narrow("x", image_shape=(8,))
    with pytest.raises(ValueError, match=r"^filters must be a list"):
        Narrow(image_shape=(8,), filters=3)
    with pytest.raises(TypeError, match="image_shape"):
        Narrow(0.5)


def test_arguments_of_a_mixin_are_part_of_the_configuration():
    class Mixin:
        def __init__(self, *args, tag="none", **kwargs):
            super().__init__(*args, **kwargs)
            self.tag = tag

    class Tagged(Mixin, VAE):
        pass

    model = Tagged(**SMALL, tag="here")
    assert (model.tag, model.get_config()["tag"]) == ("here", "here")
    assert Tagged.from_config(model.get_config()).get_config() == model.get_config()


def test_a_subclass_of_the_base_passes_on_what_keras_takes():
    class Plain(GenerativeModel):
        def __init__(self, width=2, **kwargs):
            super().__init__(**kwargs)
            self.body = keras.Sequential([keras.Input((width,)), keras.layers.Dense(1)])
            self.setup()

        def phases(self):
            return []

    model = Plain(width=3, name="plain")
    assert (model.name, model.get_config()) == ("plain", {"width": 3, "name": "plain"})
    with pytest.raises((TypeError, ValueError), match="gamma"):
        Plain(gamma=3)
