"""TensorFlow: variables are assigned in place, gradients come from tapes."""

import contextlib
import itertools
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops

# Not public: fit() asks it for a dataset, and only a subclass can give it something else.
from keras.src.trainers.data_adapters.py_dataset_adapter import PyDatasetAdapter

from gm_keras.backend import interrupts
from gm_keras.backend.kept_steps import (
    KeptSteps,
    all_or_nothing,
    copies,
    every_variable,
    insist,
)

Variables = Sequence[keras.Variable]

# Small models are bound by the calls from Python (benchmarks/NOTES.md).
_STEPS = 8


def value_and_grad(function: Callable, variables: Variables, state: Variables) -> tuple:
    """Returns `function()` and its gradients with respect to `variables`."""
    del state
    values = [variable.value for variable in variables]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(values)
        loss = function()
    # None for an unconnected variable would make optimizers differ from JAX, which has zeros.
    gradients = tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO)
    # The sparse gradients of embeddings would make optimizers skip the rows that a batch did not use.
    gradients = [tf.convert_to_tensor(value) for value in gradients]
    return loss, gradients if tf.executing_eagerly() else _after_all(gradients)


def _after_all(tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """The tensors, none of them before all of them are computed.

    Keras puts the gradients through one `IdentityN`. TensorFlow's graph optimizer counts on it for the order of
    reads and updates of weights, and then removes it: without an order of their own a weight could be updated before
    it is read (`benchmarks/NOTES.md`).
    """
    with tf.control_dependencies([tf.group(*tensors)]):
        return [tf.identity(tensor) for tensor in tensors]


def gradient(function: Callable, inputs: Any, state: Variables) -> Any:
    """Returns the gradient of `sum(function(inputs))` with respect to `inputs`."""
    del state
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        total = ops.sum(function(inputs))
    return tape.gradient(total, inputs, unconnected_gradients=tf.UnconnectedGradients.ZERO)


def run_if(condition: Any, function: Callable[[], None], state: Variables) -> None:
    """Calls `function`, which may assign `state`, when `condition` (a scalar) is true."""
    del state

    def run():
        function()
        return tf.constant(0)

    tf.cond(condition, run, lambda: tf.constant(0))


def repeat(times: int, function: Callable[[Any], None], state: Variables) -> None:
    """Calls `function(turn)`, which may assign `state`, so many times, in one loop of the graph."""
    del state

    def turn(index):
        function(index)
        return [index + 1]

    tf.while_loop(lambda index: index < times, turn, [tf.constant(0)])


def no_gradient() -> contextlib.AbstractContextManager:
    """A context without gradients; tapes record only inside themselves."""
    return contextlib.nullcontext()


def compile_function(function: Callable, state: Variables) -> Callable:
    """Compiles a function of tensors that reads `state`."""
    del state
    # XLA halves the speed of convolutional models on a CPU; elsewhere it gains.
    graph = tf.function(function, jit_compile=on_accelerator())

    def call(*args):
        return graph(*keras.tree.map_structure(ops.convert_to_tensor, list(args)))

    return call


def fused(function: Callable) -> Callable:
    """Compiles a part of a graph with XLA, which the rest goes without on a CPU.

    Args:
        function: Without arguments, of tensors that it closes over; no convolutions.

    Returns:
        What gives the same result. Outside of compiled functions it is the function itself.
    """
    if tf.executing_eagerly():
        return function
    return tf.function(function, autograph=False, jit_compile=True)


def kernels() -> None:
    """None: Keras' own convolutions serve."""


class _DirectAdapter(PyDatasetAdapter):
    """Hands `fit` the batches as they are: a `tf.data` generator costs a small model more time than its step."""

    def get_tf_dataset(self) -> "_DirectAdapter":
        return self

    def __iter__(self) -> Iterator:
        return self._get_iterator()


def fixed_seed(first: Any, second: Any) -> Any:
    """Two words as the state of a seed."""
    # Keras takes int32 as it is, and from other types of seeds a remainder in which some would be the same.
    second = tf.cast(tf.math.floormod(tf.cast(second, "int64"), tf.int32.max - 1), "int32")
    return tf.stack([first, second])


def noise_key(words: Any) -> Any:
    """The words themselves."""
    return words


def steps_per_execution(parameters: int) -> int:  # noqa: ARG001 (one signature for every backend)
    """How many steps a call of `fit` is best given at once, for a model of so many parameters."""
    return _STEPS


class TrainerSeam(KeptSteps):
    """Turns `stateful_train_step` and `stateful_test_step` into Keras' steps.

    A graph that fails in the middle has assigned a part of the variables: those of a whole step are copied now and then.
    """

    # Copies may take so much of the time of a training.
    _SHARE = 0.01

    def fit(self, x: Any = None, y: Any = None, *args: Any, shuffle: bool = True, **options: Any):
        """As in Keras."""
        if isinstance(x, keras.utils.PyDataset) and y is None and not _is_distributed():
            x = _DirectAdapter(x, options.pop("class_weight", None), shuffle)
        return super().fit(x, y, *args, shuffle=shuffle, **options)

    def make_train_function(self, force: bool = False) -> None:
        """Compiles the step; with `steps_per_execution`, a loop over so many steps."""
        if self.train_function is not None and not force:
            return
        if _is_distributed():
            super().make_train_function(force)
            self.train_function = self._kept(self.train_function)
            return
        small = math.prod(self.data_shape[:-1]) <= self.fused_positions
        fused = self.jit_compile or (small and not on_accelerator())
        if self.run_eagerly:
            function = _one_by_one(self.train_step, self.steps_per_execution)
        else:
            step = tf.function(
                self.train_step,
                autograph=False,
                # A batch is cut into parts by its size.
                reduce_retracing=not self.fresh_batches,
                jit_compile=fused,
            )
            function = _looped(step, self.steps_per_execution)
        self.train_function = self._kept(lambda iterator: function(self._checked(iterator)))

    def make_test_function(self, force: bool = False) -> None:
        """Compiles the step without updates."""
        if self.test_function is not None and not force:
            return
        if _is_distributed():
            super().make_test_function(force)
            return
        step = self.test_step
        if not self.run_eagerly:
            step = tf.function(
                step, autograph=False, reduce_retracing=True, jit_compile=self.jit_compile
            )
        function = _one_by_one(step, self.steps_per_execution)
        self.test_function = lambda iterator: function(self._checked(iterator))

    def sync_state(self) -> None:
        """Does nothing: here the variables are always up to date; for callbacks within an epoch."""

    def _keeping(self, call: Callable, *args: Any, **options: Any) -> Any:
        # Broken off between two of its own assignments, TensorFlow takes all that follows for a part of the graph that
        # it was tracing, for as long as the process lives.
        with interrupts.deferred():
            return super()._keeping(call, *args, **options)

    def _checked(self, batches: Iterable) -> Iterator:
        for batch in super()._checked(batches):
            interrupts.raise_deferred()
            yield batch

    def _whole_step(self) -> list[np.ndarray]:
        """Nothing yet: a training copies the values before its first step, and an evaluation changes no weight."""
        return []

    def _copy_whole(self) -> None:
        started = time.monotonic()
        self._whole = copies(every_variable(self))
        ended = time.monotonic()
        self._next_copy = ended + (ended - started) / self._SHARE

    def _give_back(self) -> None:
        """Nothing: what was raised outside of a graph left the values of a whole step."""

    def _kept(self, function: Callable) -> Callable:
        """The function of batches; if its graph fails the variables are given back."""

        def train_function(iterator: Iterator) -> Any:
            if self._whole == [] or (self._whole and time.monotonic() > self._next_copy):
                self._copy_whole()
            try:
                return function(iterator)
            except tf.errors.OutOfRangeError:
                raise
            except tf.errors.OpError:
                if self._whole:
                    insist(self._assign_whole)
                raise

        return train_function

    def _assign_whole(self) -> None:
        for variable, value in zip(every_variable(self), self._whole, strict=True):
            variable.assign(value)

    def train_step(self, data: Any) -> dict:
        if not tf.executing_eagerly():
            return self.stateful_train_step(data)
        with all_or_nothing(every_variable(self)):
            return self.stateful_train_step(data)

    def test_step(self, data: Any) -> dict:
        return self.stateful_test_step(data)


def _is_distributed() -> bool:
    return tf.distribute.has_strategy()


def _one_by_one(step: Callable, most: int) -> Callable:
    """Up to `most` calls; validation has a smaller last batch, which no loop could take."""

    def function(iterator: Iterator) -> Any:
        for batch in [next(iterator), *itertools.islice(iterator, most - 1)]:
            logs = step(batch)
        return logs

    return function


def _looped(step: Callable, most: int) -> Callable:
    """Up to `most` steps in one call, and the logs of the last one.

    All steps are turns of one loop, however many are left of an epoch: the same graph computes the same bits.
    """

    @tf.function(autograph=False)
    def loop(batches: Any, count: Any) -> Any:
        def body(index: Any, _: Any) -> tuple:
            return index + 1, step(_mapped(lambda values: values[index], batches))

        first = _mapped(lambda values: tf.TensorSpec(values.shape[1:], values.dtype), batches)
        outputs = step.get_concrete_function(first).structured_outputs
        logs = tf.nest.map_structure(lambda each: tf.zeros(each.shape, each.dtype), outputs)
        return tf.while_loop(lambda index, _: index < count, body, (tf.constant(0), logs))[1]

    def train_function(iterator: Iterator) -> Any:
        parts = list(itertools.islice(iterator, most))
        if not parts:
            raise StopIteration
        if most == 1:
            return step(_mapped(tf.convert_to_tensor, parts[0]))
        # The last batch of arrays may be smaller.
        for _, alike in itertools.groupby(parts, _shapes):
            alike = list(alike)
            count = len(alike)
            alike += alike[-1:] * (most - count)
            logs = loop(_mapped(_stacked, *alike), tf.constant(count))
        return logs

    return train_function


def _shapes(batch: Any) -> list[tuple]:
    return [np.shape(value) for value in tf.nest.flatten(batch)]


def _mapped(function: Callable, *batches: Any) -> Any:
    """A function of each field; Keras has None for labels and weights that it was not given."""
    return tf.nest.map_structure(
        lambda *values: None if values[0] is None else function(*values), *batches
    )


def _stacked(*values: Any) -> tf.Tensor:
    # One copy instead of one for each batch and one for all.
    if isinstance(values[0], np.ndarray):
        return tf.convert_to_tensor(np.stack(values))
    return tf.stack(values)


def set_seed(seed: int) -> None:
    """Seeds the generators from which Keras takes the seeds of weights and noise.

    It holds for the whole process: those of Python, NumPy and TensorFlow are seeded, and TensorFlow's operations are
    deterministic from then on, for which it has no way back.
    """
    keras.utils.set_random_seed(seed)
    # Without it threads add up the gradient of an embedding in any order, and a run differs in the last bit.
    tf.config.experimental.enable_op_determinism()


def on_accelerator() -> bool:
    """Whether the device has a memory of its own."""
    return bool(tf.config.list_physical_devices("GPU"))


def is_traced(value: Any) -> bool:
    """Whether a value stands for one that a compiled function will have."""
    return isinstance(value, keras.KerasTensor) or (
        tf.is_tensor(value) and tf.is_symbolic_tensor(value)
    )


def concrete(value: Any) -> np.ndarray | None:
    """The value as an array, or None where it is not known yet or lies on a device."""
    if tf.is_tensor(value):
        if tf.is_symbolic_tensor(value) or on_accelerator() or not isinstance(value, tf.Tensor):
            return None
        return value.numpy()
    return np.asarray(value)


def device_name() -> str:
    """The device that computes, for example `cpu` or the name of a GPU."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "cpu"
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "gpu")


def version() -> str:
    """The version of the backend."""
    return tf.__version__
