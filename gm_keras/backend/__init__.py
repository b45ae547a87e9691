"""The one seam between gm_keras and the backend of Keras.

Every backend module offers the same names:

* `TrainerSeam`: a mixin that turns the stateful step of a model into the `train_step` that Keras expects.
* `value_and_grad(function, variables, state)`: a loss and its gradients with respect to variables.
* `gradient(function, inputs, state)`: the gradient of a sum with respect to an input.
* `run_if(condition, function, state)`: runs a function with side effects when a condition holds.
* `repeat(times, function, state)`: runs a function with side effects several times, with the number of the turn.
* `no_gradient()`: a context in which optimizers are applied.
* `compile_function(function, state)`: one compiled call for functions that read variables.
* `fused(function)`: a function of many small operations, as one where the backend would run them one by one.
* `kernels()`: a module of convolutions to use instead of Keras' own, or None.
* `steps_per_execution(parameters)`: how many steps a call of `fit` is best given at once.
* `concrete(value)`: a value as a NumPy array, or None where it is not known yet or lies on a device.
* `is_traced(value)`: whether a value stands for one that a compiled function will have.
* `noise_key(words)`: the two words of a seed as `keras.random` is best given them.
* `set_seed(seed)`: decides the weights and the noise of what is built next.
* `all_or_nothing(variables)`: a context that gives variables their values back if it raises; `every_variable(model)`.
* `on_accelerator()`: whether the device has a memory of its own.
* `fixed_seed(first, second)`: two words, int32, as the state of a seed for `keras.random`.
* `device_name()`, `version()`: what a tracked run records.
"""

import keras

from gm_keras.backend.kept_steps import all_or_nothing, every_variable

name = keras.backend.backend()

if name == "jax":
    from gm_keras.backend import jax as _backend
elif name == "tensorflow":
    from gm_keras.backend import tensorflow as _backend
elif name == "torch":
    from gm_keras.backend import torch as _backend
else:
    raise ImportError(
        f'gm_keras runs on the Keras backends jax, tensorflow and torch, not on "{name}": '
        "set KERAS_BACKEND before Keras is imported"
    )

TrainerSeam = _backend.TrainerSeam
value_and_grad = _backend.value_and_grad
gradient = _backend.gradient
run_if = _backend.run_if
repeat = _backend.repeat
no_gradient = _backend.no_gradient
compile_function = _backend.compile_function
concrete = _backend.concrete
fixed_seed = _backend.fixed_seed
fused = _backend.fused
is_traced = _backend.is_traced
kernels = _backend.kernels
noise_key = _backend.noise_key
set_seed = _backend.set_seed
steps_per_execution = _backend.steps_per_execution
device_name = _backend.device_name
on_accelerator = _backend.on_accelerator
version = _backend.version

__all__ = [
    "TrainerSeam",
    "all_or_nothing",
    "compile_function",
    "concrete",
    "device_name",
    "every_variable",
    "fixed_seed",
    "fused",
    "gradient",
    "is_traced",
    "kernels",
    "name",
    "no_gradient",
    "noise_key",
    "on_accelerator",
    "repeat",
    "run_if",
    "set_seed",
    "steps_per_execution",
    "value_and_grad",
    "version",
]
