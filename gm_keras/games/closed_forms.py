"""The eigenvalues of the updates on paper, as roots of polynomials in μ.

`[[p, q], [s, w]]` is the Jacobian of the field at the equilibrium, λ stands for its eigenvalues, r for the rate.
"""

from collections.abc import Callable

import numpy as np
from numpy.polynomial import Polynomial

from gm_keras.games.methods import CONSENSUS, HISTORY, MOMENTUM

_MU = Polynomial([0.0, 1.0])


def _of_each(factor: Callable[[complex, float, int], Polynomial]) -> Callable:
    """The product of a factor for each eigenvalue of the field."""

    def product(matrix: np.ndarray, rate: float, turn: int) -> Polynomial:
        one, other = (factor(each, rate, turn) for each in np.linalg.eigvals(matrix))
        return one * other

    return product


def _momentum(beta: float) -> Callable:
    return _of_each(lambda eigen, r, _: _MU**2 - (1 + beta - r * eigen) * _MU + beta)


def _alternating(matrix: np.ndarray, r: float, _turn: int) -> Polynomial:
    (p, q), (s, w) = matrix
    return _MU**2 - (2 - r * (p + w) + r * r * q * s) * _MU + (1 - r * p) * (1 - r * w)


def _alternating_momentum(beta: float) -> Callable:
    def product(matrix: np.ndarray, r: float, _turn: int) -> Polynomial:
        (p, q), (s, w) = matrix
        still = (_MU - 1) * (_MU - beta)
        return (still + r * p * _MU) * (still + r * w * _MU) - r * r * q * s * _MU**3

    return product


def _consensus(matrix: np.ndarray, r: float, _turn: int) -> Polynomial:
    roots = 1 - r * np.linalg.eigvals(matrix + CONSENSUS * matrix.T @ matrix)
    return Polynomial.fromroots(roots)


def _historical_averaging(eigen: complex, r: float, turn: int) -> Polynomial:
    weight, kept = 1 / (turn + 1), 1 - r * eigen - 2 * r * HISTORY
    trace = kept + 1 - weight + 2 * r * HISTORY * weight
    return _MU**2 - trace * _MU + kept * (1 - weight)


#: For each method the polynomial and how it is written.
FORMS: dict[str, tuple[Callable[[np.ndarray, float, int], Polynomial], str]] = {
    "simultaneous": (_of_each(lambda eigen, r, _: _MU - 1 + r * eigen), "μ = 1 − rλ"),
    "alternating": (_alternating, "μ² − (2 − r(p + w) + r²qs) μ + (1 − rp)(1 − rw) = 0"),
    "momentum": (_momentum(MOMENTUM), "μ² − (3/2 − rλ) μ + ½ = 0"),
    "negative_momentum": (_momentum(-MOMENTUM), "μ² − (½ − rλ) μ − ½ = 0"),
    "alternating_momentum": (
        _alternating_momentum(MOMENTUM),
        "(h + rpμ)(h + rwμ) = r²qs μ³, h = (μ − 1)(μ − ½)",
    ),
    "alternating_negative_momentum": (
        _alternating_momentum(-MOMENTUM),
        "(h + rpμ)(h + rwμ) = r²qs μ³, h = (μ − 1)(μ + ½)",
    ),
    "extragradient": (
        _of_each(lambda eigen, r, _: _MU - 1 + r * eigen - (r * eigen) ** 2),
        "μ = 1 − rλ + r²λ²",
    ),
    "optimism": (
        _of_each(lambda eigen, r, _: _MU**2 - (1 - 2 * r * eigen) * _MU - r * eigen),
        "μ² − (1 − 2rλ) μ − rλ = 0",
    ),
    "consensus": (_consensus, f"μ = 1 − r eig(J + {CONSENSUS:g} JᵀJ)"),
    "averaging": (_alternating, "as alternating: where |μ| = 1 the mean still converges, as 1/t"),
    "historical_averaging": (
        _of_each(_historical_averaging),
        "μ² − (k + 1 − c + 2rc) μ + k (1 − c) = 0, k = 1 − rλ − 2r, c = 1/(t + 1)",
    ),
}


def eigenvalues(method: str, matrix: np.ndarray, rate: float, turn: int) -> np.ndarray:
    """Returns the eigenvalues of an update.

    Args:
        method: A name of `methods.METHODS`.
        matrix: The Jacobian of the field at the equilibrium, `(2, 2)`.
        rate: Of the steps.
        turn: For methods that take means.
    """
    polynomial, _ = FORMS[method]
    return polynomial(matrix, rate, turn).roots()
