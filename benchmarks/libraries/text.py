"""x-transformers' decoder with its cache of keys and values.

Differences from ours: its normalizations and the projections of its attention have no biases; the exact GELU.
"""

from typing import Any

import torch
from torch import Tensor
from x_transformers import AutoregressiveWrapper, Decoder, TransformerWrapper

from benchmarks.peers import sampling


class Text(sampling.Sampling):
    """Texts from a prompt of one token, number 0."""

    def build(self, *, length: int, temperature: float, **model: Any) -> None:
        if length > model["context"] + 1:
            raise ValueError("with learned positions the library keeps no cache past its context")
        self.length, self.temperature = length, temperature
        width, heads = model["width"], model["heads"]
        network = TransformerWrapper(
            num_tokens=len(model["vocabulary"]),
            max_seq_len=model["context"],
            tie_embedding=True,
            attn_layers=Decoder(
                dim=width,
                depth=model["layers"],
                heads=heads,
                attn_dim_head=width // heads,
                attn_flash=True,
            ),
        )
        self.network = AutoregressiveWrapper(self.count(network))

    def sample(self, n: int) -> Tensor:
        prompt = torch.zeros(n, 1, dtype=torch.long, device=self.device)
        drawn = self.network.generate(
            prompt,
            self.length - 1,
            temperature=self.temperature,
            filter_logits_fn=lambda logits: logits,
        )
        return torch.cat([prompt, drawn], dim=1)
