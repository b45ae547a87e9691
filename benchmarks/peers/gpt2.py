"""GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners") in PyTorch.

Differences from our model: none.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.peers import optimizers, training

STDDEV = 0.02


class Block(nn.Module):
    """Attention, then a dense network of four times the width, each normalized before and added after."""

    def __init__(self, width: int, heads: int, dropout: float, output_stddev: float):
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.attention_norm = nn.LayerNorm(width, eps=1e-5)
        self.projection = linear(width, 3 * width, STDDEV)
        self.output = linear(width, width, output_stddev)
        self.dense_norm = nn.LayerNorm(width, eps=1e-5)
        self.expand = linear(width, 4 * width, STDDEV)
        self.contract = linear(4 * width, width, output_stddev)

    def forward(self, hidden: Tensor) -> Tensor:
        hidden = hidden + self._drop(self._attend(self.attention_norm(hidden)))
        expanded = F.gelu(self.expand(self.dense_norm(hidden)), approximate="tanh")
        return hidden + self._drop(self.contract(expanded))

    def _attend(self, hidden: Tensor) -> Tensor:
        batch, length, width = hidden.shape
        queries, keys, values = (
            part.view(batch, length, self.heads, width // self.heads).transpose(1, 2)
            for part in self.projection(hidden).split(width, dim=2)
        )
        attended = F.scaled_dot_product_attention(
            queries, keys, values, dropout_p=self.rate, is_causal=True
        )
        return self.output(attended.transpose(1, 2).reshape(batch, length, width))

    def _drop(self, update: Tensor) -> Tensor:
        return F.dropout(update, self.rate) if self.rate else update


class Transformer(nn.Module):
    """From tokens `(batch, context)` to the logits of each next one, `(batch, context, vocabulary)`."""

    def __init__(
        self, vocabulary: int, context: int, layers: int, width: int, heads: int, dropout: float
    ):
        super().__init__()
        self.rate = dropout
        self.embedding = nn.Parameter(STDDEV * torch.randn(vocabulary, width))
        self.positions = nn.Parameter(STDDEV * torch.randn(context, width))
        output_stddev = STDDEV / math.sqrt(2 * layers)
        self.blocks = nn.Sequential(
            *(Block(width, heads, dropout, output_stddev) for _ in range(layers))
        )
        self.norm = nn.LayerNorm(width, eps=1e-5)

    def forward(self, tokens: Tensor) -> Tensor:
        return F.linear(self.features(tokens), self.embedding)

    def features(self, tokens: Tensor) -> Tensor:
        """What the logits are made of: `(batch, context, width)`."""
        hidden = F.embedding(tokens, self.embedding) + self.positions
        if self.rate:
            hidden = F.dropout(hidden, self.rate)
        return self.norm(self.blocks(hidden))


class Training(training.Training):
    """One update a step: every token but the first is predicted from those before it."""

    def build(self, **model: Any) -> None:
        vocabulary = model["vocabulary"]
        self.transformer = Transformer(
            256 if vocabulary == "bytes" else len(vocabulary),
            *(model[name] for name in ("context", "layers", "width", "heads", "dropout")),
        ).to(self.device)
        block = self.case["optimizers"]["main"]
        every = list(self.transformer.parameters())
        groups: list[dict[str, Any]] = [{"params": [p for p in every if p.dim() > 1]}]
        # Biases, and the scales of the normalizations, do not decay.
        groups.append({"params": [p for p in every if p.dim() == 1], "weight_decay": 0.0})
        self._update = optimizers.Update(groups, block)

    def networks(self) -> list[nn.Module]:
        return [self.transformer]

    def step(self, batch: dict[str, Tensor]) -> Tensor:
        tokens = batch["tokens"]
        logits = self.transformer(tokens[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[:, 1:].flatten())
        self._update(loss)
        return loss.detach()


def linear(features: int, width: int, stddev: float) -> nn.Linear:
    """A linear layer with normal initial weights."""
    layer = nn.Linear(features, width)
    nn.init.normal_(layer.weight, std=stddev)
    nn.init.zeros_(layer.bias)
    return layer
