"""GPT-2 of 124 million weights (Radford et al. 2019) in bfloat16, with the transformer of `benchmarks.peers`.

Sampling keeps keys and values in tensors of fixed size. Eager PyTorch attends to the filled part of them alone; the
compiled step attends to all under a mask, so that one CUDA graph serves every position.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.gpu.pytorch import device as devices
from benchmarks.gpu.pytorch import training
from benchmarks.peers.gpt2 import Block, Transformer


def transformer(model: dict[str, Any]) -> Transformer:
    """The network of a case, without dropout."""
    sizes = (model[name] for name in ("context", "layers", "width", "heads"))
    return Transformer(len(model["vocabulary"]), *sizes, dropout=0.0)


# A GPU's products are several times as slow where the number of rows is no multiple of this.
MULTIPLE = 8


class Loss(nn.Module):
    """Nats of each token but the first, on average.

    Logits are made for a multiple of eight tokens, as nanoGPT does; those of no token have no probability, and no
    weights of their own.
    """

    def __init__(self, model: dict[str, Any]):
        super().__init__()
        self.transformer = transformer(model)
        known = len(model["vocabulary"])
        self.missing = -known % MULTIPLE
        bias = torch.zeros(known + self.missing)
        bias[known:] = -1e9
        self.register_buffer("bias", bias, persistent=False)

    def forward(self, tokens: Tensor) -> Tensor:
        table = F.pad(self.transformer.embedding, (0, 0, 0, self.missing))
        bias = self.bias.to(table.dtype) if self.missing else None
        logits = F.linear(self.transformer.features(tokens[:, :-1]), table, bias).flatten(0, 1)
        # Float32 without a copy of the logits in it.
        log_probs = F.log_softmax(logits, dim=-1, dtype=torch.float32)
        return F.nll_loss(log_probs, tokens[:, 1:].flatten())


class Training(training.Training):
    """One update a step."""

    formats = (torch.contiguous_format,)

    def make_loss(self, **model: Any) -> nn.Module:
        return Loss(model)

    def groups(self) -> list[Any]:
        every = list(self.loss.parameters())
        # Biases, and the scales of the normalizations, do not decay.
        plain = {"params": [p for p in every if p.dim() == 1], "weight_decay": 0.0}
        return [{"params": [p for p in every if p.dim() > 1]}, plain]

    def _windows(self) -> Tensor:
        # Starts are drawn on the device: nothing waits for a copy.
        tokens, window = self._data["tokens"], self.case["model"]["context"] + 1
        starts = torch.randint(len(tokens) - window, (self._rows, 1), device=self.device)
        return tokens[starts + torch.arange(window, device=self.device)]


class Decoder(nn.Module):
    """One token after the other for a batch; keys and values of a layer are `(batch, heads, context, size)` each.

    Each layer has a buffer of its own: of one for all, the compiled step would copy the whole for each layer.
    """

    def __init__(self, model: dict[str, Any], batch: int, compiled: bool):
        super().__init__()
        self.transformer, self.masked = transformer(model), compiled
        heads, context = model["heads"], model["context"]
        shape = (batch, heads, context, model["width"] // heads)
        for layer in range(model["layers"]):
            self.register_buffer(f"keys_{layer}", torch.zeros(shape))
            self.register_buffer(f"values_{layer}", torch.zeros(shape))

    def caches(self) -> list[tuple[Tensor, Tensor]]:
        """The keys and values of each layer."""
        pairs = range(len(self.transformer.blocks))
        return [(getattr(self, f"keys_{at}"), getattr(self, f"values_{at}")) for at in pairs]

    def forward(self, tokens: Tensor, position: Tensor, filled: int) -> Tensor:
        """The next tokens `(batch,)` from those at a position, `(1,)`; `filled` is one more than it."""
        network = self.transformer
        hidden = F.embedding(tokens, network.embedding) + network.positions[position]
        visible = None
        if self.masked:
            visible = torch.arange(self.keys_0.shape[-2], device=tokens.device)[None] <= position
        for block, cache in zip(network.blocks, self.caches(), strict=True):
            normed = block.attention_norm(hidden)
            hidden = hidden + self._attend(block, normed, cache, position, filled, visible)
            expanded = F.gelu(block.expand(block.dense_norm(hidden)), approximate="tanh")
            hidden = hidden + block.contract(expanded)
        logits = F.linear(network.norm(hidden), network.embedding).float()
        # The largest of the logits with Gumbel noise is a draw from their distribution.
        return (logits - torch.empty_like(logits).exponential_().log_()).argmax(dim=-1)

    def _attend(
        self,
        block: Block,
        hidden: Tensor,
        cache: tuple[Tensor, Tensor],
        position: Tensor,
        filled: int,
        visible: Tensor | None,
    ) -> Tensor:
        batch, width = hidden.shape
        joined = block.projection(hidden).view(batch, 3, block.heads, 1, -1)
        query, key, value = joined.unbind(1)
        keys, values = cache
        # A place that is known to Python is written by a copy; one on the device leaves one graph for all of them.
        place = position if self.masked else slice(filled - 1, filled)
        keys[:, :, place], values[:, :, place] = key, value
        if not self.masked:
            keys, values = keys[:, :, :filled], values[:, :, :filled]
        attended = F.scaled_dot_product_attention(query, keys, values, attn_mask=visible)
        return block.output(attended.reshape(batch, width))


class Sampling:
    """One unit is a batch of texts, on the host.

    Args:
        case: From `benchmarks.gpu.cases`; `options` has the length.
        device: "cpu" or "cuda".
        compiled: Compile the step, into a CUDA graph where that works.
    """

    def __init__(self, case: dict[str, Any], device: str = "cuda", compiled: bool = False):
        self.device, self._compiled, self._done = devices.prepare(device), compiled, 0
        self._batch, self._length = case["batch_size"], case["options"]["length"]
        decoder = Decoder(case["model"], self._batch, compiled)
        self._decoder = decoder.to(self.device).bfloat16().eval()
        self._positions = torch.arange(self._length, device=self.device)[:, None]
        self._step, self._mode = self._decoder, "eager"
        if compiled:
            for each in self._decoder.buffers():
                torch._dynamo.mark_static_address(each)
            self._mode = self._working(["reduce-overhead", "default"])

    def _working(self, modes: list[str]) -> str:
        """The first mode in which a few steps run."""
        for mode in modes:
            self._step = torch.compile(self._decoder, mode=mode, dynamic=False)
            try:
                self._draw(min(8, self._length))
            except Exception:
                if mode == modes[-1]:
                    raise
                torch._dynamo.reset()
            else:
                return mode
        raise ValueError("no mode was given")

    def facts(self) -> dict[str, Any]:
        """Parameters, batches drawn, operations of one and the device's memory."""
        found = {"parameters": devices.parameters(self._decoder), "done": self._done}
        found |= {"mode": self._mode, **devices.facts(self.device)}
        if self._compiled:
            return found
        network = self._decoder.transformer
        matrices = sum(p.numel() for p in network.blocks.parameters() if p.dim() > 1)
        matrices += network.embedding.numel()
        filled = range(1, self._length)
        attention = 4 * network.embedding.shape[1] * len(network.blocks) * sum(filled)
        return {**found, "flops": self._batch * (2 * matrices * len(filled) + attention)}

    def run(self, batches: int) -> None:
        """Draws so many batches."""
        for _ in range(batches):
            self._draw(self._length)
            self._done += 1

    @torch.no_grad()
    def _draw(self, length: int) -> Tensor:
        tokens = torch.zeros(self._batch, dtype=torch.long, device=self.device)
        drawn = [tokens]
        for number, position in enumerate(self._positions[: length - 1]):
            if self._mode != "eager" or self._compiled:
                torch.compiler.cudagraph_mark_step_begin()
            # A graph writes its next result over this one. A changing number would compile anew.
            filled = 0 if self._compiled else number + 1
            tokens = self._step(tokens, position, filled).clone()
            drawn.append(tokens)
        return torch.stack(drawn, dim=1).cpu()
