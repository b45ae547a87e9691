"""Improved GAN (Salimans, Goodfellow, Zaremba, Cheung, Radford & Chen 2016, "Improved Techniques for Training GANs",
arXiv 1606.03498).

As in the paper: feature matching, minibatch discrimination, historical averaging, one-sided label smoothing and virtual
batch normalization, each on a switch of its own; and the semi-supervised classifier, whose discriminator has one logit
for each class, with fakes as one more class of logit 0. The generator's reference batch is drawn once; minibatch
discrimination sees the last hidden layer of the discriminator, data and fakes each in a batch of their own; the
historical averages are those of all past steps, in both players. By default all but feature matching are on: the paper
matches features for the best classifier, and discriminates minibatches for the best samples.

Differences from the paper: the networks of DCGAN, without weight normalization, noise and dropout in the
discriminator, which keeps batch normalization. A classifier takes labelled and unlabelled examples in one batch, where
a label of -1 stands for none; the paper takes as many of the one as of the other in each step, and discriminates no
minibatches then. Features are matched by their squared distance, as in the paper; the authors' code has the absolute
one. Real and fake logits weigh as much as the classes, as in the paper; the authors' code has half of that. Minibatch
discrimination neither normalizes its weights nor leaves the example itself out, as the authors' code does. The paper
gives no weight of the historical averaging.
"""

import keras
import numpy as np
from keras import ops

from gm_keras import backend
from gm_keras.core import ClassifierMixin
from gm_keras.core.statistics import unchanged
from gm_keras.losses import semi_supervised, steadying
from gm_keras.losses.adversarial import OBJECTIVES
from gm_keras.models.gan.base import GAN
from gm_keras.networks.dcgan import dcgan_generator
from gm_keras.networks.improved import improved_discriminator
from gm_keras.types import (
    AtLeastTwo,
    Filters,
    Flag,
    Fraction,
    Halvings,
    ImageShape,
    NonNegativeFloat,
    PositiveInt,
    Width,
)


