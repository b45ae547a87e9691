"""Progressive growing: its stages, how they fade in, what they train, resuming within them, and digits."""

import keras
import numpy as np
import pytest
from keras import ops
from sklearn.datasets import load_digits

from gm_keras import backend
from gm_keras.models.gan.progressive_gan import ProgressiveGAN
from tests.systems import arrays, at_once, state

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

STAGES = ("4x4", "8x8_fade", "8x8")
FROM_2 = ("2x2", "4x4_fade", "4x4", "8x8_fade", "8x8")


def small(seed: int = 0, **arguments) -> ProgressiveGAN:
    backend.set_seed(seed)
    defaults = {"latent_dim": 3, "filters": (5, 4), "base_size": 4, "fade_steps": 4}
    model = ProgressiveGAN((8, 8, 1), **{**defaults, **arguments})
    average = {"use_ema": True, "ema_momentum": 0.9}
    model.compile(
        {
            "critic": keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.9),
            "generator": keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.9, **average),
        }
    )
    return model


def images(n: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, size=(n, 8, 8, 1)).astype("float32")


def numpy(x) -> np.ndarray:
    return ops.convert_to_numpy(x)


def at_alpha(model: ProgressiveGAN, alpha: float) -> None:
    """Puts a model as far into the fade of its stage."""
    model.step.assign(int(model.stage_start) + round(alpha * model.fade_steps) - 1)


@pytest.fixture(scope="module")
def model() -> ProgressiveGAN:
    """A model of five stages; not for training: each compiles anew."""
    model = small(filters=(6, 5, 4), base_size=2)
    for variable in model.trainable_variables:
        if "bias" in variable.path:
            variable.assign(np.random.default_rng(2).normal(size=variable.shape))
    return model


def test_stages_are_named_after_their_resolutions():
    assert small().stages == STAGES
    assert small(filters=(4, 4, 4), base_size=2).stages == FROM_2
    large = ProgressiveGAN((32, 32, 3), filters=(4, 3, 2))
    assert large.stages == ("8x8", "16x16_fade", "16x16", "32x32_fade", "32x32")
    assert large.generators["32x32"].output_shape == (None, 32, 32, 3)
    assert large.critics["16x16_fade"].input_shape[0] == (None, 16, 16, 3)


def test_wrong_arguments_are_refused():
    for side in (8, 12, 24):
        with pytest.raises(ValueError, match="not a square of 16, 32, 64"):
            ProgressiveGAN((side, side, 1), filters=(4, 4))
    with pytest.raises(ValueError, match="not a square"):
        ProgressiveGAN((16, 32, 1), filters=(4, 4))
    with pytest.raises(ValueError, match="each of the resolutions 8, 16"):
        ProgressiveGAN((16, 16, 1), filters=(4, 4, 4))
    with pytest.raises(ValueError, match=r"a shape \(height, width, channels\)"):
        ProgressiveGAN((2,))
    with pytest.raises(ValueError, match="fade_steps"):
        ProgressiveGAN((16, 16, 1), filters=(4, 4), fade_steps=0)
    with pytest.raises(ValueError, match='no stage "16x16"'):
        small().enter_stage("16x16")


