"""The second stage of VQ-VAE: a learned prior over the codes (van den Oord, Vinyals & Kavukcuoglu 2017, "Neural Discrete
Representation Learning", arXiv 1711.00937, section 3.3).

As in the paper: a PixelCNN learns to predict each code of the grid from those before it, on the codes that a trained
VQ-VAE gives the data; the VQ-VAE stays as it is. A sample is drawn code after code, and decoded.

Differences from the paper: the PixelCNN is the gated one (van den Oord et al. 2016, arXiv 1606.05328), on embeddings of
the codes; dropout, which small data sets need; images only, no WaveNet over the codes of audio.
"""

import keras
from keras import ops

from gm_keras.core import BoundMixin, GenerativeModel, Phase
from gm_keras.core.arguments import checked
from gm_keras.models.autoregressive.base import GridMixin
from gm_keras.models.latent.vqvae import VQVAE
from gm_keras.networks.gated_pixelcnn import gated_pixelcnn
from gm_keras.types import (
    Categories,
    Depth,
    Filters,
    Fraction,
    OddKernel,
    Seed,
)


@keras.saving.register_keras_serializable("gm_keras")
class VQVAEPrior(GridMixin, BoundMixin, GenerativeModel):
    """Gated PixelCNN over the codes of a VQ-VAE, and with it a model of its images.

    log p(x) sums p(codes) p(x | codes) over all grids of codes, of which the bound takes the encoder's one.

    Args:
        first_stage: A trained VQVAE; it becomes part of this model, and is frozen.
        filters: Features of each layer of the PixelCNN.
        layers: Number of gated layers.
        kernel_size: Of all layers but the first; odd.
        first_kernel_size: Of the first layer; odd.
        hidden: Features between the two 1 x 1 convolutions at the end.
        dropout: Fraction of the gated features dropped in training.
        num_classes: Condition on a label of so many classes.
    """

    offers = frozenset({"sampler", "bound"})

    def __init__(
        self,
        first_stage: VQVAE,
        filters: Filters = 64,
        layers: Depth = 7,
        kernel_size: OddKernel = 3,
        first_kernel_size: OddKernel = 5,
        hidden: Filters = 128,
        dropout: Fraction = 0.0,
        num_classes: Categories | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)

        # ---- networks ----
        self.first_stage = first_stage
        self.first_stage.trainable = False
        self.network = gated_pixelcnn(
            (*first_stage.code_shape, 1),
            first_stage.num_codes,
            filters=filters,
            depth=layers,
            kernel_size=kernel_size,
            first_kernel_size=first_kernel_size,
            hidden=hidden,
            dropout=dropout,
            inputs="codes",
            num_classes=num_classes,
            name="network",
        )

        # ---- config ----
        self.levels = first_stage.levels
        self.num_classes = num_classes
        self.setup()

    def phases(self):
        return [Phase("nll", self._loss, (self.network,))]

    def inference_networks(self):
        return {"prior": self.network, **self.first_stage.inference_networks()}

    @property
    def data_shape(self):
        """The shape of one image: that of the first stage."""
        return self.first_stage.data_shape

    @property
    def nats_of(self) -> str:
        """What the bound is a bound of: "discrete" grey levels or a "density"."""
        return self.first_stage.nats_of

    def _loss(self, batch, training):
        codes = ops.stop_gradient(self.first_stage.codes(batch[self.data_field]))
        return -ops.mean(self._log_prob_of_codes(codes, self.told_in(batch, training), training))

    def _log_prob_of_codes(self, codes, conditions, training=False):
        return self._log_prob_of_grid(ops.expand_dims(codes, -1), conditions, training)

    def log_prob_of_codes(self, codes, **conditions):
        """The exact log-probability `(batch,)` of codes `(batch, height, width)`, in nats."""
        return self.run_told(self._log_prob_of_codes, conditions, codes)

    @checked
    def bound_parts(self, x, *, seed: Seed = 0, **conditions):
        """The two terms of the bound, each `(batch,)`, in nats: log p(codes) and log p(x | codes).

        `seed` is not used: there is nothing to draw.
        """
        del seed
        return self.run_told(self._bound_parts, conditions, x)

    def _bound_parts(self, x, conditions):
        codes = self.first_stage.codes(x)
        prior = self._log_prob_of_codes(codes, conditions)
        return prior, self.first_stage.log_likelihood(x, codes)

    def _elbo(self, x, random, conditions):
        return sum(self._bound_parts(x, conditions))

    def _of_grid(self, codes):
        return self.first_stage.images(ops.squeeze(codes, -1))
