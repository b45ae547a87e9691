"""Adam and AdamW as pure functions of pytrees, with the arithmetic of Keras' and what its optimizers do besides:
clipping, schedules of the learning rate, and an exponential moving average of the weights.

Difference from Keras: none.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

Tree = Any
KNOWN = {
    *("class", "learning_rate", "beta_1", "beta_2", "epsilon", "weight_decay"),
    *("clipnorm", "global_clipnorm", "use_ema", "ema_momentum"),
}


class Optimizer(NamedTuple):
    """Two functions: `initial(parameters) -> state`, and `update(gradients, state, parameters)`.

    The latter returns `(parameters, state)`.
    """

    initial: Callable[[Tree], Tree]
    update: Callable[[Tree, Tree, Tree], tuple[Tree, Tree]]


def adam(
    block: dict[str, Any], decays: Callable[[jax.Array], bool] = lambda parameter: True
) -> Optimizer:
    """Makes the optimizer of a recipe's block, of class adam or adamw.

    Args:
        block: Of the recipe; `learning_rate` may be a schedule.
        decays: Which parameters the weight decay falls on.

    Raises:
        ValueError: If the block asks for something else.
    """
    unknown = sorted(block.keys() - KNOWN)
    if unknown or block["class"] not in ("adam", "adamw"):
        raise ValueError(f"no JAX optimizer is written for {block['class']} with {unknown}")
    decay = block.get("weight_decay", 0.004 if block["class"] == "adamw" else None)
    beta_1, beta_2 = block.get("beta_1", 0.9), block.get("beta_2", 0.999)
    epsilon, momentum = block.get("epsilon", 1e-7), block.get("ema_momentum", 0.99)
    averaged = block.get("use_ema", False)
    rate_at = learning_rate(block.get("learning_rate", 0.001))
    clip = _clipping(block)

    def initial(parameters: Tree) -> Tree:
        zeros = [jax.tree.map(jnp.zeros_like, parameters) for _ in range(2)]
        state = {"iterations": jnp.int32(0), "first": zeros[0], "second": zeros[1]}
        return {**state, "average": jax.tree.map(jnp.copy, parameters)} if averaged else state

    def update(gradients: Tree, state: Tree, parameters: Tree) -> tuple[Tree, Tree]:
        iterations = state["iterations"]
        local_step, rate = (iterations + 1).astype("float32"), rate_at(iterations)
        alpha = rate * jnp.sqrt(1.0 - beta_2**local_step) / (1.0 - beta_1**local_step)

        def moved(parameter: jax.Array, first: jax.Array, second: jax.Array) -> jax.Array:
            if decay and decays(parameter):
                parameter = parameter - parameter * decay * rate
            return parameter - first * alpha / (jnp.sqrt(second) + epsilon)

        gradients = clip(gradients)
        new = {
            "iterations": iterations + 1,
            "first": jax.tree.map(
                lambda m, g: m + (g - m) * (1.0 - beta_1), state["first"], gradients
            ),
            "second": jax.tree.map(
                lambda v, g: v + (g * g - v) * (1.0 - beta_2), state["second"], gradients
            ),
        }
        parameters = jax.tree.map(moved, parameters, new["first"], new["second"])
        if averaged:
            # The first update copies the weights.
            kept = jnp.where(iterations == 0, 0.0, momentum)
            new["average"] = jax.tree.map(
                lambda a, p: kept * a + (1.0 - kept) * p, state["average"], parameters
            )
        return parameters, new

    return Optimizer(initial, update)


def _clipping(block: dict[str, Any]) -> Callable[[Tree], Tree]:
    each, together = block.get("clipnorm"), block.get("global_clipnorm")
    if each:
        return lambda gradients: jax.tree.map(
            lambda g: g * each / jnp.maximum(jnp.sqrt(jnp.sum(g * g)), each), gradients
        )
    if together:

        def clip(gradients: Tree) -> Tree:
            norm = jnp.sqrt(sum(jnp.sum(g * g) for g in jax.tree.leaves(gradients)))
            scale = together * jnp.minimum(1.0 / norm, 1.0 / together)
            return jax.tree.map(lambda g: g * scale, gradients)

        return clip
    return lambda gradients: gradients


def learning_rate(rate: float | dict[str, Any]) -> Callable[[jax.Array], Any]:
    """The learning rate as a function of the number of updates before; `rate` is a block's.

    Raises:
        ValueError: If there is no such schedule here.
    """
    if not isinstance(rate, dict):
        return lambda iterations: rate
    if rate["schedule"] != "cosine_decay":
        raise ValueError(f"no JAX schedule is written for {rate['schedule']}")
    start, target = rate["initial_learning_rate"], rate.get("warmup_target")
    warmup = rate.get("warmup_steps", 0) if target is not None else 0
    steps, alpha = rate["decay_steps"], rate.get("alpha", 0.0)
    top = start if target is None else target

    def cosine_decay(iterations: jax.Array) -> jax.Array:
        place = iterations.astype("float32")
        fraction = jnp.minimum(place - warmup, steps) / steps
        cosine = 0.5 * (1.0 + jnp.cos(math.pi * fraction))
        decayed = top * ((1.0 - alpha) * cosine + alpha)
        if not warmup:
            return decayed
        return jnp.where(place < warmup, start + (top - start) * place / warmup, decayed)

    return cosine_decay