@pytest.mark.parametrize(("before", "fading", "after"), [FROM_2[:3], FROM_2[2:]])
def test_a_new_resolution_fades_in(model, before, fading, after):
    """At alpha 0 both networks are the old ones between halving and doubling, at 1 the new ones, exactly."""
    latents = np.random.default_rng(0).normal(size=(5, 3)).astype("float32")
    side = int(after.split("x")[0])
    x = np.random.default_rng(1).normal(size=(5, side, side, 1)).astype("float32")
    halved = x.reshape(5, side // 2, 2, side // 2, 2, 1).mean((2, 4))
    nothing, all_of_it = np.zeros(5, "float32"), np.ones(5, "float32")
    generators, critics = model.generators, model.critics

    old, new = numpy(generators[before](latents)), numpy(generators[after](latents))
    doubled = old.repeat(2, 1).repeat(2, 2)
    np.testing.assert_array_equal(numpy(generators[fading]([latents, nothing])), doubled)
    np.testing.assert_array_equal(numpy(generators[fading]([latents, all_of_it])), new)
    between = numpy(generators[fading]([latents, 0.25 * all_of_it]))
    np.testing.assert_allclose(between, 0.75 * doubled + 0.25 * new, atol=1e-5)

    scores = numpy(critics[fading]([x, nothing]))
    np.testing.assert_allclose(scores, numpy(critics[before](halved)), rtol=1e-5, atol=1e-6)
    scores = numpy(critics[fading]([x, all_of_it]))
    np.testing.assert_allclose(scores, numpy(critics[after](x)), rtol=1e-5, atol=1e-6)


def test_data_are_shrunk_and_fade_in(model):
    x = images()
    quarter = x.reshape(8, 4, 2, 4, 2, 1).mean((2, 4))
    eighth = quarter.reshape(8, 2, 2, 2, 2, 1).mean((2, 4))
    model.enter_stage("2x2")
    np.testing.assert_allclose(numpy(model._shrunk(x)), eighth, atol=1e-6)
    model.enter_stage("4x4_fade")
    at_alpha(model, 0.5)
    expected = 0.5 * quarter + 0.5 * eighth.repeat(2, 1).repeat(2, 2)
    np.testing.assert_allclose(numpy(model._shrunk(x)), expected, atol=1e-6)
    model.enter_stage("4x4")
    np.testing.assert_allclose(numpy(model._shrunk(x)), quarter, atol=1e-6)
    model.enter_stage("8x8")
    np.testing.assert_array_equal(numpy(model._shrunk(x)), x)


def numbers() -> list[int]:
    """How many layers of two kinds were made, these included."""
    kinds = (keras.layers.AveragePooling2D, keras.layers.UpSampling2D)
    return [int(kind(2).name.split("_")[-1]) for kind in kinds]


def test_each_stage_trains_the_layers_that_it_uses_and_makes_none():
    model = small()
    used = {}
    numbers()
    before_all = numbers()
    for stage in model.stages:
        model.enter_stage(stage)
        at_alpha(model, 0.5)
        before = arrays(model.trainable_variables)
        model.train_on_batch(images())
        model.sample(2)
        moved = {
            key.split(":")[1].split("/")[0]
            for key, value in arrays(model.trainable_variables).items()
            if not np.array_equal(value, before[key])
        }
        networks = (model.generators[stage], model.critics[stage])
        own = {each.path.split("/")[0] for net in networks for each in net.trainable_variables}
        assert moved == own, stage
        used[stage] = moved
    assert "generator_4_to_image" in used["8x8_fade"]
    assert "generator_4_to_image" not in used["8x8"]
    assert "critic_4_from_image" not in used["8x8"]
    assert {"critic_4_first", "generator_4_last"} <= used["8x8"], "they go on learning"
    assert not any("_8_" in name for name in used["4x4"])
    # A layer made while a step is traced would shift the names in files that are written afterwards.
    assert numbers() == [number + 1 for number in before_all]


def test_a_stage_begins_with_optimizers_that_forget_and_counts_its_steps():
    model = small()
    for seed in range(3):
        model.train_on_batch(images(seed=seed))
    critic, generator = model.optimizer["critic"], model.optimizer["generator"]
    averages = [numpy(average).copy() for _, average in model.optimizer.averages()]
    assert int(critic.iterations) == 3
    model.enter_stage("8x8_fade")
    for member in (critic, generator):
        assert int(member.iterations) == 0
        assert float(member.learning_rate) == pytest.approx(0.01)
        assert not any(numpy(each).any() for each in [*member._momentums, *member._velocities])
    for (_, average), expected in zip(model.optimizer.averages(), averages, strict=True):
        np.testing.assert_array_equal(numpy(average), expected)
    seen = [float(model.alpha())]
    model.train_on_batch(images())
    for variable, average in model.optimizer.averages():
        np.testing.assert_allclose(numpy(average), numpy(variable), rtol=1e-6, atol=1e-7)
    for _ in range(4):
        seen.append(float(model.alpha()))
        model.train_on_batch(images())
    assert seen == [0.25, 0.5, 0.75, 1.0, 1.0]
    model.enter_stage("8x8_fade")
    assert float(model.alpha()) == 1.0, "entering the stage that it is in changes nothing"


def test_the_losses_are_those_of_the_paper(monkeypatch):
    """Against the critic's scores and finite differences of them, while a resolution fades in."""
    latents = np.random.default_rng(3).normal(size=(8, 3)).astype("float32")
    fractions = np.random.default_rng(4).uniform(size=(8,)).astype("float32")
    monkeypatch.setattr(keras.random, "normal", lambda *_, **__: ops.convert_to_tensor(latents))
    monkeypatch.setattr(keras.random, "uniform", lambda *_, **__: ops.convert_to_tensor(fractions))
    model = small(penalty_weight=3.0, drift=0.5, filters=(5, 4, 4), base_size=2)
    model.enter_stage("4x4_fade")
    at_alpha(model, 0.25)
    batch = {"image": ops.convert_to_tensor(images())}
    quarter = np.full(8, 0.25, "float32")
    critic, real = model.critics["4x4_fade"], numpy(model._shrunk(batch["image"]))

    score = backend.compile_function(lambda *inputs: critic(list(inputs)), critic.variables)
    losses = at_once(
        lambda x: [
            loss({"image": x}, True) for loss in (model._critic_loss, model._generator_loss)
        ],
        model._loss_state(),
    )

    def scores(x) -> np.ndarray:
        return numpy(score(x.astype("float32"), quarter))

    fake = numpy(model.generators["4x4_fade"]([latents, quarter]))
    between = fake + fractions[:, None, None, None] * (real - fake)
    gradients = np.zeros((8, 16))
    for pixel in range(16):
        for example in range(8):
            moved = np.zeros((8, 16))
            moved[example, pixel] = 1e-2
            moved = moved.reshape(between.shape)
            # A score depends on its neighbours in the batch: the gradient is of their sum.
            difference = scores(between + moved).sum() - scores(between - moved).sum()
            gradients[example, pixel] = difference / 2e-2
    penalty = np.square(np.linalg.norm(gradients, axis=1) - 1.0).mean()
    expected = scores(fake).mean() - scores(real).mean() + 3.0 * penalty
    expected += 0.5 * np.square(scores(real)).mean()
    of_critic, of_generator = (float(numpy(loss)) for loss in losses(batch["image"]))
    assert of_critic == pytest.approx(expected, rel=2e-2, abs=2e-2)
    assert of_generator == pytest.approx(-scores(fake).mean(), rel=1e-4, abs=1e-5)


@pytest.mark.parametrize("stage", FROM_2)
def test_every_stage_samples_images_of_the_full_size(model, stage):
    model.enter_stage(stage)
    samples = model.sample(4, seed=3)
    assert samples.shape == (4, 8, 8, 1)
    assert np.abs(samples).max() <= 1.0
    np.testing.assert_array_equal(samples, model.sample(4, seed=3))
    assert not np.array_equal(samples, model.sample(4, seed=4))
    side = int(stage.split("x")[0])
    factor = 8 // side
    coarse = samples[:, ::factor, ::factor]
    np.testing.assert_array_equal(samples, coarse.repeat(factor, 1).repeat(factor, 2))


@pytest.mark.parametrize("stage", STAGES[1:2])
def test_resuming_within_a_stage_equals_never_stopping(stage, tmp_path):
    # As in a new process, layers are counted from the start: TensorFlow adds up in the order of their names.
    keras.utils.clear_session(free_memory=False)
    model = small(seed=7)
    for each in STAGES[: STAGES.index(stage) + 1]:
        model.enter_stage(each)
    model.train_on_batch(images(seed=1))
    model.save(tmp_path / "model.keras")
    keras.utils.clear_session(free_memory=False)
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    assert resumed.stage == stage
    # The pipeline names the stage anew.
    resumed.enter_stage(stage)
    np.testing.assert_array_equal(resumed.sample(3, seed=5), model.sample(3, seed=5))
    following = STAGES[STAGES.index(stage) + 1]
    for each in (model, resumed):
        each.train_on_batch(images(seed=2))
        each.enter_stage(following)
    actual = state(resumed)
    for (key, value), other in zip(state(model).items(), actual.values(), strict=True):
        np.testing.assert_array_equal(other, value, key)


def test_weights_alone_restore_the_stage(tmp_path):
    """A copy without optimizers, as models are kept: weights first, then the stage."""
    model = small()
    model.enter_stage("8x8_fade")
    rng = np.random.default_rng(2)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape).astype("float32"))
    at_alpha(model, 0.75)
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    copy.enter_stage(model.stage)
    assert float(copy.alpha()) == float(model.alpha()) == 0.75
    copy.save_weights(tmp_path / "model.weights.h5")
    loaded = type(model).from_config(model.get_config())
    loaded.load_weights(tmp_path / "model.weights.h5")
    assert loaded.stage == "8x8_fade"
    np.testing.assert_array_equal(loaded.sample(3, seed=1), model.sample(3, seed=1))


