"""Restricted Boltzmann machine with persistent chains (Tieleman 2008) or contrastive divergence (Hinton 2002) in PyTorch.

Differences from our model: the gradient of the free energies, the same numbers, is written out instead of being
derived, with the data and the chains in one product, and the value of the surrogate loss is not computed; binary
visible units only.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import optimizers, training


class Machine(nn.Module):
    """Visible and hidden units, every one connected with every one of the other kind."""

    def __init__(self, visible_units: int, hidden_units: int):
        super().__init__()
        self.kernel = nn.Parameter(0.01 * torch.randn(visible_units, hidden_units))
        self.visible_bias = nn.Parameter(torch.zeros(visible_units))
        self.hidden_bias = nn.Parameter(torch.zeros(hidden_units))

    def hidden(self, visible: Tensor) -> Tensor:
        """The probabilities `(batch, hidden_units)` given visible values."""
        return torch.addmm(self.hidden_bias, visible, self.kernel).sigmoid_()

    def visible(self, hidden: Tensor) -> Tensor:
        """The probabilities `(batch, visible_units)` given hidden values."""
        return torch.addmm(self.visible_bias, hidden, self.kernel.t()).sigmoid_()


class Training(training.Training):
    """One update a step: Gibbs steps, then the free energy of data down and that of the chains up."""

    def build(self, **model: Any) -> None:
        if model["visible"] != "bernoulli":
            raise ValueError("only binary visible units are written")
        size = math.prod(model["image_shape"])
        self.gibbs_steps, self.binarize = model["steps"], model["binarize"]
        self.machine = Machine(size, model["hidden"]).to(self.device)
        chains = model["chains"] if model["persistent"] else None
        self.chains = torch.zeros(chains, size, device=self.device) if chains else None
        # What each row of data and chains counts in the gradient.
        n = self.case["batch_size"]
        self._weights = torch.cat(
            [torch.full((n, 1), -1.0 / n), torch.full((chains or n, 1), 1.0 / (chains or n))]
        ).to(self.device)
        block = self.case["optimizers"]["main"]
        self._optimizer = optimizers.adam(self.machine.parameters(), block)
        self._schedule = optimizers.schedule(self._optimizer, block)

    def networks(self) -> list[nn.Module]:
        return [self.machine]

    @torch.no_grad()
    def step(self, batch: dict[str, Tensor]) -> None:
        machine = self.machine
        data = (batch["image"].flatten(1) + 1.0).mul_(0.5)
        if self.binarize:
            data = draw(data)
        chains = data if self.chains is None else self.chains
        for _ in range(self.gibbs_steps):
            chains = draw(machine.visible(draw(machine.hidden(chains))))
        if self.chains is not None:
            self.chains = chains
        values = torch.cat([data, chains])
        hidden = machine.hidden(values).mul_(self._weights)
        machine.kernel.grad = values.t() @ hidden
        machine.visible_bias.grad = torch.mv(values.t(), self._weights[:, 0])
        machine.hidden_bias.grad = hidden.sum(dim=0)
        self._optimizer.step()
        if self._schedule:
            self._schedule.step()


def draw(probabilities: Tensor) -> Tensor:
    """Draws 0.0 or 1.0 for each probability."""
    # Several times as fast as torch.bernoulli.
    return torch.rand_like(probabilities).lt_(probabilities)
