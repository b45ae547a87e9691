"""Conditions on their way through a model: from a batch or a call to its networks, left out at times, and guided."""

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from gm_keras.core.conditions import NAMES, Condition, listed


class ToldMixin:
    """Conditions for `GenerativeModel`; uses `num_classes`, `offers`, `fields` and `seed_generator`.

    Inside compiled functions they are a mapping from the names to tensors `(n, *shape)`. What was left out is not in
    it; only conditions with `dropout` can be left out.
    """

    @property
    def conditions(self) -> Mapping[str, Condition]:
        """What this model is told beside its examples, by name; by default the label, if it has classes."""
        return {"label": Condition.label(self.num_classes)} if self.num_classes else {}

    def told(self, given: Mapping[str, Any], n: int, *, seed: int | None = None) -> dict[str, Any]:
        """Checks what a call is told; the one place for all calls.

        Args:
            given: By name: one value for all, one for each, or None to leave it out.
            n: How many examples the call has.
            seed: For samples: draws classes that are left out, where the model cannot do without.

        Returns:
            Arrays `(n, *shape)` by name, in the order of `conditions`.

        Raises:
            ValueError: One line: a condition is missing, has a wrong value, or is not one of this model.
            TypeError: There is no condition of that name at all.
        """
        for name, value in given.items():
            if name not in self.conditions and not (value is None and name in NAMES):
                raise self._unknown(name)
        told = {}
        for name, condition in self.conditions.items():
            value = given.get(name)
            if value is not None:
                told[name] = condition.rows(name, value, n)
            elif seed is not None and condition.drawn:
                told[name] = condition.draw(name, n, seed)
            elif not condition.optional:
                raise ValueError(self._missing(name, sampling=seed is not None))
        return told

    def run_told(
        self, hook: Callable, given: Mapping[str, Any], *inputs: Any, **static: Any
    ) -> Any:
        """`run_compiled`, with the conditions that a call was given as the last input.

        Args:
            hook: `hook(*inputs, conditions, **static)`.
            given: As for `told`.
            *inputs: Arrays or tensors; the first one has a row for each example.
            **static: As for `run_compiled`.
        """
        return self.run_compiled(hook, *inputs, self.told(given, len(inputs[0])), **static)

    def told_in(self, batch: Mapping[str, Any], training: bool) -> dict[str, Any]:
        """The conditions of a batch, for losses; in training each is hidden from its share (`dropout`) of examples."""
        return {
            name: self._hidden(condition, batch[name]) if training else batch[name]
            for name, condition in self.conditions.items()
        }

    def _hidden(self, condition: Condition, values: Any) -> Any:
        if not condition.dropout:
            return values
        size = ops.shape(values)[0]
        hidden = keras.random.uniform((size,), seed=self.seed_generator) < condition.dropout
        hidden = ops.reshape(hidden, (-1, *[1] * len(condition.shape)))
        return ops.where(hidden, ops.cast(condition.absent, values.dtype), values)

    def with_told(self, conditions: Mapping[str, Any], *inputs: Any) -> Any:
        """The inputs of a network: `inputs`, then the conditions in their order; alone where there is only one.

        What was left out gets the value that stands for nothing.
        """
        size = ops.shape(inputs[0])[0]
        values = [
            conditions[name]
            if name in conditions
            else ops.full((size, *condition.shape), condition.absent, dtype=condition.dtype)
            for name, condition in self.conditions.items()
        ]
        return [*inputs, *values] if values or len(inputs) > 1 else inputs[0]

    def guided(
        self,
        predict: Callable,
        inputs: Sequence[Any],
        conditions: Mapping[str, Any],
        guidance: float,
    ) -> Any:
        """Classifier-free guidance (Ho & Salimans 2022): (1 + w) told - w untold, in one call of twice the batch.

        Args:
            predict: `predict(*inputs, conditions)`, a tensor with a row for each example.
            inputs: Tensors.
            conditions: Of these the ones that the model can do without are left out for the second half.
            guidance: w; 0 makes one call of the batch as it is.
        """
        left_out = [name for name in conditions if self.conditions[name].optional]
        if guidance == 0.0 or not left_out:
            return predict(*inputs, conditions)
        both = {}
        for name, values in conditions.items():
            absent = self.conditions[name].absent
            others = ops.full_like(values, absent) if name in left_out else values
            both[name] = ops.concatenate([values, others])
        doubled = [ops.concatenate([each, each]) for each in inputs]
        told, untold = ops.split(predict(*doubled, both), 2)
        return (1.0 + guidance) * told - guidance * untold

    # ---- checks -----------------------------------------------------------------------------------

    def _unknown(self, name: str) -> Exception:
        kind, knows = type(self).__name__, listed(self.conditions)
        if name in NAMES:
            classes = name == "label" and "num_classes" in self._built_with
            remedy = ", or train it with num_classes" if classes else ""
            known = f"; it is told {knows}" if self.conditions else ""
            return ValueError(
                f"this {kind} was trained without {name}s: leave {name} out{remedy}{known}"
            )
        near = difflib.get_close_matches(name, list(self.conditions), n=1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        return TypeError(f'a {kind} has no condition "{name}"{meant}; it is told {knows}')

    def _missing(self, name: str, *, sampling: bool) -> str:
        kind = type(self).__name__
        if not sampling:
            return f"{kind} was trained with {name}s: pass {name}="
        remedy = f"pass {name}="
        if "translator" in self.offers:
            remedy = f"use translate({name}) instead, or pass {name}="
        return f"a {kind} cannot sample without a {name}: {remedy}"

    def check_told(self, batch: Mapping[str, Any], shapes: Mapping[str, tuple | None]) -> None:
        """Checks that a batch has the conditions of this model, in their shapes.

        Args:
            batch: The fields.
            shapes: Of all fields, as far as they are known.

        Raises:
            ValueError: One line that names the condition.
        """
        for name, condition in self.conditions.items():
            if name in self.fields:
                continue
            if name not in batch:
                usual = f"fit(x, {name}s), or " if len(self.conditions) == 1 else ""
                raise ValueError(
                    f"{type(self).__name__} needs {name}s: {usual}a dictionary with "
                    f"{[*self.fields, *self.conditions]}, got {sorted(batch)}"
                )
            examples, given = shapes[next(iter(self.fields))], shapes[name]
            if examples is None or given is None or None in (examples[0], given[0]):
                continue  # of a graph for batches of any size, after one that was checked
            condition.check_shape(name, given, examples[0])

    def check_told_values(self, batch: Mapping[str, np.ndarray | None]) -> None:
        """Checks the values of a batch's conditions that can be read.

        Raises:
            ValueError: One line that names the condition.
        """
        for name, condition in self.conditions.items():
            if name not in self.fields and batch[name] is not None and batch[name].size:
                condition.check_values(name, batch[name])
