"""BigGAN (Brock, Donahue & Simonyan 2019, "Large Scale GAN Training for High Fidelity Natural Image Synthesis", arXiv
1809.11096).

As in the paper: one embedding of the class shared by all blocks of the generator, and the latents split over them, so
that both together decide scale and shift of every conditional batch normalization; spectral normalization in both
networks; self-attention; a projection discriminator; hinge loss, two updates of the discriminator for one of the
generator; orthogonal initial weights, and orthogonal regularization of the generator, which lets it be truncated;
truncation: latents from a normal distribution cut at a threshold; standing statistics: the normalization's, measured
anew on samples of the distribution that is drawn from. Samples come from an average of the generator's weights where
its optimizer says so (`use_ema: true`). Batches beyond the memory are made of several:
`gradient_accumulation_steps` of both optimizers.

Differences from the paper: smaller networks, of the blocks of its 128 x 128 images; the orthogonal penalty is in the
loss, at the raw kernels, all but the embedding's as in the authors' code, which adds half of its gradient instead.
Standing statistics are those of one large batch with uniformly drawn labels, where the paper averages over a hundred
batches. With accumulation the average of the weights goes on in every step, also those without an update. u stays as
it is in the other network's phase; in the discriminator's it moves with data and again with fakes, which the authors'
code for PyTorch joins to one batch. Fakes have the labels of the data in the batch. The convolutions of the
generator's blocks have no bias, which the next normalization would take away.
"""

from collections.abc import Mapping
from typing import Any

import keras
from keras import ops

from gm_keras.layers.initializers import HostOrthogonal
from gm_keras.losses.adversarial import OBJECTIVES
from gm_keras.losses.orthogonality import orthogonal_penalty
from gm_keras.models.gan.base import GAN
from gm_keras.networks.residual_gan import big_generator, residual_discriminator
from gm_keras.ops.random import RandomStream
from gm_keras.types import (
    Categories,
    FilterList,
    Halvings,
    ImageShape,
    NonNegativeFloat,
    PositiveFloat,
    Repeats,
    Samples,
    Side,
    Width,
)


@keras.saving.register_keras_serializable("gm_keras")
class BigGAN(GAN):
    """BigGAN; optimizers "discriminator" and "generator".

    Args:
        image_shape: (height, width, channels); images in [-1, 1].
        latent_dim: Number of latent variables; a multiple of the number of the generator's blocks and one more.
        class_dim: Width of the embedding of the class.
        generator_filters: For each doubling of the image, from the smallest to the largest.
        discriminator_filters: Of each residual block.
        halvings: So many of the first of these halve the image.
        attention: The height of the features that attend to each other, after a block of either network; None leaves
            the attention out.
        orthogonal_weight: Of the orthogonal penalty of the generator's kernels (beta in the paper).
        n_critic: Updates of the discriminator for one of the generator.
        num_classes: Condition on a label of so many classes.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        latent_dim: Width = 128,
        class_dim: Width = 128,
        generator_filters: FilterList = (256, 256, 256),
        discriminator_filters: FilterList = (128, 128, 128, 128),
        halvings: Halvings = 2,
        attention: Side | None = 16,
        orthogonal_weight: NonNegativeFloat = 1e-4,
        n_critic: Repeats = 2,
        num_classes: Categories | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)

        # ---- networks ----
        common = {"num_classes": num_classes, "attention": attention}
        self.generator = big_generator(
            latent_dim,
            image_shape,
            generator_filters,
            class_dim=class_dim,
            name="generator",
            **common,
        )
        self.discriminator = residual_discriminator(
            image_shape,
            discriminator_filters,
            halvings,
            initializer=HostOrthogonal,
            name="discriminator",
            **common,
        )

        # ---- config ----
        self.objective = OBJECTIVES["hinge"]
        self.latent_dim = latent_dim
        self.orthogonal_weight = orthogonal_weight
        self.n_critic = n_critic
        self.num_classes = num_classes
        self.setup(logs=("orthogonal_penalty",))

    def _generator_objective(self, scores):
        penalty = sum(orthogonal_penalty(kernel) for kernel in self._kernels())
        self.log("orthogonal_penalty", penalty)
        return super()._generator_objective(scores) + self.orthogonal_weight * penalty

    def _kernels(self) -> list[keras.Variable]:
        """Of the generator, all but the embedding of the class."""
        table = self.generator.get_layer("class_embedding").kernel if self.num_classes else None
        return [
            each
            for each in self.generator.trainable_variables
            if len(each.shape) > 1 and each is not table
        ]

    # ---- samples ----------------------------------------------------------------------------------

    def sample_batch(
        self,
        n: int,
        random: RandomStream,
        conditions: Mapping[str, Any],
        *,
        truncation: PositiveFloat | None = None,
        standing_statistics: Samples = 0,
    ) -> Any:
        """Examples of random latents: `(n, *shape of one example)`.

        Args:
            n: How many.
            random: The stream of seeds.
            conditions: By name.
            truncation: The largest absolute value of a latent: a lower threshold gives better and less varied samples. None is
                the normal distribution as it is.
            standing_statistics: The number of further samples, with the same threshold and labels of all classes, on
                which the normalization's statistics are measured first; 0 takes the moving averages of the training.
        """
        latents = self._draw_latents(n, random.next(), truncation)
        if not standing_statistics:
            return self._decode(latents, conditions)
        # Nothing is assigned: a call that fails half-way leaves the model as it was.
        measured = self._standing_statistics(standing_statistics, random, truncation)
        with keras.StatelessScope(state_mapping=measured):
            return self._decode(latents, conditions)

    def _draw_latents(self, n, seed, truncation=None):
        if truncation is None:
            return super()._draw_latents(n, seed)
        # The values at evenly distributed probabilities between those of both thresholds.
        root = 2.0**0.5
        reach = ops.erf(ops.convert_to_tensor(truncation / root, "float32"))
        reach = ops.minimum(reach, 1.0 - 1e-7)  # at 1 the inverse is infinite
        uniform = keras.random.uniform((n, self.latent_dim), -1.0, 1.0, seed=seed)
        return ops.clip(root * ops.erfinv(reach * uniform), -truncation, truncation)

    def _standing_statistics(self, samples, random, truncation):
        """The generator's state, with the statistics of so many samples in the place of the moving averages."""
        latents = self._draw_latents(samples, random.next(), truncation)
        told = {}
        if self.num_classes:
            label = keras.random.randint((samples,), 0, self.num_classes, seed=random.next())
            told["label"] = label
        layers = _normalizations(self.generator)
        # From 0 a moving average goes this part of the way in one call.
        parts = [
            (each, 1.0 - layer.momentum) for layer in layers for each in layer.non_trainable_weights
        ]
        state = [(each, ops.convert_to_tensor(each)) for each in self.generator.variables]
        zeros = [(each, ops.zeros(each.shape)) for each, _ in parts]
        with keras.StatelessScope(state_mapping=[*state, *zeros]) as scope:
            self._generated(latents, told, True)
        return [*state, *((each, scope.get_current_value(each) / part) for each, part in parts)]


def _normalizations(network: keras.Model) -> list[keras.layers.BatchNormalization]:
    layers = [getattr(each, "normalization", each) for each in network.layers]
    return [each for each in layers if isinstance(each, keras.layers.BatchNormalization)]
