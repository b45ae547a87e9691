"""TensorFlow: variables are assigned in place, gradients come from tapes."""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

Variables = Sequence[keras.Variable]

# The dtype in which this backend keeps the two words of a seed.
SEED_DTYPE = "int64"
STEPS_PER_EXECUTION = 1


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
    return loss, [tf.convert_to_tensor(value) for value in gradients]


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


def no_gradient() -> contextlib.AbstractContextManager:
    """A context without gradients; tapes record only inside themselves."""
    return contextlib.nullcontext()


def compile_function(function: Callable, state: Variables) -> Callable:
    """Compiles a function of tensors that reads `state`."""
    del state
    # XLA halves the speed of convolutional models on a CPU; elsewhere it gains.
    on_cpu = not tf.config.list_physical_devices("GPU")
    graph = tf.function(function, jit_compile=not on_cpu)

    def call(*args):
        return graph(*[ops.convert_to_tensor(arg) for arg in args])

    return call


def kernels() -> None:
    """None: Keras' own convolutions serve."""


class TrainerSeam:
    """Turns `stateful_train_step` and `stateful_test_step` into Keras' steps."""

    def sync_state(self) -> None:
        """Does nothing: here the variables are always up to date; for callbacks within an epoch."""

    def train_step(self, data: Any) -> dict:
        return self.stateful_train_step(data)

    def test_step(self, data: Any) -> dict:
        return self.stateful_test_step(data)


def set_seed(seed: int) -> None:
    """Seeds the generators from which Keras takes the seeds of weights and noise."""
    keras.utils.set_random_seed(seed)
    # Without it threads add up the gradient of an embedding in any order, and a run differs in the last bit.
    tf.config.experimental.enable_op_determinism()


def on_accelerator() -> bool:
    """Whether the device has a memory of its own."""
    return bool(tf.config.list_physical_devices("GPU"))


def device_name() -> str:
    """The device that computes, for example `cpu` or the name of a GPU."""
    gpus = tf.config.list_physical_devices("GPU")
    if not gpus:
        return "cpu"
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "gpu")


def version() -> str:
    """The version of the backend."""
    return tf.__version__
