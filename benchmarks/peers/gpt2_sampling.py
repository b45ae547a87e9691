"""Texts of GPT-2 (Radford et al. 2019) by hand in PyTorch, with a cache of keys and values.

Past the context the older half of the window is dropped, as ours does; only the tokens that are kept are computed anew.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.peers import sampling
from benchmarks.peers.gpt2 import Block, Transformer


class Text(sampling.Sampling):
    """Texts from a prompt of one token, number 0."""

    def build(self, *, length: int, temperature: float, **model: Any) -> None:
        vocabulary = len(model["vocabulary"])
        self.length, self.temperature = length, temperature
        self.context, self.heads = model["context"], model["heads"]
        sizes = (model[name] for name in ("context", "layers", "width", "heads"))
        self.network = self.count(Transformer(vocabulary, *sizes, 0.0))
        shape = (self.batch, self.heads, self.context, model["width"] // self.heads)
        self.caches = [
            (torch.empty(shape, device=self.device), torch.empty(shape, device=self.device))
            for _ in self.network.blocks
        ]

    def sample(self, n: int) -> Tensor:
        tokens = torch.zeros(n, self.length, dtype=torch.long, device=self.device)
        stride = max(self.context // 2, 1)
        start = 0
        for place in range(1, self.length):
            if place - start > self.context:
                start += stride
                self.prefill(tokens[:, start : place - 1])
            logits = self.step(tokens[:, place - 1], place - 1 - start)
            probabilities = torch.softmax(logits / self.temperature, dim=-1)
            tokens[:, place] = torch.multinomial(probabilities, 1)[:, 0]
        return tokens

    def prefill(self, tokens: Tensor) -> None:
        """Fills the cache from its beginning with `(batch, length)` tokens."""
        length = tokens.shape[1]
        network = self.network
        hidden = F.embedding(tokens, network.embedding) + network.positions[:length]
        for block, (keys, values) in zip(network.blocks, self.caches, strict=True):
            joined = block.projection(block.attention_norm(hidden))
            query, key, value = joined.unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
            keys[:, :, :length], values[:, :, :length] = key, value
            attended = F.scaled_dot_product_attention(query, key, value, is_causal=True)
            hidden = hidden + block.output(attended.transpose(1, 2).flatten(2))
            hidden = hidden + dense(block, hidden)

    def step(self, tokens: Tensor, position: int) -> Tensor:
        """The logits `(batch, vocabulary)` after one more token of each text, `(batch,)`."""
        network = self.network
        hidden = F.embedding(tokens, network.embedding) + network.positions[position]
        for block, (keys, values) in zip(network.blocks, self.caches, strict=True):
            joined = block.projection(block.attention_norm(hidden))
            query, key, value = joined.view(len(tokens), 3, self.heads, -1).unbind(1)
            keys[:, :, position], values[:, :, position] = key, value
            attended = F.scaled_dot_product_attention(
                query[:, :, None], keys[:, :, : position + 1], values[:, :, : position + 1]
            )
            hidden = hidden + block.output(attended.flatten(1))
            hidden = hidden + dense(block, hidden)
        return F.linear(network.norm(hidden), network.embedding)


def dense(block: Block, hidden: Tensor) -> Tensor:
    """What the dense network of a block adds."""
    expanded = F.gelu(block.expand(block.dense_norm(hidden)), approximate="tanh")
    return block.contract(expanded)
