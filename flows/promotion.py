"""Whether a new model takes the place of the one in use: a rule without side effects."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Score:
    """What a model reached, and on what.

    Attributes:
        metric: The name of the metric, such as `nll_nats`.
        value: Its value.
        better: "lower" or "higher": which direction is better.
        measured_on: A fingerprint of the test set and of how it was used; only scores with the same
            one can be compared.
    """

    metric: str
    value: float
    better: str
    measured_on: str

    def __post_init__(self) -> None:
        if self.better not in ("lower", "higher"):
            raise ValueError(f'better must be "lower" or "higher", not {self.better!r}')

    def comparable(self, other: "Score") -> bool:
        """Whether both are the same metric of the same test set."""
        return (self.metric, self.better, self.measured_on) == (
            other.metric,
            other.better,
            other.measured_on,
        )

    def tags(self) -> dict[str, str]:
        """Writes the score as tags of a registered model."""
        return {
            "score_metric": self.metric,
            "score_value": repr(self.value),
            "score_better": self.better,
            "score_measured_on": self.measured_on,
        }

    @classmethod
    def from_tags(cls, tags: dict[str, str]) -> "Score | None":
        """Reads the score of a registered model; None where none was written."""
        try:
            return cls(
                tags["score_metric"],
                float(tags["score_value"]),
                tags["score_better"],
                tags["score_measured_on"],
            )
        except (KeyError, ValueError):
            return None

    @classmethod
    def from_metrics(cls, metrics: dict[str, Any], measured_on: str) -> "Score":
        """Reads the primary metric of an evaluation.

        Args:
            metrics: The content of `scores.json`.
            measured_on: See the class.
        """
        primary = metrics["primary"]
        return cls(primary["name"], float(primary["value"]), primary["better"], measured_on)


@dataclass(frozen=True)
class Decision:
    """Whether to promote, and why or why not, in a sentence."""

    promote: bool
    reason: str


def decide(challenger: Score, champion: Score | None) -> Decision:
    """Compares a new model with the one in use.

    Args:
        challenger: The score of the new model.
        champion: The score of the one in use, or None if there is none yet.

    Returns:
        To promote only a model that is strictly better on the same test set.
    """
    new = f"{challenger.metric} {challenger.value:.6g}"
    if not math.isfinite(challenger.value):
        return Decision(False, f"the challenger's {new} is not a number to go by")
    if champion is None:
        return Decision(True, f"there is no champion yet; the challenger has {new}")
    if not challenger.comparable(champion):
        return Decision(
            False,
            f"the challenger's {new} and the champion's {champion.metric} {champion.value:.6g} "
            "were not measured alike, on the same test set",
        )
    both = f"{new} against the champion's {champion.value:.6g} ({challenger.better} is better)"
    if not math.isfinite(champion.value):
        return Decision(True, both)
    gain = challenger.value - champion.value
    if challenger.better == "lower":
        gain = -gain
    if gain > 0:
        return Decision(True, both)
    return Decision(False, f"{both}: {'equal' if gain == 0 else 'worse'}")
