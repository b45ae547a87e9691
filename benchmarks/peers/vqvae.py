"""VQ-VAE (van den Oord, Vinyals & Kavukcuoglu 2017, arXiv 1711.00937) with a codebook of moving averages, by hand in PyTorch.

Differences from our model: the counts and sums of the codes are indexed additions instead of products with one-hot
matrices; the likelihood of a grey level takes two logarithms of a cumulative probability instead of four; the perplexity
and the means of the losses are not kept.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers import training
from benchmarks.peers.channels_last import FORMAT
from benchmarks.peers.optimizers import Update


class Residual(nn.Module):
    """ReLU, 3 x 3 convolution, ReLU, 1 x 1 convolution, added to the input."""

    def __init__(self, filters: int):
        super().__init__()
        self.wide = nn.Conv2d(filters, filters, 3, padding=1)
        self.narrow = nn.Conv2d(filters, filters, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = F.relu(self.wide(F.relu(inputs)), inplace=True)
        return inputs + self.narrow(hidden)


def residuals(inputs: int, filters: int, blocks: int) -> list[nn.Module]:
    """A 3 x 3 convolution, the residual blocks and a ReLU."""
    stack = [Residual(filters) for _ in range(blocks)]
    return [nn.Conv2d(inputs, filters, 3, padding=1), *stack, nn.ReLU()]


def encoder(channels: int, code_dim: int, filters: int, halvings: int, blocks: int) -> nn.Module:
    """From images to a grid of vectors `(batch, code_dim, height / 2**halvings, width / 2**halvings)`."""
    layers: list[nn.Module] = []
    for index in range(halvings):
        inputs = filters if index else channels
        layers += [nn.Conv2d(inputs, filters, 4, 2, 1), nn.ReLU(inplace=True)]
    inputs = filters if halvings else channels
    layers += [*residuals(inputs, filters, blocks), nn.Conv2d(filters, code_dim, 1)]
    return nn.Sequential(*layers)


def decoder(channels: int, code_dim: int, filters: int, halvings: int, blocks: int) -> nn.Module:
    """The mirror image of `encoder`."""
    layers = residuals(code_dim, filters, blocks)
    for index in range(halvings):
        last = index == halvings - 1
        layers.append(nn.ConvTranspose2d(filters, channels if last else filters, 4, 2, 1))
        if not last:
            layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class Quantizer(nn.Module):
    """The nearest codes of vectors; the codebook follows averages of the vectors that chose a code."""

    def __init__(self, num_codes: int, code_dim: int, decay: float, restart_below: float | None):
        super().__init__()
        self.decay, self.restart_below, self.epsilon = decay, restart_below, 1e-5
        codebook = nn.init.xavier_uniform_(torch.empty(num_codes, code_dim))
        self.register_buffer("codebook", codebook)
        self.register_buffer("counts", torch.ones(num_codes))
        self.register_buffer("sums", codebook.clone())

    @torch.no_grad()
    def nearest(self, vectors: Tensor) -> Tensor:
        """The codes `(rows,)` nearest to vectors `(rows, code_dim)`."""
        squares = self.codebook.square().sum(dim=1)
        return torch.addmm(squares, vectors, self.codebook.T, alpha=-2.0).argmin(dim=1)

    @torch.no_grad()
    def follow(self, vectors: Tensor, codes: Tensor) -> None:
        """Moves the averages on by the vectors `(rows, code_dim)` of one batch, and the codebook with them."""
        weight = 1.0 - self.decay
        ones = torch.ones(len(codes), device=codes.device)
        self.counts.mul_(self.decay).index_add_(0, codes, ones, alpha=weight)
        self.sums.mul_(self.decay).index_add_(0, codes, vectors, alpha=weight)
        if self.restart_below is not None:
            share = len(vectors) / len(self.counts)
            picked = torch.randint(len(vectors), self.counts.shape, device=codes.device)
            dead = self.counts < self.restart_below * share
            self.counts.masked_fill_(dead, share)
            fresh = vectors.index_select(0, picked).mul_(share)
            torch.where(dead[:, None], fresh, self.sums, out=self.sums)
        total = self.counts.sum()
        smoothed = (self.counts + self.epsilon).mul_(
            total / (total + len(self.counts) * self.epsilon)
        )
        torch.div(self.sums, smoothed[:, None], out=self.codebook)


def log_likelihood(values: Tensor, mean: Tensor, deviation: Tensor, levels: int) -> Tensor:
    """Log-probabilities, in nats, of grey levels under a normal distribution cut into their bins.

    Args:
        values: In [-1, 1], on the grid of `levels` values; the outer two bins reach to infinity.
        mean: The same shape.
        deviation: A scalar.
        levels: Their number.
    """
    half = 1.0 / (levels - 1)
    distance = (values - mean) / deviation
    # A bin inside is mirrored into the lower tail, where the difference of two probabilities keeps its digits; an
    # outer one is turned so that it reaches to minus infinity.
    black, white = values < half - 1.0, values > 1.0 - half
    turned = torch.where(black, -distance, torch.where(white, distance, distance.abs()))
    log_upper = torch.special.log_ndtr(half / deviation - turned)
    log_lower = torch.special.log_ndtr(-half / deviation - turned)
    ratio = torch.exp((log_lower - log_upper).clamp(max=-1e-7))
    return log_upper + torch.log1p(-ratio).masked_fill(black | white, 0.0)


class Training(training.Training):
    def build(
        self,
        *,
        image_shape: tuple[int, int, int],
        num_codes: int,
        code_dim: int,
        filters: int,
        halvings: int,
        blocks: int,
        codebook: str,
        commitment: float,
        decay: float,
        restart_below: float | None,
        deviation: float | None,
        levels: int | None,
        **_: Any,
    ) -> None:
        if codebook != "ema" or deviation is not None or not levels:
            raise ValueError("only a codebook of averages with a learned deviation is written")
        self.levels, self.commitment = levels, commitment
        sizes = (image_shape[-1], code_dim, filters, halvings, blocks)
        self.encoder = encoder(*sizes).to(self.device, memory_format=FORMAT)
        self.decoder = decoder(*sizes).to(self.device, memory_format=FORMAT)
        self.quantizer = Quantizer(num_codes, code_dim, decay, restart_below).to(self.device)
        # Ours moves faster than Adam would move the logarithm itself: the factor is its speed.
        self.log_ratio = nn.Parameter(torch.zeros((), device=self.device))
        parameters = [*self.encoder.parameters(), *self.decoder.parameters(), self.log_ratio]
        self.update = Update(parameters, self.case["optimizers"]["main"])

    def networks(self) -> list[nn.Module]:
        return [self.encoder, self.decoder, nn.ParameterList([self.log_ratio])]

    def step(self, batch: dict[str, Tensor]) -> None:
        self.update(self.loss(batch["image"]))

    def loss(self, images: Tensor) -> Tensor:
        """The loss of images `(batch, channels, height, width)`; moves the codebook on."""
        vectors = self.encoder(images)
        rows = vectors.permute(0, 2, 3, 1)
        flat = rows.detach().reshape(-1, rows.shape[-1])
        codes = self.quantizer.nearest(flat)
        chosen = F.embedding(codes, self.quantizer.codebook).view(rows.shape).permute(0, 3, 1, 2)
        self.quantizer.follow(flat, codes)
        mean = self.decoder(vectors + (chosen - vectors).detach())
        deviation = 0.3 * torch.exp(10.0 * self.log_ratio)
        surprise = -log_likelihood(images, mean, deviation, self.levels).sum()
        commitment = F.mse_loss(vectors, chosen, reduction="sum")
        return (self.commitment * commitment + surprise) / len(images)
