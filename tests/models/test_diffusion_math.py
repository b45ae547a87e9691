"""The mathematics of diffusion: schedules, samplers and bound against independent calculations."""

import math

import keras
import numpy as np
import pytest
from keras import ops
from scipy import special, stats

from gm_keras.distributions import discretized_normal as likelihood
from gm_keras.models.diffusion import samplers, schedules
from gm_keras.models.diffusion.ddpm import DDPM
from gm_keras.ops.random import RandomStream

pytestmark = pytest.mark.system("ddpm")

MEAN, DEVIATION = 1.5, 0.6


def numpy_of(x):
    return np.asarray(ops.convert_to_numpy(x), "float64")


def exact_noise(x, alpha_bar):
    """E[noise | x_t] where the data are N(MEAN, DEVIATION^2): what a perfect network says."""
    variance = alpha_bar * DEVIATION**2 + 1.0 - alpha_bar
    return (1.0 - alpha_bar) ** 0.5 * (x - alpha_bar**0.5 * MEAN) / variance


def exact_model(**options):
    """A model of vectors of one number whose network is replaced by the perfect one."""
    model = DDPM((1,), network="dense", units=(4,), **options)

    def noise(x, time, conditions, training=False):
        del conditions, training
        return exact_noise(x, model._at(model.schedule.alpha_bar, time))

    model._noise = noise
    return model


# ---- schedules ------------------------------------------------------------------------------------


def test_linear_schedule_by_hand():
    # T = 4: beta from 1e-4 to 0.02 times 250, that is 0.025 to 5 in steps of 1.6583, at most 0.999.
    kept = [0.975, 0.001, 0.001, 0.001]
    expected = [1.0, 0.975, 0.975e-3, 0.975e-6, 0.975e-9]
    np.testing.assert_allclose(schedules.linear(4).alpha, [1.0, *kept], rtol=1e-12)
    np.testing.assert_allclose(schedules.linear(4).alpha_bar, expected, rtol=1e-12)


def test_linear_schedule_of_the_paper():
    schedule = schedules.linear(1000)
    assert schedule.timesteps == 1000
    np.testing.assert_allclose(schedule.beta[[0, 1, 1000]], [0.0, 1e-4, 0.02], atol=1e-12)
    np.testing.assert_allclose(schedule.beta[500], 1e-4 + 499 / 999 * 0.0199, rtol=1e-9)
    np.testing.assert_allclose(schedule.alpha_bar[2], 0.9999 * (0.9999 - 0.0199 / 999), rtol=1e-12)
    # The paper's section 4 says what is left at the end: KL(q(x_T | x_0) || N(0, 1)) is about 1e-5 bits.
    left = schedule.alpha_bar[-1]
    assert 0.5 * (-left - math.log1p(-left) + left * 0.5) / math.log(2.0) < 2e-5


def test_cosine_schedule_by_hand():
    # T = 2: cos^2(0.508 / 1.008 * pi / 2) / cos^2(0.008 / 1.008 * pi / 2) = 0.493844, then 0.001 of it.
    np.testing.assert_allclose(
        schedules.cosine(2).alpha_bar, [1.0, 0.493844, 0.493844e-3], rtol=1e-5
    )
    np.testing.assert_allclose(schedules.cosine(1000).alpha_bar[500], 0.493844, rtol=1e-5)


@pytest.mark.parametrize("name", ["linear", "cosine"])
@pytest.mark.parametrize("timesteps", [1, 7, 200])
def test_schedules_only_lose(name, timesteps):
    schedule = schedules.SCHEDULES[name](timesteps)
    assert schedule.alpha_bar.shape == (timesteps + 1,)
    assert schedule.alpha_bar[0] == 1.0
    assert (np.diff(schedule.alpha_bar) < 0.0).all()
    assert schedule.alpha_bar[-1] > 0.0


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_forward_moments_against_the_chain(name):
    schedule = schedules.SCHEDULES[name](50)
    rng, x0 = np.random.default_rng(0), -0.7
    x = np.full(100_000, x0)
    for time in range(1, 51):
        beta = schedule.beta[time]
        x = math.sqrt(1.0 - beta) * x + math.sqrt(beta) * rng.normal(size=x.shape)
        if time in (1, 5, 25, 50):
            share = schedule.alpha_bar[time]
            assert abs(x.mean() - math.sqrt(share) * x0) < 0.013
            assert abs(x.var() / (1.0 - share) - 1.0) < 0.02


@pytest.mark.parametrize("time", [1, 2, 6, 10])
def test_posterior_against_bayes_rule(time):
    schedule = schedules.cosine(10)
    x0, xt = 0.8, -0.3
    clean, noisy, variance = (values[time] for values in schedule.posterior())
    if time == 1:  # x_0 is known: nothing to integrate
        np.testing.assert_allclose([clean, noisy, variance], [1.0, 0.0, 0.0], atol=1e-9)
        return
    before = np.linspace(-8.0, 8.0, 400_001)
    prior = stats.norm.logpdf(
        before,
        math.sqrt(schedule.alpha_bar[time - 1]) * x0,
        math.sqrt(1.0 - schedule.alpha_bar[time - 1]),
    )
    step = stats.norm.logpdf(
        xt, math.sqrt(schedule.alpha[time]) * before, math.sqrt(schedule.beta[time])
    )
    weights = np.exp(prior + step)
    weights /= weights.sum()
    mean = (weights * before).sum()
    np.testing.assert_allclose(clean * x0 + noisy * xt, mean, atol=1e-6)
    np.testing.assert_allclose(variance, (weights * (before - mean) ** 2).sum(), rtol=1e-5)


