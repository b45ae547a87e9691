"""InfoGAN (Chen, Duan, Houthooft, Schulman, Sutskever & Abbeel 2016, "InfoGAN: Interpretable Representation Learning by
Information Maximizing Generative Adversarial Nets", arXiv 1606.03657).

As in the paper: latents are noise, categorical codes and continuous ones, uniform in [-1, 1]; Q(c | x) shares all layers
of the discriminator but the last, and has a hidden layer of its own with batch normalization; it is categorical, or
normal. Both players add the bound on the mutual information of codes and samples, E log Q(c | x) + H(c), to their game:
the discriminator's phase updates Q, as in the authors' code. The weight of the bound is 1, for both kinds of codes. The
deviation of a normal Q is 1, as in the authors' code for MNIST, or learned, as the paper describes.

The networks are the convolutional ones for MNIST: those of DCGAN, with a dense layer before the generator's convolutions
and after the discriminator's.

Differences from the paper: images lie in [-1, 1] with a tanh, and the slope of LeakyReLU is 0.2 instead of 0.1. A
categorical code is a latent that is uniform in [-1, 1] too, cut into as many equal parts as there are classes: all
latents have one distribution then.
"""

import keras
from keras import ops

from gm_keras.core.statistics import unchanged
from gm_keras.distributions.information import categorical_information, continuous_information
from gm_keras.layers.categorical_codes import class_of
from gm_keras.losses.adversarial import OBJECTIVES
from gm_keras.models.gan.base import GAN
from gm_keras.networks.infogan import coded_generator, recognizing_discriminator
from gm_keras.types import (
    AtLeastTwo,
    Class,
    Codes,
    CodesOrNone,
    Filters,
    Flag,
    Halvings,
    ImageShape,
    NonNegativeFloat,
    Width,
)


