"""VQ-VAE (van den Oord, Vinyals & Kavukcuoglu 2017, "Neural Discrete Representation Learning", arXiv 1711.00937).

As in the paper: the encoder's vectors are replaced by their nearest code, the decoder's gradient passes straight
through to the encoder, and the encoder is held to its codes by the commitment loss with weight 0.25. The codebook
follows exponential moving averages (appendix A.1) or is learned by its own loss (equation 3). The prior over the
codes is uniform here; `vqvae_prior` learns one.

Differences from the paper: the likelihood is a normal distribution with one deviation for all pixels, learned unless it
is given (in the paper it is fixed), and, for grey levels, cut into their bins, so that log p(x | codes) is the length
of a true code. The averages of unused codes are smoothed (as in the authors' published code). Dead codes may restart
from vectors of the batch (as in Dhariwal et al. 2020, arXiv 2005.00341); the paper has no restarts. A 3 x 3
convolution stands before the residual blocks, and a 1 x 1 convolution leads to the codes (both as in the authors'
published code). Images only, no audio or video.
"""

import math
from typing import Annotated, Literal

import keras
import numpy as np
from keras import ops
from pydantic import Field

from gm_keras.core import AutoencoderMixin, BoundMixin, GenerativeModel, Phase
from gm_keras.core.arguments import checked
from gm_keras.distributions import discretized_normal, normal
from gm_keras.layers.deviation import GlobalDeviation
from gm_keras.layers.vector_quantizer import VectorQuantizer, perplexity
from gm_keras.networks.vqvae import code_shape, vqvae_decoder, vqvae_encoder
from gm_keras.types import (
    AtLeastTwo,
    Blocks,
    Categories,
    Filters,
    Fraction,
    Halvings,
    ImageShape,
    Levels,
    NonNegativeFloat,
    PositiveFloat,
    Width,
)


