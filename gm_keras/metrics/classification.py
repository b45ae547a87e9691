"""Scores of a classifier, and from the probabilities that it gives to samples."""

import itertools

import numpy as np
from scipy.special import xlogy

from gm_keras.metrics.estimate import Estimate, TooFewSamples
from gm_keras.metrics.streams import checked, chunks

# How far a row of probabilities may be from the sum 1: those of half precision are.
TOLERANCE = 1e-2


def accuracy(found: np.ndarray, labels: np.ndarray) -> Estimate:
    """The share of examples whose class was found.

    Args:
        found: The classes that a classifier reads, `(n,)`.
        labels: Those that are right, likewise.

    Returns:
        The share, in [0, 1]; its standard error is that of a share of independent examples.

    Raises:
        TooFewSamples: If there are fewer than two.
        ValueError: If there is not one class for each example.
    """
    found, labels = np.asarray(found), np.asarray(labels)
    if found.shape != labels.shape or found.ndim != 1:
        raise ValueError(
            f"there must be one class for each label, not {found.shape} and {labels.shape}"
        )
    if len(labels) < 2:
        raise TooFewSamples(f"accuracy needs at least 2 examples, there are {len(labels)}")
    right = found == labels
    return Estimate(right.mean(), right.std(ddof=1) / np.sqrt(len(right)))


def inception_score(probabilities: np.ndarray, splits: int = 1) -> Estimate:
    """Inception score (Salimans et al. 2016, arXiv 1606.03498): exp of the mean KL(p(y | x) || p(y)).

    It is 1 if every sample gets the same probabilities, and the number of classes if each is sure of one class and the
    classes are even. With the probabilities of the Inception network it is the IS; with those of another classifier it
    must be called by another name.

    With one split the standard error is that of the delta method; it ignores the bias, which is downwards and falls with
    1/n. With several, the set is cut into parts of nearly equal size, one after the other, and the score and its
    standard error are those of the mean over the parts.

    Args:
        probabilities: `(n, classes)`, at least 0; each row sums to 1.
        splits: Into how many parts the set is cut.

    Returns:
        The score, from 1 to the number of classes.

    Raises:
        TooFewSamples: If there are fewer than two rows for each split.
        ValueError: If the array is not of probabilities, or there are no splits.
    """
    if splits < 1:
        raise ValueError(f"splits must be at least 1, not {splits}")
    probabilities = checked(
        probabilities, "probabilities", 2 * splits, f"two for each of {splits} splits"
    )
    n = len(probabilities)
    bounds = [n * index // splits for index in range(splits + 1)]
    scores = [
        _score(probabilities[start:stop], start) for start, stop in itertools.pairwise(bounds)
    ]
    if splits == 1:
        return scores[0]
    return Estimate(np.mean(scores), np.std(scores, ddof=1) / np.sqrt(splits))


def _score(probabilities: np.ndarray, offset: int) -> Estimate:
    marginal = np.zeros(probabilities.shape[1])
    for start, part in chunks(probabilities, "classes of samples"):
        sums = part.sum(axis=1)
        wrong = (part.min(axis=1) < 0.0) | (np.abs(sums - 1.0) > TOLERANCE)
        if wrong.any():
            row = int(wrong.argmax())
            raise ValueError(
                "probabilities must be at least 0 and sum to 1 in each row, but row "
                f"{offset + start + row} has least value {part[row].min():g} and sum {sums[row]:g}: "
                "give the output of a softmax"
            )
        marginal += (part / sums[:, None]).sum(axis=0)
    marginal /= len(probabilities)
    # Where the marginal is 0, so is every row.
    logarithm = np.log(np.where(marginal > 0.0, marginal, 1.0))
    count, mean, squares = 0, 0.0, 0.0
    for _, part in chunks(probabilities, "inception score"):
        part /= part.sum(axis=1, keepdims=True)
        divergence = xlogy(part, part).sum(axis=1) - part @ logarithm
        shift, total = divergence.mean() - mean, count + len(part)
        squares += ((divergence - divergence.mean()) ** 2).sum()
        squares += shift**2 * count * len(part) / total
        mean += shift * len(part) / total
        count = total
    score = float(np.exp(max(mean, 0.0)))
    return Estimate(score, score * np.sqrt(squares / (count - 1) / count))
