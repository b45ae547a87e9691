"""JAX: everything stateful runs inside a `StatelessScope`, so that it becomes a pure function."""

import contextlib
import functools
import itertools
import os
import random
from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np
from keras import ops

from gm_keras.backend import jax_kernels, native
from gm_keras.backend.kept_steps import KeptSteps

Variables = Sequence[keras.Variable]

_FUSIONS = "xla_cpu_experimental_ynn_fusion_type"

# Small models are bound by the calls from Python; more than this gains little (benchmarks/NOTES.md).
_STEPS = 8
# On a GPU the loop around the steps costs a model from about this size on more than the calls do.
_LARGE = 30_000_000


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


@functools.cache
def compiler_options() -> dict[str, str]:
    """What XLA is told besides: on a CPU, that its fusions are to leave convolutions alone.

    Its other convolution is nearly twice as fast (`benchmarks/NOTES.md`). An option that this version of
    XLA does not know is left out, and what the user says in XLA_FLAGS stands.
    """
    if on_accelerator() or _FUSIONS in os.environ.get("XLA_FLAGS", ""):
        return {}
    options = {_FUSIONS: "LIBRARY_FUSION_TYPE_DOT"}
    try:
        jax.jit(lambda x: x, compiler_options=options).lower(0.0).compile()
    except jax.errors.JaxRuntimeError:
        return {}
    return options


def compiled(function: Callable, **options: Any) -> Callable:
    """`jax.jit` with the options above; for functions that no other compiled function calls."""
    return jax.jit(function, compiler_options=compiler_options(), **options)


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


def repeat(times: int, function: Callable[[Any], None], state: Variables) -> None:
    """Calls `function(turn)`, which may assign `state`, so many times, in a loop that is compiled once."""
    pure = functionalize(function, state)

    def turn(index, values):
        return pure(values, index)[1]

    _assign(state, jax.lax.fori_loop(0, times, turn, _values(state)))


def no_gradient() -> contextlib.AbstractContextManager:
    """A context without gradients; JAX takes them only where it is asked to."""
    return contextlib.nullcontext()


def compile_function(function: Callable, state: Variables) -> Callable:
    """Compiles a function of tensors that reads (and does not assign) `state`."""
    pure = compiled(lambda values, args: functionalize(function, state)(values, *args)[0])
    return lambda *args: pure(_values(state), args)


def fused(function: Callable) -> Callable:
    """The function itself: the whole program is compiled as one."""
    return function


def kernels() -> ModuleType | None:
    """The module of convolutions to use instead of Keras' own, or None."""
    # A GPU's libraries have a kernel for every gradient.
    return None if on_accelerator() else jax_kernels


def fixed_seed(first: Any, second: Any) -> Any:
    """Two words as the state of a seed."""
    return ops.cast(ops.stack([first, second]), "uint32")


def noise_key(words: Any) -> Any:
    """The two words of a seed as `keras.random` draws from them soonest."""
    return words if on_accelerator() else native.noise_key(words)


def steps_per_execution(parameters: int) -> int:
    """How many steps a call of `fit` is best given at once, for a model of so many parameters."""
    return 1 if on_accelerator() and parameters > _LARGE else _STEPS


class TrainerSeam(KeptSteps):
    """Turns `stateful_train_step` and `stateful_test_step` into Keras' stateless steps.

    No step is given its state for good (a donation): until the next values are there, the last ones are kept.
    """

    # In each call of the steps `fit` keeps the state in attributes, and Keras would look through all of its arrays for
    # something to track: as much time as all else that Python does for a small model.
    _UNTRACKED = frozenset({"_jax_state", "_whole"})

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._UNTRACKED:
            object.__setattr__(self, name, value)
        else:
            super().__setattr__(name, value)

    def sync_state(self) -> None:
        """Puts the values that `fit` holds back into the variables; for callbacks within an epoch."""
        self.jax_state_sync()

    def jax_state_sync(self) -> None:
        """As in Keras; values that it took and lost, because something was raised before a step, come back too."""
        super().jax_state_sync()
        if self._whole is not None and not all(map(_has_value, self.variables)):
            self._give_back()

    def _whole_step(self) -> tuple:
        # A callback may call this in the middle of an epoch of `fit`.
        self.jax_state_sync()
        return tuple(_values(group) for group in self._groups())

    def _give_back(self) -> None:
        if self._whole is not None:
            for group, values in zip(self._groups(), self._whole, strict=True):
                _assign(group, values)
        # What Keras kept of the call that has failed must not be assigned later.
        self._jax_state = None

    def _groups(self) -> tuple:
        """The variables in the order of the state that Keras hands to a training step."""
        optimizer = getattr(self, "optimizer", None)
        return (
            self.trainable_variables,
            self.non_trainable_variables,
            [] if optimizer is None else optimizer.variables,
            self.metrics_variables,
        )

    def make_train_function(self, force: bool = False) -> None:
        """Compiles the step; with `steps_per_execution`, a loop over so many steps."""
        if self.train_function is not None and not force:
            return
        if self._is_stock():
            super().make_train_function(force)
            function = self._giving_copies(self.train_function)
        elif self.steps_per_execution == 1:
            function = _one_by_one(compiled(self.train_step), 1)
        else:
            function = _looped(self.train_step, self.steps_per_execution)

        def train_function(state: tuple, iterator: Iterator) -> tuple:
            logs, new = function(state, self._checked(iterator))
            if self._whole is not None:
                self._whole = new
            return logs, new

        self.train_function = train_function

    def make_test_function(self, force: bool = False) -> None:
        """Compiles the step without updates."""
        if self.test_function is not None and not force:
            return
        if self._is_stock():
            super().make_test_function(force)
            function = self._giving_copies(self.test_function)
        else:
            function = _one_by_one(compiled(self.test_step), self.steps_per_execution)
        self.test_function = lambda state, iterator: function(state, self._checked(iterator))

    def make_predict_function(self, force: bool = False) -> None:
        """As in Keras."""
        if self.predict_function is None or force:
            super().make_predict_function(force)
            self.predict_function = self._giving_copies(self.predict_function)

    def _giving_copies(self, function: Callable) -> Callable:
        """The function of Keras, whose compiled code overwrites the state that it is given."""
        if self.run_eagerly or not self.jit_compile:
            return function
        return lambda state, iterator: function(jax.tree.map(jnp.copy, state), iterator)

    def _is_stock(self) -> bool:
        return (
            self.run_eagerly
            or not self.jit_compile
            or keras.distribution.distribution() is not None
        )

    def train_step(self, state: tuple, data: Any) -> tuple:
        return _run(self.stateful_train_step, self._groups(), state, data)

    def test_step(self, state: tuple, data: Any) -> tuple:
        groups = (self.trainable_variables, self.non_trainable_variables, self.metrics_variables)
        return _run(self.stateful_test_step, groups, state, data)