def frechet(first: np.ndarray, second: np.ndarray) -> float:
    """The Fréchet distance of the pixels' means and covariances."""
    first, second = first.reshape(len(first), -1), second.reshape(len(second), -1)
    one, two = np.cov(first.T), np.cov(second.T)
    roots = np.sqrt(np.maximum(np.linalg.eigvals(one @ two).real, 0.0)).sum()
    means = np.square(first.mean(0) - second.mean(0)).sum()
    return float(means + np.trace(one) + np.trace(two) - 2.0 * roots)


# Compiling takes most of the time here, and is quicker without XLA.
@pytest.mark.once("tensorflow")
def test_it_learns_digits():
    """Other real digits are at 0.4, their enlarged 4 x 4 averages at 13, the untrained model at 55."""
    digits = (load_digits().images / 8.0 - 1.0).astype("float32")[..., None]
    digits = np.random.default_rng(0).permutation(digits)
    train, held_out = digits[:1300], digits[1300:]
    backend.set_seed(0)
    model = ProgressiveGAN((8, 8, 1), 16, filters=(24, 12), base_size=4, fade_steps=240)
    average = {"use_ema": True, "ema_momentum": 0.97}
    model.compile(
        {
            "critic": keras.optimizers.Adam(0.004, beta_1=0.0, beta_2=0.99),
            "generator": keras.optimizers.Adam(0.004, beta_1=0.0, beta_2=0.99, **average),
        }
    )
    untrained = frechet(model.sample(600), held_out)
    # The averages of the weights take their place when the last stage ends.
    for stage, epochs in zip(model.stages, (3, 3, 4), strict=True):
        model.enter_stage(stage)
        model.optimizer.finalizes = stage == model.stages[-1]
        model.fit(train, batch_size=16, epochs=epochs, verbose=0)
    trained = frechet(model.sample(600), held_out)
    assert untrained > 20.0
    assert trained < 8.0
