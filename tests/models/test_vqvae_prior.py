"""The prior over codes: probabilities that sum to one, a true bound, samples of both stages, what it learns."""

import itertools

import keras
import numpy as np
import pytest

from gm_keras import backend
from gm_keras.models.latent.vqvae import VQVAE
from gm_keras.models.latent.vqvae_prior import VQVAEPrior

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

CODES = 3
# Every grid of 2 x 2 codes.
GRIDS = np.array(list(itertools.product(range(CODES), repeat=4)), "int32").reshape(-1, 2, 2)


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor).copy()


def disturb(model) -> None:
    for index, variable in enumerate(model.trainable_variables):
        noise = np.random.default_rng(index).normal(size=variable.shape)
        fan_in = np.prod(variable.shape[:-1]) if len(variable.shape) > 1 else 4.0
        variable.assign((1.5 * noise / np.sqrt(fan_in)).astype("float32"))


def two_stages(num_classes=None, levels=3) -> VQVAEPrior:
    backend.set_seed(3)
    first = VQVAE(
        (4, 4, 1), num_codes=CODES, code_dim=2, filters=4, halvings=1, blocks=1, levels=levels
    )
    disturb(first)
    model = VQVAEPrior(
        first, filters=4, layers=2, first_kernel_size=3, hidden=8, num_classes=num_classes
    )
    disturb(model)
    return model


@pytest.fixture(scope="module")
def model() -> VQVAEPrior:
    return two_stages()


@pytest.fixture(scope="module")
def images() -> np.ndarray:
    codes = np.random.default_rng(1).integers(0, 3, (6, 4, 4, 1))
    return (codes - 1.0).astype("float32")


def test_the_codes_have_probabilities_that_sum_to_one(model):
    probabilities = np.exp(array(model.log_prob_of_codes(GRIDS)))
    assert probabilities.sum() == pytest.approx(1.0, rel=1e-4)
    assert probabilities.max() > 2.0 * probabilities.min()


def test_with_labels_each_class_has_its_own_probabilities():
    model = two_stages(num_classes=2)
    both = [
        np.exp(array(model.log_prob_of_codes(GRIDS, label=np.full(len(GRIDS), label))))
        for label in (0, 1)
    ]
    assert both[0].sum() == pytest.approx(1.0, rel=1e-4)
    assert both[1].sum() == pytest.approx(1.0, rel=1e-4)
    assert np.abs(both[0] - both[1]).max() > 1e-3


def test_the_bound_is_below_the_likelihood(model, images):
    first = model.first_stage
    of_codes, of_pixels = (array(part) for part in model.bound_parts(images))
    codes = array(first.encode(images))
    log_prior = array(model.log_prob_of_codes(GRIDS))
    position = (codes.reshape(-1, 4) * CODES ** np.arange(3, -1, -1)).sum(1)
    np.testing.assert_allclose(of_codes, log_prior[position], rtol=1e-4)
    np.testing.assert_allclose(
        of_pixels, array(first.log_likelihood(images, codes)), rtol=1e-4, atol=1e-4
    )
    bound = array(model.elbo(images))
    np.testing.assert_allclose(bound, of_codes + of_pixels, rtol=1e-5)
    for image, value in zip(images, bound, strict=True):
        all_pixels = array(first.log_likelihood(np.repeat(image[None], len(GRIDS), 0), GRIDS))
        log_likelihood = np.logaddexp.reduce(log_prior + all_pixels)
        assert value <= log_likelihood + 1e-3
        assert log_likelihood < 0.0


def test_samples_are_decoded_codes_with_the_prior_s_frequencies(model):
    decoded = array(model.first_stage.decode(GRIDS)).reshape(len(GRIDS), -1)
    assert len(np.unique(decoded.round(4), axis=0)) == len(GRIDS)
    samples = model.sample(3000, seed=1).reshape(3000, -1)
    distances = np.abs(samples[:, None] - decoded).max(axis=-1)
    assert distances.min(axis=1).max() < 1e-4
    frequencies = np.bincount(distances.argmin(axis=1), minlength=len(GRIDS)) / 3000.0
    probabilities = np.exp(array(model.log_prob_of_codes(GRIDS)))
    # The half sum is about 0.06 for draws of the right probabilities.
    assert 0.5 * np.abs(frequencies - probabilities).sum() < 0.1
    uniform = np.full(len(GRIDS), 1.0 / len(GRIDS))
    assert 0.5 * np.abs(uniform - probabilities).sum() > 0.15


def test_a_low_temperature_draws_the_most_probable_codes(model):
    samples = model.sample(4, seed=1, temperature=0.0)
    assert np.abs(samples - samples[:1]).max() < 1e-6


def test_the_first_stage_is_frozen_and_travels_along(model, images, tmp_path):
    assert model.first_stage.trainable_variables == []
    model.compile(keras.optimizers.Adam(0.01))
    before = [array(variable) for variable in model.first_stage.variables]
    model.train_on_batch(images)
    for variable, value in zip(model.first_stage.variables, before, strict=True):
        np.testing.assert_array_equal(array(variable), value)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(array(loaded.elbo(images)), array(model.elbo(images)), rtol=1e-6)


def test_wrong_arguments(model):
    with pytest.raises(ValueError, match="must be a VQVAE, not a VQVAEPrior"):
        VQVAEPrior(model)


@pytest.mark.learns
def test_it_learns_which_codes_go_together():
    backend.set_seed(1)
    rng = np.random.default_rng(0)
    # Eight pictures: each place of the grid sees several codes, but the first decide the others.
    pictures = rng.choice([-1.0, 1.0], (8, 4, 4, 1)).astype("float32")
    x = pictures[rng.integers(0, 8, 512)]
    first = VQVAE((4, 4, 1), 8, 4, 16, 1, 1, restart_below=0.1, decay=0.9, levels=2)
    first.compile(keras.optimizers.Adam(3e-3))
    first.fit(x, batch_size=128, epochs=10, verbose=0)
    codes = array(first.encode(x)).reshape(-1, 4)

    def entropy(rows):
        counts = np.unique(rows, axis=0, return_counts=True)[1] / len(rows)
        return -(counts * np.log(counts)).sum()

    together = entropy(codes)
    apart = sum(entropy(codes[:, [place]]) for place in range(4))
    assert apart > together + 1.0

    model = VQVAEPrior(first, filters=16, layers=2, first_kernel_size=5, hidden=32)
    model.compile(keras.optimizers.Adam(0.01))
    before = -array(model.bound_parts(x)[0]).mean()
    assert before > apart
    model.fit(x, batch_size=128, epochs=25, verbose=0)
    after = -array(model.bound_parts(x)[0]).mean()
    assert together - 1e-3 <= after < together + 0.15
    assert after < apart - 0.8
    # It draws the grids of codes that there are.
    seen = array(first.decode(np.unique(codes, axis=0).reshape(-1, 2, 2)))
    samples = model.sample(200, seed=2)
    distances = np.abs(samples[:, None] - seen).max(axis=(2, 3, 4)).min(axis=1)
    assert np.mean(distances < 1e-3) > 0.9