def _has_value(variable: keras.Variable) -> bool:
    try:
        return variable.value is not None
    except (
        TypeError
    ):  # a variable without a value would make a new one, with an initializer that it gave away
        return False


def _run(step: Callable, groups: tuple, state: tuple, data: Any) -> tuple:
    flat = [variable for group in groups for variable in group]
    values = [value for group in state for value in group]
    logs, new = functionalize(step, flat)(values, data)
    remaining = iter(new)
    return logs, tuple([next(remaining) for _ in group] for group in groups)


def _one_by_one(step: Callable, most: int) -> Callable:
    """Up to `most` calls; validation has a smaller last batch, which no loop could take."""

    def function(state: tuple, iterator: Iterator) -> tuple:
        for batch in [next(iterator), *itertools.islice(iterator, most - 1)]:
            logs, state = step(state, batch)
        return logs, state

    return function


def _looped(step: Callable, most: int) -> Callable:
    """Up to `most` steps in one compiled call, and the logs of the last one.

    How many is a number that the call is given: the same compiled steps run whatever part of an epoch is left,
    and a training that goes on from any step computes the same bits.
    """

    def loop(state: tuple, batches: Any, count: Any) -> tuple:
        def body(index: Any, carry: tuple) -> tuple:
            batch = jax.tree.map(lambda values: values[index], batches)
            return step(carry[1], batch)

        first = jax.eval_shape(step, state, jax.tree.map(lambda values: values[0], batches))[0]
        logs = jax.tree.map(lambda value: jnp.zeros(value.shape, value.dtype), first)
        return jax.lax.fori_loop(0, count, body, (logs, state))

    run = compiled(loop)

    def train_function(state: tuple, iterator: Iterator) -> tuple:
        parts = [next(iterator), *itertools.islice(iterator, most - 1)]
        # The last batch of arrays may be smaller.
        for _, alike in itertools.groupby(parts, _shapes):
            alike = list(alike)
            count = len(alike)
            alike += alike[-1:] * (most - count)
            logs, state = run(state, jax.tree.map(_stacked, *alike), count)
        return logs, state

    return train_function


def _shapes(batch: Any) -> list[tuple]:
    return [np.shape(value) for value in jax.tree.leaves(batch)]


def _stacked(*values: Any) -> Any:
    # What lies on the device stays there.
    return (np if isinstance(values[0], np.ndarray) else jnp).stack(values)


def set_seed(seed: int) -> None:
    """Seeds the generators from which Keras takes the seeds of weights and noise: Python's and NumPy's, of the whole process."""
    # keras.utils.set_random_seed would also import TensorFlow, which takes five seconds.
    random.seed(seed)
    np.random.seed(seed)


def on_accelerator() -> bool:
    """Whether the device has a memory of its own."""
    return jax.default_backend() != "cpu"


def is_traced(value: Any) -> bool:
    """Whether a value stands for one that a compiled function will have."""
    return isinstance(value, (jax.core.Tracer, keras.KerasTensor))


def concrete(value: Any) -> np.ndarray | None:
    """The value as an array, or None where it is not known yet or lies on a device."""
    if is_traced(value) or (isinstance(value, jax.Array) and on_accelerator()):
        return None
    return np.asarray(value)


def device_name() -> str:
    """The device that computes, for example `cpu` or `NVIDIA H200`."""
    return jax.devices()[0].device_kind


def version() -> str:
    """The version of the backend."""
    return jax.__version__
