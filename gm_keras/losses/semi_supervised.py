"""A classifier as a discriminator (Salimans et al. 2016, arXiv 1606.03498, section 5).

Fakes are one more class. As a constant added to all logits changes no probability, the logit of that class is fixed at
0, and a network needs one output for each real class.
"""

from typing import Any

from keras import ops


def real_logit(class_logits: Any) -> Any:
    """The log-odds that an example is real: `(batch, classes)` to `(batch, 1)`.

    With Z the sum of the exponentials of the logits, D(x) is Z / (Z + 1): its log-odds are log Z.
    """
    return ops.logsumexp(class_logits, axis=-1, keepdims=True)


def class_cross_entropy(class_logits: Any, labels: Any) -> Any:
    """Returns `-E log p(y | x, x is real)`, over the examples with a label.

    Args:
        class_logits: `(batch, classes)`.
        labels: Integers `(batch,)`; below 0 for an example without a label. 0 is returned where none has one.
    """
    known = ops.cast(labels >= 0, "float32")
    chosen = ops.one_hot(ops.maximum(labels, 0), class_logits.shape[-1], dtype="float32")
    nats = ops.logsumexp(class_logits, axis=-1) - ops.sum(chosen * class_logits, axis=-1)
    return ops.sum(known * nats) / ops.maximum(ops.sum(known), 1.0)
