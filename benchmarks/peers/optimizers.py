"""PyTorch's optimizers from the blocks of a recipe, and what Keras' optimizers do besides: clipping, schedules, averages.

Difference from Keras: Adam adds its epsilon to the corrected root of the second moment, Keras to the uncorrected one.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

KNOWN = frozenset(
    [
        "class",
        "learning_rate",
        "beta_1",
        "beta_2",
        "epsilon",
        "weight_decay",
        "momentum",
        "nesterov",
        "clipnorm",
        "global_clipnorm",
        "use_ema",
        "ema_momentum",
    ]
)


def adam(parameters: Iterable[Any], block: dict[str, Any]) -> Optimizer:
    """Makes the optimizer of a block: `class` is adam, adamw or sgd.

    Args:
        parameters: Parameters, or PyTorch's groups of them (for example one with `weight_decay` 0).
        block: Of the recipe; with a schedule the rate is 1 until `schedule` sets it.

    Raises:
        ValueError: If the block asks for something else.
    """
    unknown = sorted(block.keys() - KNOWN)
    name = block["class"]
    if unknown or name not in ("adam", "adamw", "sgd"):
        raise ValueError(f"no PyTorch optimizer is written for {name} with {unknown}")
    rate = block.get("learning_rate", 0.01 if name == "sgd" else 0.001)
    rate = 1.0 if isinstance(rate, dict) else rate
    decay = block.get("weight_decay") or (0.004 if name == "adamw" else 0.0)
    if name == "sgd":
        if decay:
            raise ValueError("weight decay of sgd is coupled in PyTorch and decoupled in Keras")
        return torch.optim.SGD(
            parameters,
            rate,
            momentum=block.get("momentum", 0.0),
            nesterov=block.get("nesterov", False),
            fused=True,
        )
    # Keras decouples the decay of its Adam too.
    kind = torch.optim.AdamW if decay else torch.optim.Adam
    return kind(
        parameters,
        rate,
        betas=(block.get("beta_1", 0.9), block.get("beta_2", 0.999)),
        eps=block.get("epsilon", 1e-7),
        weight_decay=decay,
        fused=True,
    )


def schedule(optimizer: Optimizer, block: dict[str, Any]) -> LambdaLR | None:
    """Makes the schedule of a block's learning rate, to be stepped after each update; None if it is constant."""
    rate = block.get("learning_rate")
    if not isinstance(rate, dict):
        return None
    options = dict(rate)
    name = options.pop("schedule")
    if name not in SCHEDULES:
        raise ValueError(f"no PyTorch schedule is written for {name}")
    return LambdaLR(optimizer, lambda step: SCHEDULES[name](step, **options))


def _polynomial_decay(
    step: int,
    initial_learning_rate: float,
    decay_steps: int,
    end_learning_rate: float = 0.0001,
    power: float = 1.0,
) -> float:
    left = 1.0 - min(step / decay_steps, 1.0)
    return (initial_learning_rate - end_learning_rate) * left**power + end_learning_rate


def _cosine_decay(
    step: int,
    initial_learning_rate: float,
    decay_steps: int,
    alpha: float = 0.0,
    warmup_target: float | None = None,
    warmup_steps: int = 0,
) -> float:
    top = initial_learning_rate
    if warmup_target is not None:
        if step < warmup_steps:
            return top + (warmup_target - top) * step / warmup_steps
        top, step = warmup_target, step - warmup_steps
    cosine = 0.5 * (1.0 + math.cos(math.pi * min(step / decay_steps, 1.0)))
    return top * ((1.0 - alpha) * cosine + alpha)


SCHEDULES = {"polynomial_decay": _polynomial_decay, "cosine_decay": _cosine_decay}


class Average:
    """The exponential moving average of parameters; the first update copies them, as in Keras."""

    def __init__(self, parameters: Iterable[Tensor], momentum: float):
        self.parameters = list(parameters)
        self.values = [parameter.detach().clone() for parameter in self.parameters]
        self._momentum, self._started = momentum, False

    @torch.no_grad()
    def update(self) -> None:
        """Takes in the present values."""
        weight = 1.0 - self._momentum if self._started else 1.0
        torch._foreach_lerp_(self.values, self.parameters, weight)
        self._started = True


class Update:
    """An optimizer with all that its block asks for; a call makes one update.

    Args:
        parameters: As for `adam`.
        block: Of the recipe.
        beside: Statistics that are averaged as the parameters are, where the block asks for an average.
    """

    def __init__(
        self, parameters: Iterable[Any], block: dict[str, Any], beside: Sequence[Tensor] = ()
    ):
        self.optimizer = adam(parameters, block)
        self.parameters = [p for group in self.optimizer.param_groups for p in group["params"]]
        self.schedule = schedule(self.optimizer, block)
        self.average = (
            Average([*self.parameters, *beside], block.get("ema_momentum", 0.99))
            if block.get("use_ema")
            else None
        )
        self._clipnorm = block.get("clipnorm")
        self._global_clipnorm = block.get("global_clipnorm")

    def __call__(self, loss: Tensor) -> None:
        """Updates the parameters by the gradient of a loss, a scalar; no other gradient is computed or kept."""
        self.optimizer.zero_grad(set_to_none=True)
        # The networks of other phases that the loss goes through need no gradients of their weights.
        loss.backward(inputs=self.parameters)
        if self._clipnorm:
            gradients = [p.grad for p in self.parameters]
            norms = torch._foreach_norm(gradients)
            torch._foreach_clamp_min_(norms, self._clipnorm)
            torch._foreach_reciprocal_(norms)
            torch._foreach_mul_(norms, self._clipnorm)
            torch._foreach_mul_(gradients, norms)
        if self._global_clipnorm:
            nn.utils.clip_grad_norm_(self.parameters, self._global_clipnorm, foreach=True)
        self.optimizer.step()
        if self.schedule:
            self.schedule.step()
        if self.average:
            self.average.update()
