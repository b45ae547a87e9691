"""The reverse process of a diffusion model: samples, what noise leads to, and the way there."""

from typing import Literal

import keras
import numpy as np
from keras import ops

from gm_keras.core.arguments import checked
from gm_keras.models.diffusion import samplers
from gm_keras.ops.random import RandomStream, seed_word
from gm_keras.types import Flag, PositiveInt, Probability, Seed, SignedFloat, Timesteps


class ReverseMixin:
    """Sampling for a model with a `schedule`, a `variance`, and methods `_noise` and `_clean`."""

    def sample_batch(
        self,
        n,
        random,
        conditions,
        *,
        sampler: Literal["ddim", "ancestral"] = "ddim",
        steps: Timesteps | None = None,
        eta: Probability = 0.0,
        variance: Literal["beta", "beta_tilde"] | None = None,
        guidance: SignedFloat = 0.0,
        clip: Flag | None = None,
    ):
        """Runs a sampler from pure noise.

        Args:
            n: How many.
            random: The stream of seeds.
            conditions: The label; without it samples are of no class.
            sampler: "ddim" or "ancestral".
            steps: How many of the T times are visited; by default 50 with DDIM, all with "ancestral".
            eta: Of DDIM: 0 adds no noise on the way, 1 as much as the ancestral sampler.
            variance: Of the ancestral sampler: "beta" or "beta_tilde"; by default the model's.
            guidance: w in (1 + w) noise(x, told) - w noise(x, untold): 0 is the model as trained, more is clearer
                and less diverse, -1 ignores what it is told; of an untold model there is nothing to guide.
            clip: Keep the expected clean example within [-1, 1]; by default for images.
        """
        options = {"sampler": sampler, "steps": steps, "eta": eta, "variance": variance}
        count, step = self._reverse_steps(n, random, conditions, guidance, clip, options)
        noise = self._draw_latents(n, random.next())
        return ops.fori_loop(0, count, lambda index, x: step(index, x)[1], noise)

    def complete_sampling_options(self, options):
        """Fills in the model's own variance, numbers of steps and clipping.

        Raises:
            ValueError: If there are more steps than times, or a model that has not learned to do without what it is
                told shall be guided.
        """
        if options["guidance"] and not self.conditions:
            raise ValueError("guidance needs a model with classes: train it with num_classes")
        if options["guidance"] and not any(each.optional for each in self.conditions.values()):
            raise ValueError(
                "guidance needs a model that can do without: train it with dropout of labels"
            )
        steps = options["steps"]
        if steps is None:
            most = 50 if options["sampler"] == "ddim" else self.timesteps
            steps = min(most, self.timesteps)
        samplers.spaced_times(self.timesteps, steps)
        return {
            **options,
            "steps": steps,
            "variance": options["variance"] or self.variance,
            "clip": self._clips if options["clip"] is None else options["clip"],
        }

    def _steps(self, *, sampler, steps, eta, variance, **_):
        if sampler == "ddim":
            return samplers.ddim(self.schedule, steps, eta)
        return samplers.ancestral(self.schedule, steps, variance)

    def _reverse_steps(self, n, random, conditions, guidance, clip, options):
        """How many steps a sampler takes, and `step(index, x) -> (expected clean examples, next x)`."""
        steps = self._steps(**options)
        shape = (n, *self.data_shape)
        times = ops.convert_to_tensor(steps.times.astype("int32"))
        tables = [
            ops.convert_to_tensor(table.astype("float32"))
            for table in (steps.clean, steps.noisy, steps.noise)
        ]

        def step(index, x):
            time = ops.full((n,), 1, dtype="int32") * ops.take(times, index)
            predicted = self.guided(self._noise, (x, time), conditions, guidance)
            expected = self._clean(x, time, predicted, clip)
            clean, noisy, noise = (ops.take(table, index) for table in tables)
            drawn = keras.random.normal(shape, seed=random.at(index))
            return expected, clean * expected + noisy * x + noise * drawn

        return len(steps.times), step

    @checked
    def decode(
        self,
        latents,
        *,
        steps: Timesteps | None = None,
        guidance: SignedFloat = 0.0,
        clip: Flag | None = None,
        **conditions,
    ):
        """The examples to which deterministic DDIM (Song et al. 2021, arXiv 2010.02502) leads noise.

        With `eta` 0 an example is a function of the noise at its beginning, which so is its latent:
        `decode(draw_latents(n, seed=seed))` is `sample(n, seed=seed)` with the sampler "ddim" and `eta` 0.

        Args:
            latents: Noise `(batch, *shape of one example)`, such as `draw_latents` gives.
            steps: How many of the T times are visited; by default 50, or all that there are.
            guidance: As in `sample`.
            clip: As in `sample`.
            **conditions: As in `sample`.

        Returns:
            Examples `(batch, *shape of one example)` in the range of the training data.

        Raises:
            ValueError: If an argument is out of range, or `sample` refuses it.
        """
        options = self.check_sampling_options({"steps": steps, "guidance": guidance, "clip": clip})
        return self.run_told(self._decode, conditions, latents, **options)

    def _decode(self, latents, conditions, *, guidance, clip, **options):
        n = ops.shape(latents)[0]
        count, step = self._reverse_steps(n, RandomStream(0), conditions, guidance, clip, options)
        return ops.fori_loop(0, count, lambda index, x: step(index, x)[1], latents)

    @checked
    def trajectory(self, n: PositiveInt, *, seed: Seed = 0, frames: PositiveInt = 8, **given):
        """The way from noise to samples: states x_t, and the clean examples expected from them.

        Args:
            n: How many samples.
            seed: As in `sample`.
            frames: States to keep, evenly spaced over the steps, the first noise and the sample included.
            **given: Conditions and options of `sample`: `sampler`, `steps`, `eta`, `variance`, `guidance`, `clip`.

        Returns:
            Two arrays `(frames, n, *shape of one example)`: the states, and what the model expects to come of each.
            Both end in `sample(n, seed=seed, **given)`.

        Raises:
            ValueError: If there are fewer than 2 frames or more than steps + 1, or `sample` refuses an argument.
        """
        conditions, options = self.sampling_arguments(given)
        if not 2 <= frames <= options["steps"] + 1:
            raise ValueError(
                f"frames must be from 2 to steps + 1 = {options['steps'] + 1}, not {frames}"
            )
        told = self.told(conditions, n, seed=seed)
        static = {"n": n, "frames": frames, **options}
        states = self.run_compiled(self._trajectory, seed_word(seed), told, **static)
        return tuple(ops.convert_to_numpy(each) for each in states)

    def _trajectory(self, seed, conditions, *, n, frames, guidance, clip, **options):
        random = RandomStream(seed)
        count, step = self._reverse_steps(n, random, conditions, guidance, clip, options)
        kept = np.round(np.linspace(0, count, frames)).astype("int32")
        kept = ops.reshape(ops.convert_to_tensor(kept), (-1, 1, *[1] * len(self.data_shape)))

        def keep(index, carried):
            x, noisy, expected = carried
            clean, following = step(index, x)
            noisy, expected = (
                ops.where(ops.equal(kept, index), new[None], old)
                for new, old in ((x, noisy), (clean, expected))
            )
            return following, noisy, expected

        empty = ops.zeros((frames, n, *self.data_shape))
        x, *states = ops.fori_loop(
            0, count, keep, (self._draw_latents(n, random.next()), empty, empty)
        )
        return tuple(ops.where(ops.equal(kept, count), x[None], each) for each in states)
