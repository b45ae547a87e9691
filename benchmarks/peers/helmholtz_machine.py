"""Helmholtz machine (Dayan et al. 1995), trained by wake-sleep (Hinton et al. 1995), in PyTorch.

Differences from our model: the gradient of a layer's log-probability, the delta rule of the paper, is written out
instead of being derived, and the values of the losses are not computed.
"""

import itertools
import math
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import optimizers, training
from benchmarks.peers.rbm import draw


class Training(training.Training):
    """Two updates a step: the generative connections when awake, those of recognition when asleep."""

    def build(self, **model: Any) -> None:
        self.image_shape = model["image_shape"]
        self.binarize = model["binarize"]
        widths = [math.prod(self.image_shape), *model["units"]]
        pairs = list(itertools.pairwise(widths))
        self.recognition = nn.ModuleList(dense(below, above) for below, above in pairs)
        self.generation = nn.ModuleList(dense(above, below) for below, above in pairs)
        self.top = nn.ParameterList([torch.zeros(widths[-1])])
        for network in self.networks():
            network.to(self.device)
        updated = {"generation": [self.generation, self.top], "recognition": [self.recognition]}
        self._optimizers, self._schedules = {}, {}
        for name, networks in updated.items():
            block = self.case["optimizers"][name]
            parameters = [p for network in networks for p in network.parameters()]
            self._optimizers[name] = optimizers.adam(parameters, block)
            self._schedules[name] = optimizers.schedule(self._optimizers[name], block)

    def networks(self) -> list[nn.Module]:
        return [self.recognition, self.generation, self.top]

    @torch.no_grad()
    def step(self, batch: dict[str, Tensor]) -> None:
        data = batch["image"].flatten(1)
        bits = (data + 1.0).mul_(0.5)
        if self.binarize:
            bits = draw(bits)
            data = 2.0 * bits - 1.0
        self._wake(data, bits)
        self._sleep(len(data))

    def _wake(self, data: Tensor, bits: Tensor) -> None:
        states, below = [bits], data
        for layer in self.recognition:
            below = draw(layer(below).sigmoid_())
            states.append(below)
        for layer, above, values in zip(self.generation, states[1:], states[:-1], strict=True):
            delta_rule(layer, above, values)
        top = self.top[0]
        top.grad = top.sigmoid().sub_(states[-1].mean(dim=0))
        self._update("generation")

    def _sleep(self, n: int) -> None:
        states = [draw(self.top[0].sigmoid().expand(n, -1))]
        for layer in reversed(self.generation):
            states.append(draw(layer(states[-1]).sigmoid_()))
        dream = states.pop().mul_(2.0).sub_(1.0)
        states = [dream, *reversed(states)]
        for layer, below, values in zip(self.recognition, states[:-1], states[1:], strict=True):
            delta_rule(layer, below, values)
        self._update("recognition")

    def _update(self, name: str) -> None:
        self._optimizers[name].step()
        if self._schedules[name]:
            self._schedules[name].step()


def delta_rule(layer: nn.Linear, inputs: Tensor, values: Tensor) -> None:
    """Sets the gradient of minus the mean log-probability of binary values given a layer's inputs.

    Args:
        layer: Its outputs are log-odds.
        inputs: `(batch, inputs)`.
        values: `(batch, outputs)`, 0 or 1.
    """
    errors = layer(inputs).sigmoid_().sub_(values).div_(len(values))
    layer.weight.grad = errors.t() @ inputs
    layer.bias.grad = errors.sum(dim=0)


def dense(features: int, width: int) -> nn.Linear:
    """A linear layer with Glorot's initial weights."""
    layer = nn.Linear(features, width)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
