"""JAX: everything stateful runs inside a `StatelessScope`, so that it becomes a pure function."""

import contextlib
import random
from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras
import numpy as np
from keras import ops

Variables = Sequence[keras.Variable]

# The dtype in which this backend keeps the two words of a seed.
SEED_DTYPE = "uint32"


def functionalize(function: Callable, state: Variables) -> Callable:
    """Makes a function that reads and assigns `state` pure.

    Args:
        function: Any function of tensors that reads and assigns variables.
        state: Every variable that the function may assign.

    Returns:
        `pure(values, *args) -> (result, new_values)`, values in the order of `state`.

    Raises:
        RuntimeError: When called, if the function assigns a variable outside `state`: its new value
            would be lost without a word.
    """

    def pure(values, *args):
        with keras.StatelessScope(list(zip(state, values, strict=True))) as scope:
            result = function(*args)
        untracked = scope.state_mapping.keys() - {id(variable) for variable in state}
        if untracked:
            raise RuntimeError(
                f"{len(untracked)} variable(s) were assigned in this step that the model does not track: "
                "make every variable, layer and seed generator an attribute of the model (or of a "
                "network that is one) before it is compiled"
            )
        return result, [scope.get_current_value(variable) for variable in state]

    return pure


def _values(state: Variables) -> list:
    return [variable.value for variable in state]


def _assign(state: Variables, values: Sequence) -> None:
    for variable, value in zip(state, values, strict=True):
        variable.assign(value)


def value_and_grad(function: Callable, variables: Variables, state: Variables) -> tuple:
    """Returns `function()` and its gradients with respect to `variables`."""
    own = {id(variable) for variable in variables}
    rest = [variable for variable in state if id(variable) not in own]
    pure = functionalize(function, list(variables) + rest)

    def loss_of(variable_values, rest_values):
        loss, new = pure(list(variable_values) + list(rest_values))
        return loss, new[len(variable_values) :]

    (loss, new_rest), gradients = jax.value_and_grad(loss_of, has_aux=True)(
        _values(variables), _values(rest)
    )
    _assign(rest, new_rest)
    return loss, gradients


def gradient(function: Callable, inputs: Any, state: Variables) -> Any:
    """Returns the gradient of `sum(function(inputs))` with respect to `inputs`."""
    pure = functionalize(function, state)

    def total(value, state_values):
        outputs, new = pure(state_values, value)
        return ops.sum(outputs), new

    result, new = jax.grad(total, has_aux=True)(inputs, _values(state))
    _assign(state, new)
    return result


def run_if(condition: Any, function: Callable[[], None], state: Variables) -> None:
    """Calls `function`, which may assign `state`, when `condition` (a scalar) is true."""
    pure = functionalize(function, state)
    new = jax.lax.cond(condition, lambda values: pure(values)[1], list, _values(state))
    _assign(state, new)


def no_gradient() -> contextlib.AbstractContextManager:
    """A context without gradients; JAX takes them only where it is asked to."""
    return contextlib.nullcontext()


def compile_function(function: Callable, state: Variables) -> Callable:
    """Compiles a function of tensors that reads (and does not assign) `state`."""
    pure = jax.jit(lambda values, args: functionalize(function, state)(values, *args)[0])
    return lambda *args: pure(_values(state), args)


class TrainerSeam:
    """Turns `stateful_train_step` and `stateful_test_step` into Keras' stateless steps."""

    def sync_state(self) -> None:
        """Puts the values that `fit` holds back into the variables; for callbacks within an epoch."""
        self.jax_state_sync()

    def train_step(self, state: tuple, data: Any) -> tuple:
        groups = (
            self.trainable_variables,
            self.non_trainable_variables,
            self.optimizer.variables,
            self.metrics_variables,
        )
        return _run(self.stateful_train_step, groups, state, data)

    def test_step(self, state: tuple, data: Any) -> tuple:
        groups = (self.trainable_variables, self.non_trainable_variables, self.metrics_variables)
        return _run(self.stateful_test_step, groups, state, data)


def _run(step: Callable, groups: tuple, state: tuple, data: Any) -> tuple:
    flat = [variable for group in groups for variable in group]
    values = [value for group in state for value in group]
    logs, new = functionalize(step, flat)(values, data)
    remaining = iter(new)
    return logs, tuple([next(remaining) for _ in group] for group in groups)


def set_seed(seed: int) -> None:
    """Seeds the generators from which Keras takes the seeds of weights and noise."""
    # keras.utils.set_random_seed would also import TensorFlow, which takes five seconds.
    random.seed(seed)
    np.random.seed(seed)


def device_name() -> str:
    """The device that computes, for example `cpu` or `NVIDIA H200`."""
    return jax.devices()[0].device_kind


def version() -> str:
    """The version of the backend."""
    return jax.__version__
