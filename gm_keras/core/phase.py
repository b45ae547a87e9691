"""A phase: one loss, the networks that it updates, and the optimizer that does it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras


@dataclass(frozen=True)
class Phase:
    """One update of a training step.

    Attributes:
        name: What the curve of the loss is called: `<name>_loss`.
        loss: `loss(batch, training) -> scalar tensor`; `batch` is a dictionary of tensors.
        networks: Layers or models whose trainable variables this phase updates, and no others.
        optimizer: The key of the optimizer in `compile({...})`.
        repeats: Updates in each step (the n_critic of a WGAN); each draws fresh noise.
        every: Runs in every k-th step only; its loss is multiplied by k (lazy regularization).
        when: Runs only in steps in which this says so: a boolean scalar of the model's state, such as `step`.
    """

    name: str
    loss: Callable[[dict[str, Any], bool], Any]
    networks: Sequence[keras.layers.Layer]
    optimizer: str = "main"
    repeats: int = 1
    every: int = 1
    when: Callable[[], Any] | None = None

    def __post_init__(self):
        if self.repeats < 1 or self.every < 1:
            raise ValueError(
                f'phase "{self.name}": repeats and every must be at least 1, '
                f"not repeats={self.repeats}, every={self.every}"
            )

    @property
    def variables(self) -> list[keras.Variable]:
        """The trainable variables of the networks, each once."""
        return unique(v for network in self.networks for v in network.trainable_variables)


def unique(variables) -> list[keras.Variable]:
    """Returns the variables in order, each once (variables have no usable equality)."""
    return list({id(variable): variable for variable in variables}.values())
