"""Which scores a model gets: by what it offers, never by its name.

Each score is a function of an `Evaluation`; it returns the entries of `scores.json` that it fills in.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Literal

from gm_keras.metrics.evaluation import Evaluation

#: What a score looks at: the model and real examples; the classes that it reads and those of real examples; samples and
#: real examples; samples each of which has its own real example; or samples and the training set.
Subject = Literal["model", "classes", "samples", "pairs", "novelty"]
SUBJECTS: tuple[Subject, ...] = ("model", "classes", "samples", "pairs", "novelty")


@dataclass(frozen=True)
class Score:
    """A registered score.

    Attributes:
        capability: That a model must offer to get it; None is for every model.
        fields: The fields of data that it is for; None is for all.
        subject: What it looks at.
        function: Computes it.
    """

    capability: str | None
    fields: frozenset[str] | None
    subject: Subject
    function: Callable[[Evaluation], dict[str, float]]

    def suits(self, model: Any) -> bool:
        """Whether a model gets it."""
        offered = self.capability is None or self.capability in model.capabilities
        return offered and (self.fields is None or model.data_field in self.fields)


SCORES: list[Score] = []


def wanted(model: Any, subject: Subject) -> bool:
    """Whether a model gets any score that looks at this."""
    return any(each.subject == subject and each.suits(model) for each in SCORES)


def score(
    capability: str | None = None,
    *,
    subject: Subject,
    fields: Collection[str] | None = None,
) -> Callable:
    """Registers a score.

    Args:
        capability: That a model must offer to get it; None is for every model that samples can be had from.
        subject: What it looks at.
        fields: The fields of data that it is for, such as "image"; None is for all.
    """

    def register(function: Callable[[Evaluation], dict[str, float]]) -> Callable:
        SCORES.append(Score(capability, frozenset(fields) if fields else None, subject, function))
        return function

    return register


def evaluate(
    evaluation: Evaluation, subjects: Collection[Subject] = SUBJECTS, *, seldom: bool = False
) -> dict[str, float]:
    """Computes the scores that the model's capabilities and the data allow.

    What cannot be computed is left out, and `evaluation.left_out` says why.

    Args:
        evaluation: What they are computed from.
        subjects: Only the scores that look at these.
        seldom: Whether there may be no score at all.

    Raises:
        ValueError: If there is none, and none was left out.
    """
    results: dict[str, float] = {}
    for each in SCORES:
        if each.subject in subjects and each.suits(evaluation.model):
            with evaluation.leaving_out(each.function.__name__.replace("_", " ")):
                results.update(each.function(evaluation))
    if not results and not seldom and not evaluation.left_out:
        raise ValueError(f"no score is known for what it offers: {sorted(evaluation.model.offers)}")
    return results


def primary(results: dict[str, float]) -> dict[str, Any]:
    """The one score by which two trainings of a system are compared; lower is better for each of them."""
    order = (
        "nll_nats",
        "negative_elbo_nats",
        "nll_estimate_nats",
        "l1",
        "fid",
        "classifier_fid",
        "raw_frechet_distance",
        # Where there are too few examples for a covariance.
        "kid",
        "classifier_kid",
        "raw_kernel_distance",
    )
    name = next((name for name in order if name in results), None)
    if name is None:
        raise ValueError(
            "there were too few real examples or samples for a score to compare trainings by: "
            "raise evaluate.samples, or take more data"
        )
    return {"name": name, "value": results[name], "better": "lower"}
