"""Calls of models are checked as constructors are, and options of samplers by the model."""

import re

import numpy as np
import pytest

from gm_keras.models.latent.vae import VAE
from tests.systems import build

pytestmark = pytest.mark.backend

X = np.zeros((2, 8), "float32")


@pytest.fixture(scope="module")
def vae():
    return VAE((8,), latent_dim=2, network="dense", units=(4,))


@pytest.fixture(scope="module")
def gpt2():
    return build("gpt2")


@pytest.fixture(scope="module")
def ddpm():
    return build("ddpm", num_classes=None)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.sample(0), "n must be an integer of at least 1, not 0"),
        (lambda m: m.sample(2.5), "n must be an integer of at least 1, not 2.5"),
        (lambda m: m.sample(True), "n must be an integer of at least 1, not True"),
        (lambda m: m.sample(2, batch_size=-1), "batch_size must be an integer of at least 1, or"),
        (lambda m: m.sample(2, batch_size=0), "batch_size must be an integer of at least 1, or"),
        (lambda m: m.sample(2, seed=1.5), "seed must be an integer of at least 0, not 1.5"),
        (lambda m: m.sample(2, seed=-1), "seed must be an integer of at least 0, not -1"),
        (lambda m: m.sample(2, seed=2**32), "seed must be an integer from 0 to 4294967295"),
        (lambda m: m.sample(2, seed=10**6000), "seed must be an integer from 0 to 4294967295"),
        (lambda m: m.sample(2, noise="no"), "noise must be true or false, not 'no'"),
        (lambda m: m.draw_latents(0), "n must be an integer of at least 1, not 0"),
        (lambda m: m.draw_latents(2, seed="1"), "seed must be an integer of at least 0, not '1'"),
        (lambda m: m.elbo(X, seed=1.5), "seed must be an integer of at least 0, not 1.5"),
        (lambda m: m.log_prob_estimate(X, 0), "num_samples must be an integer of at least 1, not"),
        (lambda m: m.interpolate(X, X, 1), "steps must be an integer of at least 2, not 1"),
        (lambda m: m.interpolate(X, X, spherical="no"), "spherical must be true or false"),
    ],
)
def test_calls_are_checked(vae, call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}[^\\n]*$"):
        call(vae)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.sample(2, steps=7), "steps must be from 1 to 6"),
        (lambda m: m.sample(2, steps=2.7), "steps must be an integer of at least 1, or None"),
        (lambda m: m.sample(2, eta=float("nan")), "eta must be a number from 0 to 1"),
        (lambda m: m.sample(2, guidance=float("nan")), "guidance must be a number"),
        (lambda m: m.sample(2, guidance=1.0), "guidance needs a model with classes"),
        (lambda m: m.sample(2, clip="no"), "clip must be true or false, or None, not 'no'"),
        (lambda m: m.decode(m.draw_latents(2), steps=0), "steps must be an integer of at least 1"),
        (lambda m: m.trajectory(0), "n must be an integer of at least 1"),
        (lambda m: m.trajectory(2, frames=2.5), "frames must be an integer of at least 1"),
        (lambda m: m.trajectory(2, steps=7), "steps must be from 1 to 6"),
        (lambda m: m.elbo(np.zeros((1, 8, 8, 1)), num_terms=0), "num_terms must be an integer"),
    ],
)
def test_calls_of_a_diffusion_model_are_checked(ddpm, call, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}[^\\n]*$"):
        call(ddpm)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": float("nan")}, "temperature must be a number of at least 0, not nan"),
        ({"top_k": 2.5}, "top_k must be an integer of at least 1, or None, not 2.5"),
        ({"top_p": 0.0}, "top_p must be a number above 0 and at most 1, or None, not 0.0"),
        ({"length": -1}, "length must be an integer of at least 1, or None, not -1"),
        ({"prompt": 3}, "prompt must be a text of at least 1 character, or None, not 3"),
        ({"prompt": "x"}, "prompt must be of the vocabulary: the character 'x'"),
        ({"prompt": "abab", "length": 2}, "prompt must have at most 2 tokens"),
        ({"cached": "off"}, "cached must be true or false, not 'off'"),
    ],
)
def test_options_of_text_are_checked(gpt2, options, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}[^\\n]*$"):
        gpt2.check_sampling_options(options)


def test_an_unknown_option_is_told_with_those_there_are(vae):
    with pytest.raises(TypeError, match=r'^sample\(\) of a VAE has no option "noize".* are noise$'):
        vae.sample(2, noize=True)
    with pytest.raises(TypeError, match=r"^translate\(\) of a Pix2Pix has no option.*it has none$"):
        build("pix2pix").check_sampling_options({"noise": True})


def test_options_are_completed(ddpm):
    complete = ddpm.check_sampling_options({"eta": 1})
    assert set(complete) == set(ddpm.sampling_options())
    assert (complete["steps"], complete["eta"], complete["clip"]) == (6, 1.0, True)
