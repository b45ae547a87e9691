"""The categorical distribution, given by logits."""

from typing import Any

from keras import ops


def log_prob(values: Any, logits: Any) -> Any:
    """Returns the log-probability, element by element, in nats, computed in float32.

    Args:
        values: int32 `(...)`, each from 0 to classes - 1.
        logits: `(..., classes)`.

    Returns:
        float32 `(...)`.
    """
    logits = ops.cast(logits, "float32")
    # What is taken off all logits alike changes nothing, and so has no gradient.
    logits = logits - ops.stop_gradient(ops.max(logits, axis=-1, keepdims=True))
    # Two sums over one tensor are one pass; a difference of logits for each class would be written and read again.
    chosen = ops.equal(ops.expand_dims(values, -1), ops.arange(logits.shape[-1], dtype="int32"))
    numerator = ops.sum(ops.where(chosen, logits, 0.0), axis=-1)
    return numerator - ops.log(ops.sum(ops.exp(logits), axis=-1))
