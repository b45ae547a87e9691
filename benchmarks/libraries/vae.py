"""pythae's VAE around the hand-written encoder and decoder.

Differences from ours: its loss takes probabilities instead of logits, as the library asks; labels reach the networks
beside its interface, which has none.
"""

from typing import Any

import torch
from pythae.models import VAE, VAEConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseEncoder
from torch import Tensor, nn

from benchmarks.peers import vae


class Encoder(BaseEncoder):
    """From images to what the library calls the embedding and its log-covariance."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.one_hot = network, None

    def forward(self, pixels: Tensor) -> ModelOutput:
        mean, log_variance = self.network(2.0 * pixels - 1.0, self.one_hot).chunk(2, dim=1)
        return ModelOutput(embedding=mean, log_covariance=log_variance)


class Decoder(BaseDecoder):
    """From latents to probabilities of pixels."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network, self.one_hot = network, None

    def forward(self, latents: Tensor) -> ModelOutput:
        return ModelOutput(reconstruction=torch.sigmoid(self.network(latents, self.one_hot)))


class Training(vae.Training):
    """The same networks and updates; the library draws the latents and computes the loss."""

    def build(self, **model: Any) -> None:
        super().build(**model)
        height, width, channels = model["image_shape"]
        config = VAEConfig(
            input_dim=(channels, height, width),
            latent_dim=model["latent_dim"],
            reconstruction_loss="bce",
        )
        self.model = VAE(config, encoder=Encoder(self.encoder), decoder=Decoder(self.decoder))

    def loss(self, pixels: Tensor, one_hot: Tensor | None) -> Tensor:
        self.model.encoder.one_hot = self.model.decoder.one_hot = one_hot
        return self.model({"data": pixels}).loss