def test_reverse_variances():
    schedule = schedules.linear(20)
    tilde, beta = schedule.reverse_variance("beta_tilde"), schedule.reverse_variance("beta")
    assert (tilde[2:] < beta[2:]).all()
    assert tilde[1] == tilde[2] > 0.0
    with pytest.raises(ValueError, match="beta_tilde"):
        schedule.reverse_variance("gamma")


# ---- samplers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("timesteps", "steps"), [(1, 1), (10, 1), (10, 3), (10, 10), (1000, 50)])
def test_times_are_spaced_and_end_at_the_last(timesteps, steps):
    times = samplers.spaced_times(timesteps, steps)
    assert len(times) == steps == len(set(times))
    assert times[-1] == timesteps
    assert times[0] >= 1
    gaps = np.diff([0, *times])
    assert gaps.max() - gaps.min() <= 1


@pytest.mark.parametrize("steps", [0, -1, 11])
def test_impossible_steps(steps):
    with pytest.raises(ValueError, match=f"steps must be from 1 to 10 .* not {steps}"):
        samplers.spaced_times(10, steps)


@pytest.mark.parametrize("steps", [1, 7, 40])
def test_ddim_with_all_noise_is_ancestral(steps):
    schedule = schedules.linear(40)
    one, other = (
        samplers.ddim(schedule, steps, 1.0),
        samplers.ancestral(schedule, steps, "beta_tilde"),
    )
    np.testing.assert_array_equal(one.times, other.times)
    for field in ("clean", "noisy", "noise"):
        np.testing.assert_allclose(getattr(one, field), getattr(other, field), atol=1e-9)


def test_eta_out_of_range():
    with pytest.raises(ValueError, match="eta must be from 0 to 1"):
        samplers.ddim(schedules.linear(10), 5, 1.5)


def textbook_ddim(x, schedule, times, eta, noises):
    """Equation 12 of Song et al. as it is printed."""
    for index, time in enumerate(times):
        now = schedule.alpha_bar[time]
        before = schedule.alpha_bar[times[index + 1]] if index + 1 < len(times) else 1.0
        epsilon = exact_noise(x, now)
        sigma = eta * math.sqrt((1 - before) / (1 - now)) * math.sqrt(1 - now / before)
        predicted = (x - math.sqrt(1 - now) * epsilon) / math.sqrt(now)
        pointing = math.sqrt(max(1 - before - sigma**2, 0.0)) * epsilon
        x = math.sqrt(before) * predicted + pointing + sigma * noises[index]
    return x


def textbook_ancestral(x, schedule, variance, noises):
    """Algorithm 2 of Ho et al. as it is printed."""
    for index, time in enumerate(range(schedule.timesteps, 0, -1)):
        alpha, share = 1.0 - schedule.beta[time], schedule.alpha_bar[time]
        beta = schedule.beta[time]
        sigma = math.sqrt(
            beta if variance == "beta" else (1 - schedule.alpha_bar[time - 1]) / (1 - share) * beta
        )
        x = (x - (1 - alpha) / math.sqrt(1 - share) * exact_noise(x, share)) / math.sqrt(alpha)
        x = x + sigma * noises[index] * (time > 1)
    return x


@pytest.mark.backend
@pytest.mark.parametrize(
    "options",
    [
        {"sampler": "ddim", "steps": 7},
        {"sampler": "ddim", "steps": 20, "eta": 0.7},
        {"sampler": "ancestral"},
        {"sampler": "ancestral", "variance": "beta_tilde"},
    ],
)
def test_samplers_against_an_independent_implementation(options):
    model = exact_model(timesteps=20)
    actual = model.sample(6, seed=5, **options)
    steps = options.get("steps", 20)
    random = RandomStream(5)
    noises = [numpy_of(keras.random.normal((6, 1), seed=random.at(i))) for i in range(steps)]
    start = numpy_of(keras.random.normal((6, 1), seed=random.next()))
    assert len({float(noise[0, 0]) for noise in noises} | {float(start[0, 0])}) == steps + 1
    if options["sampler"] == "ddim":
        times = [math.ceil(20 * i / steps) for i in range(steps, 0, -1)]
        expected = textbook_ddim(start, model.schedule, times, options.get("eta", 0.0), noises)
    else:
        expected = textbook_ancestral(
            start, model.schedule, options.get("variance", "beta"), noises
        )
    np.testing.assert_allclose(actual, expected, atol=2e-4)


