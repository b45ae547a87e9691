"""The training loop around a hand-written PyTorch step."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

IMAGES = ("image", "source", "target")


class Operations(TorchDispatchMode):
    """Adds up what products and convolutions cost; PyTorch's own counter forbids gradients within a loss."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None):
        result = operation(*args, **(kwargs or {}))
        cost = flop_registry.get(operation._overloadpacket)
        if cost:
            self.total += cost(*args, **(kwargs or {}), out_val=result)
        return result


class Training:
    """What a PyTorch user would write for one system; a subclass has the networks and the step.

    Args:
        case: From `benchmarks.cases`: `model`, `optimizers`, `batch_size`, `batches` (those that one step takes),
            `data` (a prepared folder), `precision`.
        device: "cpu" or "cuda".
    """

    def __init__(self, case: dict[str, Any], device: str = "cpu"):
        torch.manual_seed(0)
        self.case, self.device = case, torch.device(device)
        self.build(**case["model"])
        self.steps = self.updates = 0
        register_optimizer_step_post_hook(self._count_update)
        self._rows = case["batch_size"] * case["batches"]
        self._data = {
            field: self._loaded(field, Path(path)) for field, path in case["fields"].items()
        }
        self._generator = torch.Generator().manual_seed(0)
        self._order, self._next = torch.empty(0, dtype=torch.long), 0

    def build(self, **model: Any) -> None:
        """Makes the networks and the optimizers; `model` is the constructor's arguments of ours."""
        raise NotImplementedError

    def step(self, batch: dict[str, Tensor]) -> None:
        """One training step: every phase, every update."""
        raise NotImplementedError

    def networks(self) -> list[nn.Module]:
        """Everything with parameters that are trained."""
        raise NotImplementedError

    def facts(self) -> dict[str, float]:
        """Trained parameters, the steps done, updates and examples in a step, and the operations of one step."""
        return {
            "parameters": self.parameters,
            "done": self.steps,
            "updates": self.updates / self.steps,
            "examples": self._rows,
            "flops": self.operations(),
        }

    @property
    def parameters(self) -> int:
        """The number of trained parameters."""
        unique = {id(p): p for network in self.networks() for p in network.parameters()}
        return sum(p.numel() for p in unique.values())

    def operations(self) -> int:
        """Multiplications and additions in the products and convolutions of one step, which is made."""
        # Attention counts as what it is by definition, two products over all positions.
        with Operations() as counter, sdpa_kernel(SDPBackend.MATH):
            self.step(self._batch())
        return counter.total

    def run(self, steps: int) -> None:
        """Trains; returns when the device is done."""
        for _ in range(steps):
            self.step(self._batch())
            self.steps += 1
        if self.device.type == "cuda":
            torch.cuda.synchronize()

    def _count_update(self, *_: Any) -> None:
        self.updates += 1

    def _loaded(self, field: str, path: Path) -> Tensor:
        # Small data are held as floats on the device: nothing is left to do in the loop but to take rows.
        values = torch.from_numpy(np.load(path))
        if field in IMAGES:
            levels = self.case["levels"]
            values = values.permute(0, 3, 1, 2).float() * (2.0 / (levels - 1)) - 1.0
        elif field in ("tokens", "label"):
            values = values.long()
        return values.contiguous().to(self.device)

    def _batch(self) -> dict[str, Tensor]:
        if "tokens" in self._data:
            return {"tokens": self._windows()}
        if self._next + self._rows > len(self._order):
            rows = len(next(iter(self._data.values())))
            self._order = torch.randperm(rows, generator=self._generator).to(self.device)
            self._next = 0
        rows = self._order[self._next : self._next + self._rows]
        self._next += self._rows
        return {field: values[rows] for field, values in self._data.items()}

    def _windows(self) -> Tensor:
        tokens, window = self._data["tokens"], self.case["model"]["context"] + 1
        starts = torch.randint(len(tokens) - window, (self._rows, 1), generator=self._generator)
        return tokens[(starts + torch.arange(window)).to(self.device)]