@keras.saving.register_keras_serializable("gm_keras")
class ImprovedGAN(ClassifierMixin, GAN):
    """GAN with the techniques of the paper; optimizers "discriminator" and "generator".

    Args:
        image_shape: (height, width, channels), height and width even; images in [-1, 1].
        latent_dim: Number of latent variables.
        filters: Of the discriminator's first and the generator's last hidden layer; each layer farther
            from the image has twice as many.
        stages: How often the image is halved; None goes on to a side of 4, or an odd one.
        feature_matching: The generator matches the mean features of data, instead of being taken for data.
        minibatch_discrimination: The discriminator sees how close the examples of a batch are to each other.
        historical_averaging: Both players are held near the average of their past.
        label_smoothing: The discriminator's target for data is below 1.
        virtual_batch_normalization: The generator normalizes by a reference batch.
        kernels: Features of minibatch discrimination (B in the paper).
        kernel_dim: Of the space of each of them (C in the paper).
        historical_weight: Of the historical averaging.
        smoothing: How far below 1 the target for data is.
        reference: Size of the reference batch.
        classes: How many classes the discriminator tells apart, besides fakes; examples then have a label, from 0 on
            or -1 for none. None: no classifier.
    """

    latent_prior = "uniform"
    unlabelled = True

    def __init__(
        self,
        image_shape: ImageShape,
        latent_dim: Width = 100,
        filters: Filters = 64,
        stages: Halvings | None = None,
        feature_matching: Flag = False,
        minibatch_discrimination: Flag = True,
        historical_averaging: Flag = True,
        label_smoothing: Flag = True,
        virtual_batch_normalization: Flag = True,
        kernels: Width = 50,
        kernel_dim: Width = 5,
        historical_weight: NonNegativeFloat = 1e-3,
        smoothing: Fraction = 0.1,
        reference: PositiveInt = 64,
        classes: AtLeastTwo | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if classes and minibatch_discrimination:
            raise ValueError(
                "classes need minibatch_discrimination=False, not True: the class of an example must not depend on "
                "the others of its batch"
            )

        # ---- networks ----
        sizes = (image_shape, filters, stages)
        self.generator = dcgan_generator(
            latent_dim,
            *sizes,
            reference=reference if virtual_batch_normalization else 0,
            name="generator",
        )
        kernels = kernels if minibatch_discrimination else 0
        self.discriminator = improved_discriminator(
            *sizes, classes or 1, kernels, kernel_dim, name="discriminator"
        )

        # ---- state ----
        self.past = {
            player.name: [self._average_of(each) for each in player.trainable_variables]
            for player in (self.discriminator, self.generator)
            if historical_averaging
        }

        # ---- config ----
        self.objective = OBJECTIVES["non_saturating"]
        self.latent_dim = latent_dim
        self.feature_matching = feature_matching
        self.historical_weight = historical_weight
        self.smoothing = smoothing if label_smoothing else 0.0
        self.classes = classes
        self.setup(logs=("class_loss",) if classes else ())

    def _average_of(self, variable):
        name = f"past_{variable.path.replace('/', '_')}"
        return self.add_weight(
            shape=variable.shape, initializer="zeros", dtype="float32", trainable=False, name=name
        )

    @property
    def fields(self):
        """The image; for the classifier also a label, which is learned and not told."""
        return {**super().fields, **({"label": ()} if self.classes else {})}

    def check_values(self, field, values):
        """As of every model; labels are whole numbers from -1 on."""
        if field != "label":
            super().check_values(field, values)
            return
        values = backend.concrete(values)
        if values is None or not values.size:
            return
        if values.dtype.kind not in "biuf":
            raise ValueError(f"labels must be whole numbers, not of type {values.dtype}")
        if not np.array_equal(values, np.floor(values)) or not (
            values.min() >= -1 and values.max() < self.classes
        ):
            raise ValueError(
                f"labels must be whole numbers from 0 to {self.classes - 1}, or -1 for none, "
                f"not from {values.min():g} to {values.max():g}"
            )

    # ---- losses -----------------------------------------------------------------------------------

    def _judged(self, x, training):
        """Log-odds that examples are real, logits of their classes, and features."""
        logits, features = (
            ops.cast(each, "float32") for each in self.discriminator(x, training=training)
        )
        real = semi_supervised.real_logit(logits) if self.classes else logits
        return real, logits, features

    def _critic_loss(self, batch, training):
        x = batch[self.data_field]
        with unchanged(self.generator):
            fake = ops.stop_gradient(self._fakes(ops.shape(x)[0], {}, training))
        real_logits, class_logits, _ = self._judged(x, training)
        fake_logits, _, _ = self._judged(fake, training)
        self._log_scores(real_logits, fake_logits)
        loss = steadying.smoothed_discriminator(real_logits, fake_logits, self.smoothing)
        if self.classes:
            of_classes = semi_supervised.class_cross_entropy(class_logits, batch["label"])
            self.log("class_loss", of_classes)
            loss = loss + of_classes
        return loss + self._distance_to_past(self.discriminator)

    def _generator_loss(self, batch, training):
        x = batch[self.data_field]
        fake = self._fakes(ops.shape(x)[0], {}, training)
        with unchanged(self.discriminator):
            logits, _, features = self._judged(fake, training)
            if self.feature_matching:
                wanted = ops.stop_gradient(self._judged(x, training)[2])
                loss = steadying.feature_matching(wanted, features)
            else:
                loss = self.objective.generator(logits)
        return loss + self._distance_to_past(self.generator)

    def _distance_to_past(self, player):
        if not self.past:
            return 0.0
        distance = steadying.historical(player.trainable_variables, self.past[player.name])
        # Before the first step there is no past.
        return self.historical_weight * ops.where(self.step > 0, distance, 0.0)

    def after_step(self):
        """Takes the weights into their averages over all steps."""
        share = 1.0 / ops.cast(self.step + 1, "float32")
        for player in (self.discriminator, self.generator):
            averages = self.past.get(player.name, [])
            for variable, average in zip(player.trainable_variables, averages, strict=False):
                average.assign(average + share * (ops.cast(variable, "float32") - average))

    # ---- the classifier ---------------------------------------------------------------------------

    def inference_networks(self):
        """The generator; of a classifier the discriminator too: its first output are the logits of the classes."""
        classifier = {"discriminator": self.discriminator} if self.classes else {}
        return {**super().inference_networks(), **classifier}

    def _classify(self, x, conditions):
        return ops.argmax(self._judged(x, False)[1], axis=-1)
