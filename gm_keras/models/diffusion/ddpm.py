"""Denoising diffusion (Ho, Jain & Abbeel 2020, "Denoising Diffusion Probabilistic Models", arXiv 2006.11239).

Differences from the paper: smaller networks, with 8 groups in the group normalizations instead of 32 and, by
default, two resolutions instead of four; besides the linear schedule the cosine one (Nichol & Dhariwal 2021, arXiv
2102.09672); besides the ancestral sampler, which can skip times as theirs can, DDIM (Song, Meng & Ermon 2021,
arXiv 2010.02502), the default; labels with classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598); a
fully connected network for vectors, whose last step has a normal density; the time is 1 to T as in the text, not 0
to T - 1 as in the authors' code, and is embedded as if T were 1000; the discretized likelihood is not clamped at
1e-12. The moving average of the weights, without which the samples are poor, is the optimizer's:
`keras.optimizers.Adam(use_ema=True, ema_momentum=...)`.
"""

import keras
import numpy as np
from keras import ops

from gm_keras.core import GenerativeModel, LatentsMixin, Phase
from gm_keras.distributions import discretized_normal, normal
from gm_keras.models.diffusion import samplers
from gm_keras.models.diffusion.schedules import SCHEDULES
from gm_keras.networks.unet import timed_dense, unet
from gm_keras.ops.random import NoiseSeeds, RandomStream

# The bound has one term for each time; by default it evaluates this many at the most.
DEFAULT_TERMS = 128