@keras.saving.register_keras_serializable("gm_keras")
class InfoGAN(GAN):
    """GAN whose codes can be read off its samples; optimizers "discriminator" and "generator".

    Latents are `[categorical codes, continuous codes, noise]`, in this order, each uniform in [-1, 1].

    Args:
        image_shape: (height, width, channels), height and width even; images in [-1, 1].
        noise_dim: Number of latents that are noise.
        categorical_codes: How many codes are classes.
        num_codes: Classes of each of them.
        continuous_codes: How many codes are numbers.
        filters: Of the discriminator's first and the generator's last hidden layer; each layer farther
            from the image has twice as many.
        stages: How often the image is halved; None goes on to a side of 4, or an odd one.
        units: Of the generator's dense layer, and of that which discriminator and Q share.
        code_units: Of the hidden layer that is Q's own.
        categorical_weight: Of the bound on the information of the categorical codes (lambda in the paper).
        continuous_weight: Of that of the continuous ones.
        learned_deviation: Whether Q says how sure it is of continuous codes; otherwise its deviation is 1. What it
            learns has no bound: it may read the codes ever more exactly, at the cost of all else that varies.
    """

    offers = GAN.offers | {"codes"}
    latent_prior = "uniform"

    def __init__(
        self,
        image_shape: ImageShape,
        noise_dim: Width = 62,
        categorical_codes: Codes = 1,
        num_codes: AtLeastTwo = 10,
        continuous_codes: CodesOrNone = 2,
        filters: Filters = 64,
        stages: Halvings | None = None,
        units: Width = 1024,
        code_units: Width = 128,
        categorical_weight: NonNegativeFloat = 1.0,
        continuous_weight: NonNegativeFloat = 1.0,
        learned_deviation: Flag = False,
        name: str | None = None,
    ):
        super().__init__(name=name)
        latent_dim = categorical_codes + continuous_codes + noise_dim

        # ---- networks ----
        sizes = (image_shape, filters, stages, units)
        self.generator = coded_generator(
            latent_dim, categorical_codes, num_codes, *sizes, name="generator"
        )
        of_each = 2 if learned_deviation else 1
        parameters = categorical_codes * num_codes + of_each * continuous_codes
        self.discriminator = recognizing_discriminator(
            *sizes, code_units, parameters, name="discriminator"
        )

        # ---- config ----
        self.objective = OBJECTIVES["non_saturating"]
        self.latent_dim = latent_dim
        self.categorical_codes = categorical_codes
        self.num_codes = num_codes
        self.continuous_codes = continuous_codes
        self.categorical_weight = categorical_weight
        self.continuous_weight = continuous_weight
        self.learned_deviation = learned_deviation
        of_numbers = ("continuous_information",) if continuous_codes else ()
        self.setup(logs=("categorical_information", *of_numbers))

    @property
    def latent_names(self) -> tuple[str, ...]:
        """What the first latents are, which mean something: the codes."""
        kinds = {"class": self.categorical_codes, "code": self.continuous_codes}
        return tuple(f"{kind} {1 + each}" for kind, n in kinds.items() for each in range(n))

    def inference_networks(self):
        return {"generator": self.generator, "discriminator": self.discriminator}

    # ---- losses -----------------------------------------------------------------------------------

    def _judged(self, x, training):
        """The logits of examples, and the parameters of Q."""
        return [ops.cast(each, "float32") for each in self.discriminator(x, training=training)]

    def _critic_loss(self, batch, training):
        real = batch[self.data_field]
        latents = self._draw_latents(ops.shape(real)[0], self.seed_generator)
        with unchanged(self.generator):
            fake = ops.stop_gradient(self._generated(latents, {}, training))
        real_logits, _ = self._judged(real, training)
        fake_logits, parameters = self._judged(fake, training)
        self._log_scores(real_logits, fake_logits)
        information = self._information(latents, parameters)
        return self.objective.critic(real_logits, fake_logits) - information

    def _generator_loss(self, batch, training):
        latents = self._draw_latents(ops.shape(batch[self.data_field])[0], self.seed_generator)
        fake = self._generated(latents, {}, training)
        with unchanged(self.discriminator):
            logits, parameters = self._judged(fake, training)
        return self.objective.generator(logits) - self._information(latents, parameters)

    def _information(self, latents, parameters):
        """The weighted bound on the information that fakes have on their codes; its parts are curves."""
        classes, numbers = self.categorical_codes, self.continuous_codes
        logits, means, log_variances = self._parted(parameters)
        chosen = class_of(latents[:, :classes], self.num_codes)
        of_classes = categorical_information(logits, chosen)
        self.log("categorical_information", of_classes)
        total = self.categorical_weight * of_classes
        if numbers:
            values = latents[:, classes : classes + numbers]
            of_numbers = continuous_information(means, log_variances, values)
            self.log("continuous_information", of_numbers)
            total = total + self.continuous_weight * of_numbers
        return total

    def _parted(self, parameters):
        """The logits `(batch, codes, classes)`, means and log-variances `(batch, codes)` of Q."""
        end = self.categorical_codes * self.num_codes
        logits = ops.reshape(parameters[:, :end], (-1, self.categorical_codes, self.num_codes))
        means, rest = ops.split(parameters[:, end:], [self.continuous_codes], axis=-1)
        return logits, means, rest if self.learned_deviation else ops.zeros_like(means)

    # ---- capabilities -----------------------------------------------------------------------------

    def codes(self, x):
        """The most probable classes of examples `(batch, *image_shape)`: int32 `(batch, categorical_codes)`."""
        return self.run_told(self._codes, {}, x)

    def _codes(self, x, conditions):
        return ops.argmax(self._parted(self._judged(x, False)[1])[0], axis=-1)

    def complete_sampling_options(self, options):
        """As of every model; `code` must be a class that there is."""
        code = options["code"]
        if code is not None and code >= self.num_codes:
            raise ValueError(f"code must be 0 to {self.num_codes - 1}, not {code}")
        return options

    def sample_batch(self, n, random, conditions, *, code: Class | None = None):
        """Examples of random latents; with `code` the first categorical code is that class in all of them."""
        latents = self._draw_latents(n, random.next())
        if code is not None:
            middle = (2.0 * code + 1.0) / self.num_codes - 1.0
            latents = ops.concatenate([ops.full((n, 1), middle), latents[:, 1:]], axis=-1)
        return self._decode(latents, conditions)
