"""pix2pix (Isola, Zhu, Zhou & Efros 2017, "Image-to-Image Translation with Conditional Adversarial Networks",
arXiv 1611.07004).

As in the paper: a U-Net of strided 4 x 4 convolutions with skip connections, batch normalization, LeakyReLU 0.2 on
the way down and ReLU on the way up, dropout in the innermost layers of the decoder as the only noise, when
translating too; a discriminator of patches that sees source and target; the non-saturating game plus lambda = 100
times the L1 distance; the discriminator's loss is halved; weights from N(0, 0.02).

Differences from the paper: the U-Net halves an image until a side is odd (28 -> 14 -> 7), so that small images have
fewer of the paper's eight levels; the innermost layer has no batch normalization (the authors' own correction of the
paper); convolutions of the discriminator keep the size where the authors' lose a pixel. Translating normalizes by
moving averages instead of by the batch that is translated, so that an output does not depend on its neighbours. Each
phase draws dropout masks of its own, and leaves the batch normalization of the other network as it is. No random
jitter (enlarging and cropping): it is for photographs.
"""

from typing import Annotated

import keras
from keras import ops
from pydantic import Field

from gm_keras.core import Phase
from gm_keras.core.statistics import unchanged
from gm_keras.losses import adversarial
from gm_keras.models.translation.base import Translator
from gm_keras.networks.pix2pix import patchgan, pix2pix_generator
from gm_keras.types import Filters, Fraction, Halvings, ImageShape, NonNegativeFloat


@keras.saving.register_keras_serializable("gm_keras")
class Pix2Pix(Translator):
    """Translator of images, trained on pairs; optimizers "discriminator" and "generator".

    A batch has the fields "source" and "target".

    Args:
        image_shape: (height, width, channels) of the targets, height and width even; images in [-1, 1].
        source_shape: (height, width, channels) of the sources; height and width are those of the targets.
        filters: Of the first layer of both networks; each further one has twice as many, up to 8 times.
        downsamplings: How often the generator halves an image; None goes on to an odd side.
        patch_layers: Strided layers of the discriminator: 3 judge patches of 70 x 70, 2 of 34 x 34, 1 of 16 x 16
            and 0 single pixels; None means 3, or as many as leave a side of 4.
        dropout_rate: Of the up to three innermost layers of the decoder; 0 makes a deterministic translator.
        l1_weight: Of the L1 distance (lambda in the paper), for images in [-1, 1].
    """

    def __init__(
        self,
        image_shape: ImageShape,
        source_shape: ImageShape,
        filters: Filters = 64,
        downsamplings: Halvings | None = None,
        patch_layers: Annotated[int, Field(ge=0, le=12)] | None = None,
        dropout_rate: Fraction = 0.5,
        l1_weight: NonNegativeFloat = 100.0,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if tuple(image_shape[:2]) != tuple(source_shape[:2]):
            raise ValueError(
                "source_shape and image_shape must have the same height and width, "
                f"not {tuple(source_shape[:2])} and {tuple(image_shape[:2])}"
            )

        # ---- networks ----
        self.generator = pix2pix_generator(
            source_shape,
            image_shape,
            filters=filters,
            downsamplings=downsamplings,
            dropout=dropout_rate > 0,
            name="generator",
        )
        self.discriminator = patchgan(
            source_shape,
            image_shape,
            filters=filters,
            patch_layers=patch_layers,
            name="discriminator",
        )

        # ---- config ----
        self.source_shape = tuple(source_shape)
        self.dropout_rate = dropout_rate
        self.l1_weight = l1_weight
        self.setup(logs=("real_probability", "fake_probability", "l1"))

    def phases(self):
        return [
            Phase(
                "discriminator", self._discriminator_loss, (self.discriminator,), "discriminator"
            ),
            Phase("generator", self._generator_loss, (self.generator,), "generator"),
        ]

    def inference_networks(self):
        """The generator; its masks are inputs, see `networks.pix2pix.pix2pix_generator`."""
        return {"generator": self.generator}

    def _masks(self, n, seeds):
        masks = []
        for each in self.generator.inputs[1:]:
            noise = keras.random.uniform((n, *each.shape[1:]), seed=seeds())
            kept = ops.cast(noise >= self.dropout_rate, "float32")
            masks.append(kept / (1.0 - self.dropout_rate))
        return masks

    def _generate(self, source, seeds, training=False):
        masks = self._masks(ops.shape(source)[0], seeds)
        images = self.generator([source, *masks] if masks else source, training=training)
        return ops.cast(images, "float32")

    def _logits(self, source, target, training):
        return ops.cast(self.discriminator([source, target], training=training), "float32")

    def _next_seed(self):
        return self.seed_generator

    def _discriminator_loss(self, batch, training):
        source, target = batch["source"], batch["target"]
        with unchanged(self.generator):
            fake = ops.stop_gradient(self._generate(source, self._next_seed, training))
        real_logits = self._logits(source, target, training)
        fake_logits = self._logits(source, fake, training)
        self.log("real_probability", ops.mean(ops.sigmoid(real_logits)))
        self.log("fake_probability", ops.mean(ops.sigmoid(fake_logits)))
        return 0.5 * adversarial.discriminator(real_logits, fake_logits)

    def _generator_loss(self, batch, training):
        source = batch["source"]
        fake = self._generate(source, self._next_seed, training)
        with unchanged(self.discriminator):
            logits = self._logits(source, fake, training)
        distance = ops.mean(ops.abs(batch["target"] - fake))
        self.log("l1", distance)
        return adversarial.non_saturating_generator(logits) + self.l1_weight * distance

    def sample_batch(self, n, random, conditions):
        """Translates the sources, each with dropout masks of its own: `(n, *image_shape)`, in [-1, 1]."""
        return self._generate(conditions["source"], random.next)
