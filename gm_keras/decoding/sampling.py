"""Drawing one token from logits: temperature, top-k and top-p (Holtzman et al. 2020, arXiv 1904.09751)."""

import math
from typing import Any

import keras
from keras import ops

# A set whose mass misses p by less than this has reached it: 0.5 + 0.3 is less than 0.8 in float32.
_ROUNDING = 1e-6
# Where two logarithms of a uniform number in float32 stay finite: 1 - 2**-24 is the last one before 1.
_SMALLEST, _LARGEST = 1e-30, 1.0 - 2.0**-24


def check_sampling(
    temperature: float = 1.0, top_k: int | None = None, top_p: float | None = None
) -> None:
    """Refuses what `sample_logits` could not follow.

    Raises:
        ValueError: If the temperature is negative or not finite, `top_k` is not an integer of 1 or more, or
            `top_p` is not above 0 and at most 1.
    """
    if not (math.isfinite(temperature) and temperature >= 0.0):
        raise ValueError(f"temperature must be a finite number of 0 or more, not {temperature}")
    if top_k is not None and (isinstance(top_k, bool) or int(top_k) != top_k or top_k < 1):
        raise ValueError(f"top_k must be None or an integer of 1 or more, not {top_k!r}")
    if top_p is not None and not 0.0 < top_p <= 1.0:
        raise ValueError(f"top_p must be None, or above 0 and at most 1, not {top_p}")


def sample_logits(
    logits: Any,
    seed: Any,
    *,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Any:
    """Draws a token from the distribution that logits give, possibly without its tail.

    The temperature comes first, then top-k, then top-p on what top-k left (renormalized). Of tokens with
    equal logits those of lower number are kept. Usable inside compiled loops on every backend.

    Args:
        logits: `(..., vocabulary)`; computed in float32. Minus infinity rules a token out.
        seed: What `keras.random` takes, for example `RandomStream.at(position)`.
        temperature: Divides the logits; 0 takes the most likely token (the first of equals).
        top_k: Keeps the so many most likely tokens (all, where there are fewer).
        top_p: Keeps the smallest set of most likely tokens whose probability reaches `top_p` (to 1e-6, the
            rounding of float32); always at least one.

    Returns:
        Tokens: int32 of shape `logits.shape[:-1]`.

    Raises:
        ValueError: As `check_sampling` says.
    """
    check_sampling(temperature, top_k, top_p)
    logits = ops.cast(logits, "float32")
    if temperature == 0.0:
        return ops.cast(ops.argmax(logits, axis=-1), "int32")
    # A small temperature then sends the others to minus infinity, never the largest to infinity.
    logits = (logits - ops.max(logits, axis=-1, keepdims=True)) / temperature
    uniform = keras.random.uniform(ops.shape(logits), dtype="float32", seed=seed)
    gumbel = -ops.log(-ops.log(ops.clip(uniform, _SMALLEST, _LARGEST)))

    vocabulary = logits.shape[-1]
    top_k = None if top_k is None or top_k >= vocabulary else int(top_k)
    top_p = None if top_p == 1.0 else top_p
    if top_k is None and top_p is None:
        return ops.cast(ops.argmax(logits + gumbel, axis=-1), "int32")

    order = ops.argsort(-logits, axis=-1)
    ranked = ops.take_along_axis(logits, order, axis=-1)
    if top_k is not None:
        ranked = ops.where(ops.arange(vocabulary) < top_k, ranked, -math.inf)
    if top_p is not None:
        probabilities = ops.softmax(ranked, axis=-1)
        mass_before = ops.cumsum(probabilities, axis=-1) - probabilities
        # The first one is kept whatever p is.
        needed = ops.logical_or(mass_before < top_p - _ROUNDING, ops.arange(vocabulary) < 1)
        ranked = ops.where(needed, ranked, -math.inf)
    rank = ops.argmax(ranked + ops.take_along_axis(gumbel, order, axis=-1), axis=-1)
    token = ops.take_along_axis(order, ops.expand_dims(rank, -1), axis=-1)
    return ops.cast(ops.squeeze(token, -1), "int32")
