"""Training in bfloat16 with float32 weights, as a performance engineer writes it in PyTorch.

The network holds bfloat16 copies, which one fused call renews after each update: the arithmetic of Keras' policy
`mixed_bfloat16`, with fewer casts than `torch.autocast`, whose normalizations besides write float32.
"""

import copy
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.gpu.pytorch import device as devices
from benchmarks.peers import training
from benchmarks.peers.optimizers import Update


def lowered(network: nn.Module) -> dict[nn.Parameter, nn.Parameter]:
    """Puts bfloat16 copies in the place of a network's parameters; returns the copy of each."""
    copies = {each: nn.Parameter(each.detach().bfloat16()) for each in network.parameters()}
    for module in network.modules():
        for name, parameter in list(module.named_parameters(recurse=False)):
            setattr(module, name, copies[parameter])
    return copies


class LowPrecisionUpdate:
    """An update of float32 weights by gradients of their bfloat16 copies.

    Args:
        update: Of the float32 weights.
        copies: By weight.
        block: Of the optimizer, for the clipping.
    """

    def __init__(
        self, update: Update, copies: dict[nn.Parameter, nn.Parameter], block: dict[str, Any]
    ):
        if block.get("clipnorm"):
            raise ValueError("only clipping by the norm of all gradients is written")
        self.update, self._clipnorm = update, block.get("global_clipnorm")
        self.weights = update.parameters
        self.copies = [copies[weight] for weight in self.weights]

    def arrange(self) -> None:
        """Gives the weights the memory format of their copies; before the first update."""
        for weight, low in zip(self.weights, self.copies, strict=True):
            weight.data = torch.empty_like(low, dtype=weight.dtype).copy_(weight.data)
            weight.grad = torch.zeros_like(weight)
        if self.update.average:
            self.update.average.values = [weight.detach().clone() for weight in self.weights]

    def __call__(self, loss: Tensor) -> None:
        """Updates the weights by the gradient of a loss, a scalar."""
        for low in self.copies:
            low.grad = None
        loss.backward()
        torch._foreach_copy_(
            [weight.grad for weight in self.weights], [low.grad for low in self.copies]
        )
        if self._clipnorm:
            nn.utils.clip_grad_norm_(self.weights, self._clipnorm, foreach=True)
        self.update.optimizer.step()
        if self.update.schedule:
            self.update.schedule.step()
        if self.update.average:
            self.update.average.update()
        with torch.no_grad():
            torch._foreach_copy_(self.copies, self.weights)


class Training(training.Training):
    """A training whose loss is a module; subclasses make it.

    Args:
        case: From `benchmarks.gpu.cases`.
        device: "cpu" or "cuda".
        compiled: Compile the loss, its gradient included.
    """

    #: Memory formats to choose from.
    formats = devices.FORMATS

    def __init__(self, case: dict[str, Any], device: str = "cuda", compiled: bool = False):
        devices.prepare(device)
        super().__init__(case, device)
        self._compiled = compiled
        self._format = self.formats[0]
        # Inductor lays out what is in between as it likes.
        if not compiled and len(self.formats) > 1:
            self._format = devices.fastest(self.formats, self._try, self.device)
        self.loss.to(memory_format=self._format)
        self._update.arrange()
        if compiled:
            self.loss.compile(dynamic=False)

    def make_loss(self, **model: Any) -> nn.Module:
        """A module from the fields of a batch to the loss, a scalar."""
        raise NotImplementedError

    def groups(self) -> list[Any]:
        """The parameters, or PyTorch's groups of them."""
        return list(self.loss.parameters())

    def build(self, **model: Any) -> None:
        self.loss = self.make_loss(**model).to(self.device)
        block = self.case["optimizers"]["main"]
        update = Update(self.groups(), block)
        self._update = LowPrecisionUpdate(update, lowered(self.loss), block)

    def networks(self) -> list[nn.Module]:
        return [self.loss]

    def step(self, batch: dict[str, Tensor]) -> None:
        self._update(self.loss(*self._inputs(batch)))

    def facts(self) -> dict[str, Any]:
        """Parameters, steps, operations of a step and the device's memory."""
        found = {**super().facts(), **devices.facts(self.device)}
        if self._compiled:
            return found
        loss = copy.deepcopy(self.loss).to("meta")
        inputs = [value.to("meta") for value in self._inputs(self._batch())]
        flops = devices.operations(loss, *inputs, backward=True)
        return {**found, "flops": flops, "format": str(self._format)}

    def _inputs(self, batch: dict[str, Tensor]) -> list[Tensor]:
        values = list(batch.values())
        if values[0].ndim == 4:
            values[0] = values[0].contiguous(memory_format=self._format)
        return values

    def _try(self, memory_format: torch.memory_format) -> None:
        self._format = memory_format
        self.loss.to(memory_format=memory_format).zero_grad()
        self.loss(*self._inputs(self._batch())).backward()
