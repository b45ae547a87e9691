"""GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners") in JAX.

Differences from our model: none; without dropout.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from benchmarks.pure_jax import optimizers, training
from benchmarks.pure_jax.layers import (
    Parameters,
    affine,
    dense,
    layer_normalization,
    normal,
    scale_and_shift,
)
from gm_keras.ops.attention import self_attention
from gm_keras.ops.projection import add_bias, similarities

STDDEV = 0.02


class Training(training.Training):
    """One update a step: every token but the first is predicted from those before it."""

    def build(self, generator: np.random.Generator, **model: Any) -> training.State:
        if model["dropout"]:
            raise ValueError("dropout is not written")
        self.heads, width, layers = model["heads"], model["width"], model["layers"]
        vocabulary = 256 if model["vocabulary"] == "bytes" else len(model["vocabulary"])
        # Biases, and the scales of the normalizations, do not decay.
        self.optimizer = optimizers.adam(
            self.case["optimizers"]["main"], decays=lambda parameter: parameter.ndim > 1
        )
        draw, draw_last = normal(STDDEV), normal(STDDEV / math.sqrt(2 * layers))

        def block() -> Parameters:
            return {
                "attention_norm": scale_and_shift(width),
                "projection": affine(generator, width, 3 * width, draw=draw),
                "output": affine(generator, width, width, draw=draw_last),
                "dense_norm": scale_and_shift(width),
                "expand": affine(generator, width, 4 * width, draw=draw),
                "contract": affine(generator, 4 * width, width, draw=draw_last),
            }

        parameters = {
            "embedding": draw(generator, (vocabulary, width)),
            "positions": draw(generator, (model["context"], width)),
            "blocks": [block() for _ in range(layers)],
            "norm": scale_and_shift(width),
        }
        return {"parameters": parameters, "optimizer": self.optimizer.initial(parameters)}

    def step(self, state: training.State, batch: training.Batch) -> tuple[training.State, Array]:
        loss, gradients = jax.value_and_grad(self._loss)(state["parameters"], batch["tokens"])
        parameters, optimizer = self.optimizer.update(
            gradients, state["optimizer"], state["parameters"]
        )
        return {"parameters": parameters, "optimizer": optimizer, "key": state["key"]}, loss

    def _loss(self, parameters: Parameters, tokens: Array) -> Array:
        hidden = parameters["embedding"][tokens[:, :-1]]
        places = parameters["positions"].reshape(-1)
        hidden = add_bias(hidden.reshape(len(hidden), -1), places).reshape(hidden.shape)
        for block in parameters["blocks"]:
            hidden = self._block(block, hidden)
        logits = similarities(
            layer_normalization(parameters["norm"], hidden), parameters["embedding"]
        )
        chosen = jax.nn.one_hot(tokens[:, 1:], logits.shape[-1])
        log_partition = jax.nn.logsumexp(logits, axis=-1)
        return jnp.mean(log_partition - jnp.sum(chosen * logits, axis=-1))

    def _block(self, block: Parameters, hidden: Array) -> Array:
        hidden = hidden + self._attend(block, layer_normalization(block["attention_norm"], hidden))
        expanded = dense(block["expand"], layer_normalization(block["dense_norm"], hidden))
        return hidden + dense(block["contract"], jax.nn.gelu(expanded, approximate=True))

    def _attend(self, block: Parameters, hidden: Array) -> Array:
        joined = dense(block["projection"], hidden)
        return dense(block["output"], self_attention(joined, self.heads, causal=True))