@pytest.mark.backend
@pytest.mark.parametrize(
    "options",
    [
        {"sampler": "ddim", "steps": 200},
        {"sampler": "ddim", "steps": 200, "eta": 1.0},
        {"sampler": "ancestral", "variance": "beta"},
        {"sampler": "ancestral", "variance": "beta_tilde"},
    ],
)
def test_samplers_draw_the_data_of_a_perfect_network(options):
    samples = exact_model(timesteps=200).sample(20_000, seed=1, **options)
    assert abs(samples.mean() - MEAN) < 0.02
    assert abs(samples.std() / DEVIATION - 1.0) < 0.03
    assert abs(stats.skew(samples[:, 0])) < 0.1


# ---- the bound ------------------------------------------------------------------------------------


@pytest.mark.backend
def test_log_normal_cdf():
    x = np.concatenate([np.linspace(-60.0, 5.0, 500), [-8.0, -8.0001, -7.9999]]).astype("float32")
    actual = numpy_of(likelihood.log_normal_cdf(ops.convert_to_tensor(x)))
    np.testing.assert_allclose(actual, special.log_ndtr(x.astype("float64")), rtol=3e-5, atol=3e-7)


@pytest.mark.backend
@pytest.mark.parametrize("levels", [2, 17, 256])
def test_grey_levels_have_probabilities_that_sum_to_one(levels):
    grid = np.linspace(-1.0, 1.0, levels, dtype="float32")
    for mean in (-3.0, -1.0, 0.013, 0.9, 1.2):
        for deviation in (0.004, 0.05, 1.0):
            log_prob = likelihood.log_prob(
                ops.convert_to_tensor(grid), ops.full((levels,), mean), deviation, levels
            )
            assert np.isfinite(numpy_of(log_prob)).all()
            assert abs(np.exp(numpy_of(log_prob)).sum() - 1.0) < 1e-4, (mean, deviation)


@pytest.mark.backend
def test_grey_levels_far_from_the_mean():
    # Level 0 of 17 is the bin from -0.0625 to 0.0625; at mean 0.9625 and deviation 0.1 that is 9 to 10.25.
    actual = likelihood.log_prob(ops.zeros((1,)), ops.full((1,), 0.9625), 0.1, 17)
    expected = np.log(special.ndtr(-9.0) - special.ndtr(-10.25))
    np.testing.assert_allclose(numpy_of(actual), expected, rtol=1e-4)


@pytest.mark.backend
@pytest.mark.parametrize("variance", ["beta", "beta_tilde"])
def test_bound_against_its_definition(variance):
    """The sum of divergences against E_q[log p(x_0..T) - log q(x_1..T | x_0)] along simulated chains."""
    timesteps, x0, count = 4, 0.9, 100_000
    model = exact_model(timesteps=timesteps, schedule="cosine", variance=variance)
    actual = numpy_of(model.elbo(np.full((count, 1), x0, "float32"), seed=3))
    rng, schedule = np.random.default_rng(1), model.schedule
    clean, noisy, _ = schedule.posterior()
    x, total = np.full(count, x0), np.zeros(count)
    for time in range(1, timesteps + 1):
        mean, scale = math.sqrt(schedule.alpha[time]) * x, math.sqrt(schedule.beta[time])
        after = mean + scale * rng.normal(size=count)
        total -= stats.norm.logpdf(after, mean, scale)
        share = schedule.alpha_bar[time]
        expected = (after - math.sqrt(1 - share) * exact_noise(after, share)) / math.sqrt(share)
        reverse = clean[time] * expected + noisy[time] * after
        total += stats.norm.logpdf(x, reverse, math.sqrt(model.reverse_variance[time]))
        x = after
    total += stats.norm.logpdf(x)
    error = math.hypot(actual.std(), total.std()) / math.sqrt(count)
    assert abs(actual.mean() - total.mean()) < 5.0 * error


@pytest.mark.backend
def test_bound_approaches_the_likelihood_from_below():
    rng = np.random.default_rng(0)
    x = (MEAN + DEVIATION * rng.normal(size=(20_000, 1))).astype("float32")
    exact = stats.norm.logpdf(x, MEAN, DEVIATION).mean()

    def gap(timesteps, terms):
        bound = numpy_of(exact_model(timesteps=timesteps).elbo(x, num_terms=terms))
        assert bound.std() < 2.0  # so that the mean is good to 0.015
        return exact - bound.mean()

    assert 0.04 < gap(10, 9) < 0.1
    assert -0.03 < gap(100, 99) < 0.04
    # Fewer terms, the second time the default of 128, say the same with more noise.
    assert -0.04 < gap(100, 30) < 0.05
    assert -0.04 < gap(300, None) < 0.04


@pytest.mark.backend
def test_terms_of_the_bound_out_of_range():
    model = exact_model(timesteps=5)
    for terms, message in ((0, "at least 1"), (5, "from 1 to timesteps - 1 = 4")):
        with pytest.raises(ValueError, match=f"num_terms must be .*{message}"):
            model.elbo(np.zeros((2, 1), "float32"), num_terms=terms)
    assert np.isfinite(numpy_of(exact_model(timesteps=1).elbo(np.zeros((2, 1), "float32")))).all()