@keras.saving.register_keras_serializable("gm_keras")
class DDPM(LatentsMixin, GenerativeModel):
    """Denoising diffusion model that predicts the noise, with a U-Net for images or a dense one for vectors.

    Args:
        image_shape: Shape of one example: (height, width, channels), or (features,) with the dense network.
        timesteps: T, the number of steps of the forward process.
        schedule: "linear" (the paper's) or "cosine" (better for small images).
        variance: Of the reverse process in the bound and the ancestral sampler: "beta" or "beta_tilde".
        network: "unet" or "dense".
        filters: Of the U-Net at full resolution; a multiple of 8.
        multipliers: Of `filters` at each resolution; each after the first halves the image.
        blocks: Residual blocks of the U-Net at each resolution.
        attention: Heights of feature maps with self-attention (between the ways down and up there always is).
        units: Widths of the residual blocks of the dense network.
        dropout: In each residual block.
        levels: Number of grey levels of the data, or None for continuous data.
        num_classes: Condition on a label of so many classes.
        label_dropout: The share of labels hidden in training, from which the model learns to do without.
    """

    offers = frozenset({"sampler", "bound", "latents", "trajectory"})
    fused_positions = 64

    def __init__(
        self,
        image_shape,
        timesteps=1000,
        schedule="linear",
        variance="beta",
        network="unet",
        filters=32,
        multipliers=(1, 2),
        blocks=2,
        attention=(4, 7),
        units=(128, 128, 128),
        dropout=0.1,
        levels=None,
        num_classes=None,
        label_dropout=0.1,
        name=None,
    ):
        super().__init__(name=name)
        if schedule not in SCHEDULES:
            raise ValueError(f'schedule must be "linear" or "cosine", not {schedule!r}')
        if network not in ("unet", "dense"):
            raise ValueError(f'network must be "unet" or "dense", not {network!r}')
        if (network == "unet") != (len(image_shape) == 3):
            raise ValueError(
                'images need network="unet" and vectors network="dense", not '
                f"{network!r} with the shape {tuple(image_shape)}"
            )
        if timesteps < 1:
            raise ValueError(f"timesteps must be at least 1, not {timesteps}")
        if not 0.0 <= label_dropout < 1.0:
            raise ValueError(
                f"label_dropout must be at least 0 and less than 1, not {label_dropout}"
            )

        # ---- networks ----
        common = {"dropout": dropout, "timesteps": timesteps, "num_classes": num_classes}
        if network == "unet":
            self.denoiser = unet(
                image_shape,
                filters=filters,
                multipliers=multipliers,
                blocks=blocks,
                attention=attention,
                name="denoiser",
                **common,
            )
        else:
            self.denoiser = timed_dense(image_shape[0], units=units, name="denoiser", **common)

        # ---- state ----
        self.seed_generator = NoiseSeeds(0)

        # ---- config ----
        self.timesteps = timesteps
        self.schedule = SCHEDULES[schedule](timesteps)
        self.variance = variance
        self.reverse_variance = self.schedule.reverse_variance(variance)
        self.levels = levels
        self.num_classes = num_classes
        self.label_dropout = label_dropout
        self.setup()

    def phases(self):
        return [Phase("noise", self._loss, (self.denoiser,))]

    def inference_networks(self):
        return {"denoiser": self.denoiser}

    @property
    def nats_of(self) -> str:
        """What the bound is a bound of: "discrete" data or a "density"."""
        return "discrete" if self.levels else "density"

    # ---- the forward process and its reversal -----------------------------------------------------

    def _at(self, table: np.ndarray, time):
        """Values of a `(T + 1,)` table at integer times `(batch,)`, shaped to multiply examples."""
        values = ops.take(ops.convert_to_tensor(table.astype("float32")), time)
        return ops.reshape(values, (-1, *[1] * len(self.data_shape)))

    def _diffuse(self, x, time, noise):
        """A draw of q(x_t | x_0) made of the given standard normal noise."""
        alpha_bar = self.schedule.alpha_bar
        return (
            self._at(np.sqrt(alpha_bar), time) * x
            + self._at(np.sqrt(1.0 - alpha_bar), time) * noise
        )

    def _noise(self, x, time, label=None, training=False):
        """The noise that the network sees in `x`; label `num_classes` or None means that there is none."""
        inputs = [x, time]
        if self.num_classes:
            inputs.append(ops.full_like(time, self.num_classes) if label is None else label)
        return ops.cast(self.denoiser(inputs, training=training), "float32")

    def _guided_noise(self, x, time, label, guidance):
        if guidance == 0.0 or label is None:
            return self._noise(x, time, label)
        without = ops.full_like(label, self.num_classes)
        both = self._noise(
            ops.concatenate([x, x]), ops.tile(time, [2]), ops.concatenate([label, without])
        )
        conditional, unconditional = ops.split(both, 2)
        return (1.0 + guidance) * conditional - guidance * unconditional

    def _clean(self, x, time, noise, clip):
        """The expected clean example, given the noise that was predicted."""
        alpha_bar = self.schedule.alpha_bar
        clean = (x - self._at(np.sqrt(1.0 - alpha_bar), time) * noise) * self._at(
            1.0 / np.sqrt(alpha_bar), time
        )
        return ops.clip(clean, -1.0, 1.0) if clip else clean

    @property
    def _clips(self) -> bool:
        # Images lie in [-1, 1], vectors anywhere.
        return len(self.data_shape) == 3

    def _loss(self, batch, training):
        x, label = batch[self.data_field], batch.get("label")
        size = ops.shape(x)[0]
        time = keras.random.randint((size,), 1, self.timesteps + 1, seed=self.seed_generator)
        noise = keras.random.normal(ops.shape(x), seed=self.seed_generator)
        if not self.num_classes:
            label = None
        elif training:
            hidden = keras.random.uniform((size,), seed=self.seed_generator) < self.label_dropout
            label = ops.where(hidden, self.num_classes, label)
        predicted = self._noise(self._diffuse(x, time, noise), time, label, training)
        return ops.mean(ops.square(noise - predicted))

    # ---- the bound --------------------------------------------------------------------------------

    def elbo(self, x, *, label=None, seed=0, num_terms=None):
        """The variational bound on log p(x), or log p(x | label), in nats: `(batch,)`.

        It is L_T + the sum of L_{t-1} + L_0 of the paper's equation 5 with the sign turned, each term with one
        draw of the noise. Of the T - 1 terms between the ends `num_terms` are evaluated: when that is fewer,
        at random times, one in each of so many equal parts of 2 to T, which keeps the sum unbiased.

        Args:
            x: Examples in the range of the training data.
            label: `(batch,)`; None bounds the likelihood without a label.
            seed: Of the noise.
            num_terms: From 1 to T - 1; by default all of them, but at most 128.

        Raises:
            ValueError: If `num_terms` is out of range.
        """
        between = self.timesteps - 1
        terms = min(between, DEFAULT_TERMS) if num_terms is None else num_terms
        if num_terms is not None and not 1 <= terms <= between:
            raise ValueError(f"num_terms must be from 1 to timesteps - 1 = {between}, not {terms}")
        labels = self._labels(len(x), label)
        inputs = [x, np.int32(seed)] + ([] if labels is None else [labels])
        return self.run_compiled(self._elbo, *inputs, terms=terms)

    def _elbo(self, x, seed, label=None, *, terms):
        random = RandomStream(seed)
        x = ops.cast(x, "float32")
        size, between = ops.shape(x)[0], self.timesteps - 1
        weight = between / max(terms, 1)

        def time_of(index):
            if terms == between:
                return ops.full((size,), 2, dtype="int32") + index
            uniform = keras.random.uniform((size,), seed=random.at(2 * index + 1))
            place = (ops.cast(index, "float32") + uniform) * weight
            return 2 + ops.minimum(ops.cast(place, "int32"), between - 1)

        def add_term(index, total):
            time = time_of(index)
            noise = keras.random.normal(ops.shape(x), seed=random.at(2 * index))
            return total + self._divergence(x, time, noise, label) * weight

        divergence = ops.fori_loop(0, terms, add_term, self._prior_divergence(x))
        noise = keras.random.normal(ops.shape(x), seed=random.next())
        return self._reconstruction(x, noise, label) - divergence

    def _sum(self, values):
        return ops.sum(values, axis=tuple(range(1, len(values.shape))))

    def _prior_divergence(self, x):
        """L_T = KL(q(x_T | x_0) || N(0, 1))."""
        alpha_bar = self.schedule.alpha_bar[-1]
        constant = -alpha_bar - np.log1p(-alpha_bar)
        return self._sum(0.5 * (float(alpha_bar) * ops.square(x) + float(constant)))

    def _divergence(self, x, time, noise, label):
        """L_{t-1} = KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) at times from 2, both normal."""
        clean, _, variance = self.schedule.posterior()
        ratio = np.ones_like(variance)
        ratio[2:] = variance[2:] / self.reverse_variance[2:]
        weight = np.zeros_like(variance)
        weight[1:] = clean[1:] ** 2 / self.reverse_variance[1:]
        noisy = self._diffuse(x, time, noise)
        expected = self._clean(noisy, time, self._noise(noisy, time, label), self._clips)
        constant = self._at(ratio - 1.0 - np.log(ratio), time)
        return self._sum(0.5 * (self._at(weight, time) * ops.square(x - expected) + constant))

    def _reconstruction(self, x, noise, label):
        """-L_0 = log p(x_0 | x_1)."""
        time = ops.ones((ops.shape(x)[0],), dtype="int32")
        noisy = self._diffuse(x, time, noise)
        mean = self._clean(noisy, time, self._noise(noisy, time, label), self._clips)
        variance = float(self.reverse_variance[1])
        if self.levels:
            return self._sum(discretized_normal.log_prob(x, mean, variance**0.5, self.levels))
        return self._sum(normal.log_prob(x, mean, float(np.log(variance))))

    # ---- sampling ---------------------------------------------------------------------------------

    def sample(
        self,
        n,
        *,
        seed=0,
        label=None,
        batch_size=None,
        sampler="ddim",
        steps=None,
        eta=0.0,
        variance=None,
        guidance=0.0,
        clip=None,
    ):
        """Draws samples; the same seed gives the same samples on the same backend.

        Args:
            n: How many.
            seed: Any integer of 32 bits.
            label: One class for all, or one for each sample; None samples without a label.
            batch_size: How many at a time (default: all at once); shapes the random numbers too.
            sampler: "ddim" or "ancestral".
            steps: How many of the T times are visited; by default 50 with DDIM, all with "ancestral".
            eta: Of DDIM: 0 adds no noise on the way, 1 as much as the ancestral sampler.
            variance: Of the ancestral sampler: "beta" or "beta_tilde"; by default the model's.
            guidance: w in (1 + w) noise(x, label) - w noise(x, none): 0 is the model as trained, more is
                clearer and less diverse, -1 ignores the label; without a label there is nothing to guide to.
            clip: Keep the expected clean example within [-1, 1]; by default for images.

        Returns:
            Samples `(n, *shape of one example)`, float32, in the range of the training data.

        Raises:
            ValueError: If an argument is out of range or unknown, or a model without classes shall be guided.
        """
        options = self._sampling_options(sampler, steps, eta, variance, guidance, clip)
        return super().sample(n, seed=seed, label=label, batch_size=batch_size, **options)

    def _sampling_options(
        self, sampler="ddim", steps=None, eta=0.0, variance=None, guidance=0.0, clip=None
    ):
        """The options of `sample`, checked and complete."""
        if sampler not in samplers.SAMPLERS:
            raise ValueError(f'sampler must be "ddim" or "ancestral", not {sampler!r}')
        if guidance and not self.num_classes:
            raise ValueError("guidance needs a model with classes: train it with num_classes")
        if steps is None:
            steps = min(50, self.timesteps) if sampler == "ddim" else self.timesteps
        options = {
            "sampler": sampler,
            "steps": int(steps),
            "eta": float(eta),
            "variance": variance or self.variance,
            "guidance": float(guidance),
            "clip": self._clips if clip is None else bool(clip),
        }
        # Here, for a clear error: inside the compiled function it would come wrapped in others.
        self._steps(**options)
        return options

    def _steps(self, *, sampler, steps, eta, variance, **_):
        if sampler == "ddim":
            return samplers.ddim(self.schedule, steps, eta)
        return samplers.ancestral(self.schedule, steps, variance)

    def sample_batch(self, n, random, label=None, *, guidance, clip, **options):
        """Runs a sampler from pure noise; the options are those of `sample`, complete."""
        count, step = self._reverse_steps(n, random, label, guidance, clip, options)
        noise = self._draw_latents(n, random.next())
        return ops.fori_loop(0, count, lambda index, x: step(index, x)[1], noise)

    def _reverse_steps(self, n, random, label, guidance, clip, options):
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
            expected = self._clean(x, time, self._guided_noise(x, time, label, guidance), clip)
            clean, noisy, noise = (ops.take(table, index) for table in tables)
            drawn = keras.random.normal(shape, seed=random.at(index))
            return expected, clean * expected + noisy * x + noise * drawn

        return len(steps.times), step

    # ---- latents and the way of sampling ----------------------------------------------------------

    def _draw_latents(self, n, seed):
        return keras.random.normal((n, *self.data_shape), seed=seed)

    def decode(self, latents, *, label=None, steps=None, guidance=0.0, clip=None):
        """The examples to which deterministic DDIM (Song et al. 2021, arXiv 2010.02502) leads noise.

        With `eta` 0 an example is a function of the noise at its beginning, which so is its latent:
        `decode(draw_latents(n, seed=seed))` is `sample(n, seed=seed)` with the sampler "ddim" and `eta` 0.

        Args:
            latents: Noise `(batch, *shape of one example)`, such as `draw_latents` gives.
            label: One class for all, or one for each; None decodes without a label.
            steps: How many of the T times are visited; by default 50, or all that there are.
            guidance: As in `sample`.
            clip: As in `sample`.

        Returns:
            Examples `(batch, *shape of one example)` in the range of the training data.

        Raises:
            ValueError: If an argument is out of range, or a model without classes shall be guided.
        """
        options = self._sampling_options(steps=steps, guidance=guidance, clip=clip)
        labels = self._labels(len(latents), label)
        inputs = [latents] if labels is None else [latents, labels]
        return self.run_compiled(self._decode, *inputs, **options)

    def _decode(self, latents, label=None, *, guidance, clip, **options):
        n = ops.shape(latents)[0]
        count, step = self._reverse_steps(n, RandomStream(0), label, guidance, clip, options)
        return ops.fori_loop(0, count, lambda index, x: step(index, x)[1], latents)

    def trajectory(self, n, *, seed=0, label=None, frames=8, **options):
        """The way from noise to samples: states x_t, and the clean examples expected from them.

        Args:
            n: How many samples.
            seed: As in `sample`.
            label: As in `sample`.
            frames: States to keep, evenly spaced over the steps, the first noise and the sample included.
            **options: Of `sample`: `sampler`, `steps`, `eta`, `variance`, `guidance`, `clip`.

        Returns:
            Two arrays `(frames, n, *shape of one example)`: the states, and what the model expects to come of each.
            Both end in `sample(n, seed=seed, label=label, **options)`.

        Raises:
            ValueError: If there are fewer than 2 frames or more than steps + 1, or `sample` refuses an argument.
        """
        if n < 1:
            raise ValueError(f"the number of samples must be at least 1, not {n}")
        options = self._sampling_options(**options)
        if not 2 <= frames <= options["steps"] + 1:
            raise ValueError(
                f"frames must be from 2 to steps + 1 = {options['steps'] + 1}, not {frames}"
            )
        inputs = [np.int32(int(seed) % 2**31)]
        labels = self._labels(n, label)
        if labels is not None:
            inputs.append(labels)
        states = self.run_compiled(self._trajectory, *inputs, n=n, frames=frames, **options)
        return tuple(ops.convert_to_numpy(each) for each in states)

    def _trajectory(self, seed, label=None, *, n, frames, guidance, clip, **options):
        random = RandomStream(seed)
        count, step = self._reverse_steps(n, random, label, guidance, clip, options)
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
