"""What every model that tells classes apart can do."""

from collections.abc import Mapping
from typing import Any


class ClassifierMixin:
    """`classify` on top of `_classify`; the model offers "classifier" where it has `classes`."""

    #: How many classes it tells apart; None: none, and no classifier.
    classes: int | None = None

    @property
    def capabilities(self) -> frozenset[str]:
        """As of every model; "classifier" where there are classes."""
        return super().capabilities | ({"classifier"} if self.classes else frozenset())

    def classify(self, x: Any, **conditions: Any) -> Any:
        """The most probable class of each example.

        Args:
            x: Examples as in training.
            **conditions: What the model is told: one value for all, or one for each example.

        Returns:
            Whole numbers `(batch,)`, from 0 to `classes` - 1.

        Raises:
            ValueError: If the model has no classes, or a condition is missing or none of the model's.
        """
        if not self.classes:
            raise ValueError(f"this {type(self).__name__} has no classifier: build it with classes")
        return self.run_told(self._classify, conditions, x)

    def _classify(self, x: Any, conditions: Mapping[str, Any]) -> Any:
        """The classes `(batch,)`, inside a compiled function."""
        raise NotImplementedError(f"{type(self).__name__} must define _classify()")
