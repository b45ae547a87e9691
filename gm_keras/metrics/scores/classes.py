"""How well a model that tells classes apart reads them."""

from typing import Any

import numpy as np

from gm_keras.metrics import accuracy
from gm_keras.metrics.evaluation import Evaluation
from gm_keras.metrics.registry import score


@score("classifier", subject="classes")
def classes(evaluation: Evaluation) -> dict[str, float]:
    """The share of real examples whose class is read right."""
    model = evaluation.model

    def classify(x: np.ndarray, seed: int, **told: Any) -> Any:
        del seed  # nothing is drawn
        return model.classify(x, **told)

    found = evaluation.over_examples(classify)
    return evaluation.attempt(("accuracy",), lambda: (accuracy(found, evaluation.labels),))
