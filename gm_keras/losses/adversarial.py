"""Objectives of generative adversarial networks, as functions of what the discriminator or critic says of examples.

Scores are its linear outputs, of any shape; where they stand for log-odds they are called logits. Each loss is a mean
over all of them, in nats where it is a cross-entropy. `softplus(-l) = -log sigmoid(l)` keeps the cross-entropies finite
and their gradients exact for logits of any size. An `Objective` is the pair of losses that two players minimize;
`OBJECTIVES` has them by name.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping
from types import MappingProxyType
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


def least_squares_discriminator(
    real_scores: Any, fake_scores: Any, real_code: float, fake_code: float
) -> Any:
    """Returns `E (D(x) - b)^2 / 2 + E (D(G(z)) - a)^2 / 2` (Mao et al. 2017), at least 0.

    Args:
        real_scores: Of data.
        fake_scores: Of samples.
        real_code: b, what the discriminator is to say of data.
        fake_code: a, what it is to say of samples.
    """
    real, fake = ops.square(real_scores - real_code), ops.square(fake_scores - fake_code)
    return 0.5 * (ops.mean(real) + ops.mean(fake))


def least_squares_generator(fake_scores: Any, wanted_code: float) -> Any:
    """Returns `E (D(G(z)) - c)^2 / 2`, at least 0: c is what the discriminator is to say of samples.

    Its gradient with respect to a score, D - c, grows with the distance, also where the sample is recognised.
    """
    return 0.5 * ops.mean(ops.square(fake_scores - wanted_code))


def hinge_discriminator(real_scores: Any, fake_scores: Any) -> Any:
    """Returns `E max(0, 1 - D(x)) + E max(0, 1 + D(G(z)))` (Lim & Ye 2017), at least 0."""
    return ops.mean(ops.relu(1.0 - real_scores)) + ops.mean(ops.relu(1.0 + fake_scores))


def wasserstein_distance(real_scores: Any, fake_scores: Any) -> Any:
    """Returns `E f(x) - E f(G(z))` (Arjovsky et al. 2017): what the critic f maximizes.

    For the best f with slopes of at most 1 it is the Wasserstein-1 distance of data and samples, in the
    units of the data; for any other such f a lower bound of it.
    """
    return ops.mean(real_scores) - ops.mean(fake_scores)


def wasserstein_critic(real_scores: Any, fake_scores: Any) -> Any:
    """Returns `E f(G(z)) - E f(x)`, what the critic minimizes."""
    return -wasserstein_distance(real_scores, fake_scores)


def wasserstein_generator(fake_scores: Any) -> Any:
    """Returns `-E f(G(z))`, what the generator minimizes; with the hinge and Lipschitz objectives too."""
    return -ops.mean(fake_scores)


def lipschitz_critic(real_scores: Any, fake_scores: Any, phi: Callable) -> Any:
    """Returns `E phi(f(G(z))) + E phi(-f(x))` (Zhou et al. 2019).

    Args:
        real_scores: Of data.
        fake_scores: Of samples.
        phi: Increasing and convex; one of `PHI`.
    """
    return ops.mean(phi(fake_scores)) + ops.mean(phi(-real_scores))


#: The functions of a critic's scores that Lipschitz GANs are compared with (Zhou et al. 2019); "square" increases
#: from -1 on only.
PHI: Mapping[str, Callable] = MappingProxyType(
    {
        "linear": lambda scores: scores,
        "log_sigmoid": ops.softplus,
        "exp": ops.exp,
        "sqrt": lambda scores: scores + ops.sqrt(ops.square(scores) + 1.0),
        "square": lambda scores: ops.square(scores + 1.0),
    }
)


# ---- objectives -----------------------------------------------------------------------------------

_PROBABILITIES = {
    "real_probability": lambda real, fake: ops.mean(ops.sigmoid(real)),
    "fake_probability": lambda real, fake: ops.mean(ops.sigmoid(fake)),
}
_SCORES = {
    "real_score": lambda real, fake: ops.mean(real),
    "fake_score": lambda real, fake: ops.mean(fake),
}


@dataclasses.dataclass(frozen=True)
class Objective:
    """What the two players of a game minimize.

    Attributes:
        critic: `critic(real_scores, fake_scores)`, a scalar.
        generator: `generator(fake_scores)`, a scalar.
        curves: What a training reports of the scores: functions of both, by name.
    """

    critic: Callable[[Any, Any], Any]
    generator: Callable[[Any], Any]
    curves: Mapping[str, Callable[[Any, Any], Any]] = dataclasses.field(
        default_factory=lambda: _SCORES
    )


def least_squares(fake_code: float, real_code: float, wanted_code: float) -> Objective:
    """The objective of LSGAN with the codes a, b and c of the paper."""
    return Objective(
        functools.partial(least_squares_discriminator, real_code=real_code, fake_code=fake_code),
        functools.partial(least_squares_generator, wanted_code=wanted_code),
    )


def lipschitz(phi: str) -> Objective:
    """The objective of Lipschitz GANs with one of the functions in `PHI`."""
    return Objective(functools.partial(lipschitz_critic, phi=PHI[phi]), wasserstein_generator)


#: By name. Those that need a critic of bounded slope are "wasserstein" and the Lipschitz ones.
OBJECTIVES: Mapping[str, Objective] = MappingProxyType(
    {
        "non_saturating": Objective(discriminator, non_saturating_generator, _PROBABILITIES),
        "minimax": Objective(discriminator, minimax_generator, _PROBABILITIES),
        # Codes 0 and 1: the generator is to be taken for data.
        "least_squares": least_squares(0.0, 1.0, 1.0),
        # With b - c = 1 and b - a = 2 the generator minimizes the Pearson divergence.
        "least_squares_pearson": least_squares(-1.0, 1.0, 0.0),
        "hinge": Objective(hinge_discriminator, wasserstein_generator),
        "wasserstein": Objective(
            wasserstein_critic, wasserstein_generator, {"wasserstein": wasserstein_distance}
        ),
        "lipschitz_log_sigmoid": lipschitz("log_sigmoid"),
        "lipschitz_exp": lipschitz("exp"),
        "lipschitz_sqrt": lipschitz("sqrt"),
        "lipschitz_square": lipschitz("square"),
    }
)
