"""The second stage of VQ-VAE (van den Oord, Vinyals & Kavukcuoglu 2017, arXiv 1711.00937), by hand in PyTorch.

A gated PixelCNN on the codes that a frozen encoder gives each batch; see `gated_pixelcnn` and `vqvae`. Difference from our
model: the encoder's weights are random here, which costs the same.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers import training
from benchmarks.peers.channels_last import FORMAT
from benchmarks.peers.gated_pixelcnn import GatedPixelCNN
from benchmarks.peers.optimizers import Update
from benchmarks.peers.vqvae import Quantizer, encoder


class Training(training.Training):
    def build(
        self,
        *,
        filters: int,
        layers: int,
        kernel_size: int,
        first_kernel_size: int,
        hidden: int,
        dropout: float,
        num_classes: int | None,
        **_: Any,
    ) -> None:
        first = self.case["first_stage"]
        names = ("code_dim", "filters", "halvings", "blocks")
        self.encoder = encoder(first["image_shape"][-1], *(first[name] for name in names))
        self.encoder.to(self.device, memory_format=FORMAT).requires_grad_(False)
        self.quantizer = Quantizer(first["num_codes"], first["code_dim"], 1.0, None).to(self.device)
        self.conditional = bool(num_classes)
        sizes = (filters, layers, kernel_size, first_kernel_size, hidden, dropout, num_classes)
        self.network = GatedPixelCNN(first["num_codes"], *sizes, codes=True)
        self.network.to(self.device, memory_format=FORMAT)
        self.update = Update(self.network.parameters(), self.case["optimizers"]["main"])

    def networks(self) -> list[nn.Module]:
        return [self.network]

    def step(self, batch: dict[str, Tensor]) -> None:
        label = batch["label"] if self.conditional else None
        self.update(self.loss(self.codes(batch["image"]), label))

    @torch.no_grad()
    def codes(self, images: Tensor) -> Tensor:
        """The codes `(batch, height, width)` of images `(batch, channels, height, width)`."""
        vectors = self.encoder(images).permute(0, 2, 3, 1)
        return self.quantizer.nearest(vectors.reshape(-1, vectors.shape[-1])).view(
            vectors.shape[:3]
        )

    def loss(self, codes: Tensor, label: Tensor | None) -> Tensor:
        """Nats of grids of codes `(batch, height, width)`, on average over the batch."""
        return F.cross_entropy(self.network(codes, label), codes, reduction="sum") / len(codes)
