"""What samplers are asked for: how many, with which seed and conditions, and by which options of the model."""

import difflib
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np
from keras import ops

from gm_keras.core import arguments
from gm_keras.core.conditions import NAMES, listed
from gm_keras.ops.random import RandomStream, later_seed, seed_word
from gm_keras.progress import progress
from gm_keras.types import PositiveInt, Seed


class SamplingMixin:
    """`sample` on top of `sample_batch`, whose arguments after the asterisk are the options of a model.

    Their annotations say what is allowed (`gm_keras.types` has the usual ones). What depends on the model or on other
    options is checked, and defaults that depend on them are filled in, by `complete_sampling_options`.
    """

    @arguments.checked
    def sample(
        self,
        n: PositiveInt,
        *,
        seed: Seed = 0,
        batch_size: PositiveInt | None = None,
        **given: Any,
    ) -> np.ndarray:
        """Draws samples; the same seed gives the same samples on the same backend.

        Args:
            n: How many.
            seed: Any integer of 32 bits, from 0 on.
            batch_size: How many at a time (default: all at once); shapes the random numbers too.
            **given: Conditions of the model by name, such as `label=3` or `caption="..."`: one value for all, or one
                for each sample. A class that is left out is drawn, each as often as the others, and what the model
                has learned to do without is left out. And options of the model, which its `sample_batch` explains,
                for example the number of steps.

        Returns:
            Samples `(n, *shape of one example)` in the range of the training data, float32 (tokens: int32).

        Raises:
            ValueError: If an argument is out of range, a condition is missing or none of the model's, or the model
                is no sampler.
            TypeError: If there is no such option.
        """
        if self.offers.isdisjoint({"sampler", "translator"}):
            raise ValueError(
                f"a {type(self).__name__} cannot sample from nothing; it offers {sorted(self.capabilities)}"
            )
        conditions, options = self.sampling_arguments(given)
        told = self.told(conditions, n, seed=seed)
        size = min(n, batch_size or n)
        drawn, computed = [], None
        with progress(n, f"samples of {self.name}") as bar:
            for start in range(0, n, size):
                word = seed_word(later_seed(seed, 7919 * start))
                rows = np.arange(start, start + size) % n
                part = {name: values[rows] for name, values in told.items()}
                before = computed
                computed = self.run_compiled(self._sample_call, word, part, n=size, **options)
                if before is not None:
                    # The device draws the next ones while these are copied.
                    drawn.append(ops.convert_to_numpy(before))
                    bar.update(size)
            drawn.append(ops.convert_to_numpy(computed))
        return np.concatenate(drawn)[:n]

    def _sample_call(self, seed, conditions, *, n, **options):
        return self.sample_batch(n, RandomStream(seed), conditions, **options)

    def sample_batch(
        self, n: int, random: RandomStream, conditions: Mapping[str, Any], **options: Any
    ) -> Any:
        """Draws `n` samples inside a compiled function; `conditions` are tensors `(n, *shape)` by name."""
        raise NotImplementedError(f"{type(self).__name__} must define sample_batch()")

    @classmethod
    def sampling_options(cls) -> dict[str, Any]:
        """The model's own options of `sample` (and of `translate`), and their defaults."""
        return {name: each.default for name, each in _options(cls).parameters.items()}

    def sampling_arguments(self, given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Parts what a sampler is given into conditions, not checked yet, and options, checked and complete."""
        own = _options(type(self)).parameters
        conditions = {
            name: value
            for name, value in given.items()
            if name not in own and (name in self.conditions or name in NAMES)
        }
        options = {name: value for name, value in given.items() if name not in conditions}
        return conditions, self.check_sampling_options(options)

    def check_sampling_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Checks options of `sample` (and of `translate`), as a call would, without drawing anything.

        Args:
            options: Some of `sampling_options()`.

        Returns:
            The options, complete, in Python's own types.

        Raises:
            ValueError: If a value is wrong, for itself or for this model; the line begins with the option's name.
            TypeError: If there is no such option.
        """
        own = _options(type(self))
        for name in options:
            if name not in own.parameters and not own.passes_on:
                raise TypeError(self._no_option(name, list(own.parameters)))
        given = {name: own.check(name, value) for name, value in options.items()}
        return self.complete_sampling_options({**self.sampling_options(), **given})

    def _no_option(self, name: str, known: list[str]) -> str:
        method = "translate" if "translator" in self.offers else "sample"
        near = difflib.get_close_matches(name, [*known, *self.conditions], n=1)
        meant = f" (did you mean {near[0]}?)" if near else ""
        told = f"it is told {listed(self.conditions)}; " if self.conditions else ""
        options = f"its options are {listed(known)}" if known else "of options it has none"
        return (
            f'{method}() of a {type(self).__name__} has no option "{name}"{meant}; {told}{options}'
        )

    def complete_sampling_options(self, options: dict[str, Any]) -> dict[str, Any]:
        """Fills in defaults that depend on the model, and checks what depends on it or on other options.

        Args:
            options: All of `sampling_options()`, each of its type and within its range.

        Returns:
            What `sample_batch` gets.

        Raises:
            ValueError: If they do not fit; the line begins with the option's name.
        """
        return options


class _Options:
    """The parameters of a sampler that are options, and the check of their values."""

    def __init__(self, cls: type):
        base = next(each for each in cls.__mro__ if SamplingMixin in each.__bases__)
        found = arguments.inherited(cls, "sample_batch", base)
        options = {
            name: each for name, each in found.parameters.items() if each.kind is each.KEYWORD_ONLY
        }
        self.parameters, self.passes_on = options, found.passes_on
        self.check = arguments.Checker(
            {name: each.annotation for name, each in options.items()},
            {name: each.default for name, each in options.items()},
        )


@functools.cache
def _options(cls: type) -> _Options:
    return _Options(cls)
