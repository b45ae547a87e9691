"""What every model with latents promises, and the ways between them."""

import keras
import numpy as np
import pytest

from gm_keras import backend, registry
from gm_keras.core.latents import path
from gm_keras.models.diffusion.ddpm import DDPM
from gm_keras.models.flow.realnvp import RealNVP
from tests.systems import build

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

WITH_LATENTS = [name for name in registry.names() if "latents" in registry.get(name).offers]


def numpy_of(x):
    return np.asarray(keras.ops.convert_to_numpy(x))


def disturb(model):
    """Gives every weight a value, also those that start at zero and hide the rest."""
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0.0, 0.2, variable.shape).astype("float32"))
    return model


def test_these_have_latents():
    assert {"vae", "realnvp", "dcgan", "wgan_gp", "progressive_gan", "ddpm"} <= set(WITH_LATENTS)


@pytest.mark.parametrize("name", WITH_LATENTS)
def test_decoded_draws_are_the_samples(name):
    backend.set_seed(1)
    model = disturb(build(name))
    label = np.array([0, 1, 1]) if model.num_classes else None
    latents = model.draw_latents(3, seed=5)
    assert latents.dtype == "float32"
    np.testing.assert_array_equal(latents, model.draw_latents(3, seed=5))
    assert not np.array_equal(latents, model.draw_latents(3, seed=6))
    examples = numpy_of(model.decode(latents, label=label))
    assert examples.shape == (3, *model.data_shape)
    samples = model.sample(3, seed=5, label=label)
    # A sample of discrete images is rounded to a level and cut to their range, a decoded one is not.
    levels = getattr(model, "levels", None) if "density" in model.capabilities else None
    if levels:
        width = 2.0 / (levels - 1)
        rounded = np.round((np.clip(examples, -1.0, 1.0) + 1.0) / width) * width - 1.0
        assert np.mean(np.abs(rounded - samples) < 1e-3) > 0.99
    else:
        np.testing.assert_allclose(examples, samples, atol=1e-5)
    check_prior(model)
    with pytest.raises(ValueError, match="at least 1"):
        model.draw_latents(0)
    if not model.num_classes:
        with pytest.raises(ValueError, match="without labels"):
            model.decode(latents, label=[0, 1, 1])


def check_prior(model):
    """The prior is the one that is named."""
    values = model.draw_latents(2000, seed=0).ravel()
    assert abs(values.mean()) < 0.05
    if model.latent_prior == "uniform":
        assert -1.0 <= values.min() < -0.95 < 0.95 < values.max() <= 1.0
        assert values.var() == pytest.approx(1.0 / 3.0, abs=0.02)
    else:
        assert model.latent_prior == "normal"
        assert values.var() == pytest.approx(1.0, abs=0.06)
        assert 0.66 < np.mean(np.abs(values) < 1.0) < 0.71


# ---- the way between two latents ------------------------------------------------------------------


def test_a_straight_path():
    first, last = np.random.default_rng(0).normal(size=(2, 4, 3, 2))
    points = path(first, last, 5)
    assert points.shape == (5, 4, 3, 2)
    np.testing.assert_allclose(points[2], 0.5 * (first + last), atol=1e-6)
    np.testing.assert_allclose(
        np.diff(points, axis=0), np.stack([(last - first) / 4] * 4), atol=1e-6
    )


def test_a_spherical_path_keeps_the_norm_and_turns_evenly():
    first, last = np.random.default_rng(0).normal(size=(2, 6, 20))
    first *= 3.0 / np.linalg.norm(first, axis=-1, keepdims=True)
    last *= 3.0 / np.linalg.norm(last, axis=-1, keepdims=True)
    points = path(first, last, 9, spherical=True).astype("float64")
    np.testing.assert_array_equal(points[0], first.astype("float32"))
    np.testing.assert_array_equal(points[-1], last.astype("float32"))
    np.testing.assert_allclose(np.linalg.norm(points, axis=-1), 3.0, rtol=1e-5)
    cosines = np.sum(points[1:] * points[:-1], axis=-1) / 9.0
    angles = np.arccos(np.clip(cosines, -1.0, 1.0))
    total = np.arccos(np.sum(first * last, axis=-1) / 9.0)
    np.testing.assert_allclose(angles, np.broadcast_to(total / 8.0, angles.shape), atol=1e-3)
    straight = np.linalg.norm(path(first, last, 9), axis=-1)
    assert straight[4].max() < 2.9


