"""PyTorch: eager; the second-order gradients of penalties need `create_graph`."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import torch

from gm_keras.backend.kept_steps import KeptSteps, all_or_nothing, every_variable

Variables = Sequence[keras.Variable]


def value_and_grad(function: Callable, variables: Variables, state: Variables) -> tuple:
    """Returns `function()` and its gradients with respect to `variables`."""
    del state
    values = [variable.value for variable in variables]
    with torch.enable_grad():
        loss = function()
        gradients = torch.autograd.grad(loss, values, allow_unused=True, materialize_grads=True)
    return loss.detach(), list(gradients)


def gradient(function: Callable, inputs: Any, state: Variables) -> Any:
    """Returns the gradient of `sum(function(inputs))` with respect to `inputs`."""
    del state
    with torch.enable_grad():
        if not inputs.requires_grad:
            inputs = inputs.detach().requires_grad_(True)
        return torch.autograd.grad(function(inputs).sum(), inputs, create_graph=True)[0]


def run_if(condition: Any, function: Callable[[], None], state: Variables) -> None:
    """Calls `function`, which may assign `state`, when `condition` (a scalar) is true."""
    del state
    if bool(condition):
        function()


def repeat(times: int, function: Callable[[Any], None], state: Variables) -> None:
    """Calls `function(turn)` so many times."""
    del state
    for turn in range(times):
        function(turn)


def no_gradient() -> contextlib.AbstractContextManager:
    """A context without gradients, in which optimizers are applied."""
    return torch.no_grad()


def compile_function(function: Callable, state: Variables) -> Callable:
    """Runs a function without gradients; PyTorch stays eager."""
    del state

    def call(*args):
        with torch.no_grad():
            return function(*keras.tree.map_structure(keras.ops.convert_to_tensor, list(args)))

    return call


def fused(function: Callable) -> Callable:
    """The function itself: PyTorch stays eager."""
    return function


def kernels() -> None:
    """None: Keras' own convolutions serve."""


def fixed_seed(first: Any, second: Any) -> Any:
    """Two words as the state of a seed."""
    return keras.ops.stack([first, second])


def noise_key(words: Any) -> Any:
    """The words themselves."""
    return words


def steps_per_execution(parameters: int) -> int:  # noqa: ARG001 (one signature for every backend)
    """One: PyTorch stays eager."""
    return 1


class TrainerSeam(KeptSteps):
    """Turns `stateful_train_step` and `stateful_test_step` into Keras' steps."""

    def sync_state(self) -> None:
        """Does nothing: here the variables are always up to date; for callbacks within an epoch."""

    def _whole_step(self) -> None:
        """Nothing: each step keeps its own."""

    def _give_back(self) -> None:
        """Nothing: each step has done so."""

    def train_step(self, data: Any) -> dict:
        self.check_batch(data)
        with all_or_nothing(every_variable(self)):
            return self.stateful_train_step(data)

    def test_step(self, data: Any) -> dict:
        self.check_batch(data)
        with torch.no_grad():
            return self.stateful_test_step(data)


def set_seed(seed: int) -> None:
    """Seeds the generators from which Keras takes the seeds of weights and noise."""
    keras.utils.set_random_seed(seed)


def on_accelerator() -> bool:
    """Whether the device has a memory of its own."""
    return torch.cuda.is_available()


def is_traced(value: Any) -> bool:
    """Whether a value stands for one that a compiled function will have."""
    return isinstance(value, keras.KerasTensor)


def concrete(value: Any) -> np.ndarray | None:
    """The value as an array, or None where it lies on a device."""
    if isinstance(value, torch.Tensor):
        return None if value.device.type != "cpu" else value.detach().numpy()
    return np.asarray(value)


def device_name() -> str:
    """The device that computes, for example `cpu` or the name of a GPU."""
    return torch.cuda.get_device_name(0) if torch.cuda.is_available() else "cpu"


def version() -> str:
    """The version of the backend."""
    return torch.__version__