@keras.saving.register_keras_serializable("gm_keras")
class VQVAE(BoundMixin, AutoencoderMixin, GenerativeModel):
    """Autoencoder with a grid of discrete codes; samples decode codes drawn uniformly.

    Args:
        image_shape: (height, width, channels), divisible by 2**halvings; images in [-1, 1].
        num_codes: Number of codes in the codebook (K in the paper).
        code_dim: Length of each code vector (D in the paper).
        filters: Channels of the hidden layers of both networks.
        halvings: How often the image is halved on the way to the grid of codes.
        blocks: Residual blocks in each network.
        codebook: "ema" (moving averages) or "loss".
        commitment: Weight of the commitment loss (beta in the paper).
        decay: Of the moving averages, for one batch.
        restart_below: Codes used less than this fraction of their fair share restart; None: none does.
        deviation: Standard deviation of a pixel given its codes, for images in [-1, 1]; None: learned.
        levels: Number of grey levels of the data, or None for continuous data.
    """

    offers = frozenset({"sampler", "bound", "autoencoder", "codes"})
    fused_positions = 64

    def __init__(
        self,
        image_shape: ImageShape,
        num_codes: Categories = 512,
        code_dim: Width = 64,
        filters: Filters = 256,
        halvings: Halvings = 2,
        blocks: Blocks = 2,
        codebook: Literal["ema", "loss"] = "ema",
        commitment: NonNegativeFloat = 0.25,
        decay: Fraction = 0.99,
        restart_below: Annotated[float, Field(gt=0.0, lt=1.0)] | None = None,
        deviation: PositiveFloat | None = None,
        levels: Levels | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        self.code_shape = code_shape(image_shape, halvings)

        # ---- networks ----
        sizes = (image_shape, code_dim, filters, halvings, blocks)
        self.encoder = vqvae_encoder(*sizes, name="encoder")
        self.decoder = vqvae_decoder(*sizes, name="decoder")
        self.quantizer = VectorQuantizer(
            num_codes, code_dim, codebook, decay, restart_below=restart_below, name="quantizer"
        )
        self.quantizer.build((None, *self.code_shape, code_dim))
        self.deviation = GlobalDeviation(deviation or 0.3, name="deviation")
        self.deviation.trainable = deviation is None

        # ---- config ----
        self.num_codes = num_codes
        self.commitment = commitment
        self.levels = levels
        self.setup(logs=("reconstruction", "commitment", "perplexity"))

    def phases(self):
        networks = (self.encoder, self.quantizer, self.decoder, self.deviation)
        return [Phase("vqvae", self._loss, networks)]

    def inference_networks(self):
        return {"encoder": self.encoder, "decoder": self.decoder}

    @property
    def nats_of(self) -> str:
        """What the bound is a bound of: "discrete" grey levels or a "density"."""
        return "discrete" if self.levels else "density"

    def _loss(self, batch, training):
        x = batch[self.data_field]
        vectors = ops.cast(self.encoder(x, training=training), "float32")
        codes, chosen, passed = self.quantizer(vectors, training=training)
        reconstruction = ops.mean(self._log_likelihood(x, self._mean(passed, training)))
        commitment = _squared_distance(vectors, ops.stop_gradient(chosen))
        self.log("reconstruction", -reconstruction)
        self.log("commitment", commitment)
        self.log("perplexity", perplexity(codes, self.num_codes))
        loss = self.commitment * commitment - reconstruction
        if self.quantizer.learning == "loss":
            loss = loss + _squared_distance(ops.stop_gradient(vectors), chosen)
        return loss

    def _mean(self, vectors, training=False):
        return ops.cast(self.decoder(vectors, training=training), "float32")

    def _log_likelihood(self, x, mean):
        deviation = self.deviation.value()
        if self.levels:
            values = discretized_normal.log_prob(x, mean, deviation, self.levels)
        else:
            values = normal.log_prob(x, mean, 2.0 * ops.log(deviation))
        return ops.sum(values, axis=(1, 2, 3))

    # ---- what a second stage uses, inside its own compiled functions ----

    def codes(self, x):
        """The codes of images `(batch, *image_shape)`: int32 `(batch, *code_shape)`."""
        return self.quantizer.nearest(self.encoder(x, training=False))

    def images(self, codes):
        """The images of codes `(batch, *code_shape)`: the means of p(x | codes), within [-1, 1]."""
        return ops.clip(self._mean(self.quantizer.lookup(codes)), -1.0, 1.0)

    def log_likelihood(self, x, codes):
        """log p(x | codes): `(batch,)`, in nats."""
        return self._log_likelihood(x, self._mean(self.quantizer.lookup(codes)))

    # ---- capabilities ----

    def _encode(self, x, conditions):
        return self.codes(x)

    def _decode(self, latents, conditions):
        return self.images(latents)

    @checked
    def interpolate(self, x0, x1, steps: AtLeastTwo = 8, **conditions):
        """Decodes the codes nearest to points between the encoder's vectors of two batches.

        Args:
            x0: Images `(batch, *image_shape)` at one end.
            x1: Images of the same shape at the other end.
            steps: Points on the line, the ends included; at least 2.
            **conditions: None: this model is told nothing.

        Returns:
            An array `(steps, batch, *image_shape)`.
        """
        fractions = np.linspace(0.0, 1.0, steps, dtype="float32")
        points = [self.run_told(self._between, conditions, x0, x1, each) for each in fractions]
        return np.stack([ops.convert_to_numpy(point) for point in points])

    def _between(self, x0, x1, fraction, conditions):
        first, last = (ops.cast(self.encoder(x, training=False), "float32") for x in (x0, x1))
        return self.images(self.quantizer.nearest(first + fraction * (last - first)))

    def perplexity(self, x) -> float:
        """How many codes images use, as exp(entropy) of the codes' frequencies: from 1 to num_codes."""
        return float(ops.convert_to_numpy(perplexity(self.encode(x), self.num_codes)))

    def _elbo(self, x, random, conditions):
        """log p(x | codes) under a uniform prior of the codes."""
        positions = math.prod(self.code_shape)
        return self.log_likelihood(x, self.codes(x)) - positions * math.log(self.num_codes)

    def sample_batch(self, n, random, conditions):
        """Decodes codes drawn uniformly, the prior that the paper trains with: `(n, *image_shape)`."""
        codes = keras.random.randint((n, *self.code_shape), 0, self.num_codes, seed=random.next())
        return self.images(codes)


def _squared_distance(vectors, others):
    """The squared distance of grids of vectors, summed over each example, on average."""
    return ops.mean(ops.sum(ops.square(vectors - others), axis=(1, 2, 3)))