def test_on_a_spherical_path_the_length_changes_evenly():
    first, last = np.array([[2.0, 0.0]]), np.array([[0.0, 4.0]])
    points = path(first, last, 3, spherical=True)
    np.testing.assert_allclose(points[1, 0], 3.0 / np.sqrt(2.0), rtol=1e-6)


@pytest.mark.parametrize("last", [[[2.0, 2.0]], [[-1.0, -1.0]], [[0.0, 0.0]]])
def test_without_an_arc_a_spherical_path_is_straight(last):
    first = np.array([[1.0, 1.0]])
    points = path(first, np.array(last), 4, spherical=True)
    np.testing.assert_allclose(points, path(first, np.array(last), 4), atol=1e-6)


def test_paths_refuse():
    x = np.ones((2, 3))
    with pytest.raises(ValueError, match="at least 2 steps, not 1"):
        path(x, x, 1)
    with pytest.raises(ValueError, match=r"one shape, not \(2, 3\) and \(1, 3\)"):
        path(x, x[:1], 3)


@pytest.mark.parametrize("spherical", [False, True])
def test_interpolations_end_in_reconstructions(spherical):
    model = RealNVP((4,), couplings=2, units=(8,))
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype("float32")
    made = model.interpolate(*x, 5, spherical=spherical)
    assert made.shape == (5, 3, 4)
    for end, examples in zip(made[[0, -1]], x, strict=True):
        np.testing.assert_allclose(end, numpy_of(model.reconstruct(examples)), atol=1e-5)
    middle = path(*map(numpy_of, map(model.encode, x)), 3, spherical=spherical)[1]
    np.testing.assert_allclose(made[2], numpy_of(model.decode(middle)), atol=1e-5)


# ---- diffusion ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ddpm():
    keras.utils.set_random_seed(0)
    options = {"network": "dense", "timesteps": 12, "units": (8,), "schedule": "cosine"}
    return disturb(DDPM((5,), num_classes=3, **options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"label": [0, 2], "steps": 5, "eta": 1.0, "clip": True},
        {"label": 1, "guidance": 2.0, "sampler": "ancestral"},
    ],
)
def test_a_trajectory_ends_in_the_sample(ddpm, options):
    states, expected = ddpm.trajectory(2, seed=3, frames=4, **options)
    assert states.shape == expected.shape == (4, 2, 5)
    samples = ddpm.sample(2, seed=3, **options)
    np.testing.assert_allclose(states[-1], samples, rtol=1e-4)
    np.testing.assert_allclose(expected[-1], samples, rtol=1e-4)
    np.testing.assert_array_equal(states[0], ddpm.draw_latents(2, seed=3))
    assert np.abs(np.diff(states, axis=0)).max(axis=(1, 2)).min() > 1e-3


def test_every_state_of_a_trajectory_follows_from_the_one_before(ddpm):
    states, expected = ddpm.trajectory(2, seed=1, frames=13, steps=12)
    share = ddpm.schedule.alpha_bar[::-1]
    for step in range(12):
        # What the expected clean example does not explain is noise, which DDIM keeps.
        noise = (states[step] - share[step] ** 0.5 * expected[step]) / (1.0 - share[step]) ** 0.5
        following = share[step + 1] ** 0.5 * expected[step] + (1.0 - share[step + 1]) ** 0.5 * noise
        np.testing.assert_allclose(states[step + 1], following, rtol=2e-3, atol=1e-3)


def test_diffusion_decodes_without_noise_on_the_way(ddpm):
    noise = ddpm.draw_latents(2, seed=4)
    made = numpy_of(ddpm.decode(noise, label=[0, 2], steps=6, guidance=1.0))
    same = ddpm.sample(2, seed=4, label=[0, 2], steps=6, guidance=1.0, eta=0.0)
    np.testing.assert_allclose(made, same, rtol=1e-4)
    plain = numpy_of(ddpm.decode(noise, label=[0, 2], steps=6))
    assert np.abs(plain - made).max() > 1e-3
    assert np.abs(plain - numpy_of(ddpm.decode(noise, label=1, steps=6))).max() > 1e-3
    assert np.abs(plain - numpy_of(ddpm.decode(noise, steps=6))).max() > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 1}, "frames must be from 2 to steps"),
        ({"frames": 7, "steps": 5}, r"from 2 to steps \+ 1 = 6, not 7"),
        ({"steps": 13}, "steps must be from 1 to 12"),
        ({"label": 3}, "out of range"),
    ],
)
def test_trajectories_refuse(ddpm, options, message):
    with pytest.raises(ValueError, match=message):
        ddpm.trajectory(2, **options)
    with pytest.raises(TypeError):
        ddpm.trajectory(2, nosuch=1)
