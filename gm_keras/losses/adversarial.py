"""Losses of generative adversarial networks, as functions of the outputs of the discriminator.

Logits are the discriminator's linear outputs, of any shape; each loss is a mean over all of them, in nats
where it is a cross-entropy. `softplus(-l) = -log sigmoid(l)` keeps the cross-entropies finite and their
gradients exact for logits of any size.
"""

from typing import Any

from keras import ops


def discriminator(real_logits: Any, fake_logits: Any) -> Any:
    """Returns `-E log D(x) - E log(1 - D(G(z)))` (Goodfellow et al. 2014), at least 0.

    At the fixed point of the game, where the discriminator cannot tell, it is 2 log 2.
    """
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))


def minimax_generator(fake_logits: Any) -> Any:
    """Returns `E log(1 - D(G(z)))`, at most 0: the generator's side of the minimax game.

    Its gradient with respect to a logit, -D, vanishes where the discriminator recognises the fake.
    """
    return -ops.mean(ops.softplus(fake_logits))


def non_saturating_generator(fake_logits: Any) -> Any:
    """Returns `-E log D(G(z))`, at least 0: the same fixed point as the minimax game.

    Its gradient with respect to a logit, D - 1, is largest where the discriminator recognises the fake.
    """
    return ops.mean(ops.softplus(-fake_logits))


#: The generator's losses by name.
GENERATOR_LOSSES = {"non_saturating": non_saturating_generator, "minimax": minimax_generator}


def wasserstein_distance(real_scores: Any, fake_scores: Any) -> Any:
    """Returns `E f(x) - E f(G(z))` (Arjovsky et al. 2017): what the critic f maximizes.

    For the best f with slopes of at most 1 it is the Wasserstein-1 distance of data and samples, in the
    units of the data; for any other such f a lower bound of it.
    """
    return ops.mean(real_scores) - ops.mean(fake_scores)


def wasserstein_generator(fake_scores: Any) -> Any:
    """Returns `-E f(G(z))`, what the generator minimizes."""
    return -ops.mean(fake_scores)
