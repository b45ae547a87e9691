"""What samplers are asked for: how many, with which seed and label, and by which options of the model."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from gm_keras.core import arguments
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
        label: Any = None,
        batch_size: PositiveInt | None = None,
        **options: Any,
    ) -> np.ndarray:
        """Draws samples; the same seed gives the same samples on the same backend.

        Args:
            n: How many.
            seed: Any integer of 32 bits, from 0 on.
            label: For models with classes: one label for all, or one for each sample; None draws from
                the model's own mixture of classes.
            batch_size: How many at a time (default: all at once); shapes the random numbers too.
            **options: Those of the model, which its `sample_batch` explains, for example the number of steps.

        Returns:
            Samples `(n, *shape of one example)` in the range of the training data, float32 (tokens: int32).

        Raises:
            ValueError: If an argument is out of range, a label is none of the model's, or the model is no sampler.
            TypeError: If there is no such option.
        """
        if "sampler" not in self.offers:
            raise ValueError(
                f"a {type(self).__name__} cannot sample from nothing; it offers {sorted(self.capabilities)}"
            )
        options = self.check_sampling_options(options)
        labels = self._labels(n, label)
        size = min(n, batch_size or n)
        drawn, computed = [], None
        with progress(n, f"samples of {self.name}") as bar:
            for start in range(0, n, size):
                inputs = [seed_word(later_seed(seed, 7919 * start))]
                if labels is not None:
                    part = np.resize(labels[start : start + size], size)
                    inputs.append(part.astype("int32"))
                before = computed
                computed = self.run_compiled(self._sample_call, *inputs, n=size, **options)
                if before is not None:
                    # The device draws the next ones while these are copied.
                    drawn.append(ops.convert_to_numpy(before))
                    bar.update(size)
            drawn.append(ops.convert_to_numpy(computed))
        return np.concatenate(drawn)[:n]

    def _sample_call(self, seed, label=None, *, n, **options):
        return self.sample_batch(n, RandomStream(seed), label, **options)

    def sample_batch(self, n: int, random: RandomStream, label: Any = None, **options: Any) -> Any:
        """Draws `n` samples inside a compiled function; `label` is None or int32 `(n,)`."""
        raise NotImplementedError(f"{type(self).__name__} must define sample_batch()")

    @classmethod
    def sampling_options(cls) -> dict[str, Any]:
        """The model's own options of `sample` (or of `translate`), and their defaults."""
        return {name: each.default for name, each in _options(cls).parameters.items()}

    def check_sampling_options(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Checks options of `sample` (or of `translate`), as a call would, without drawing anything.

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
                raise TypeError(
                    f'{_sampler(type(self))}() of a {type(self).__name__} has no option "{name}"; '
                    + (
                        f"its options are {', '.join(own.parameters)}"
                        if own.parameters
                        else "it has none"
                    )
                )
        given = {name: own.check(name, value) for name, value in options.items()}
        return self.complete_sampling_options({**self.sampling_options(), **given})

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

    def _labels(self, n: int, label: int | Sequence[int] | None) -> np.ndarray | None:
        if label is None:
            return None
        if not self.num_classes:
            raise ValueError(
                f"this {type(self).__name__} was trained without labels: leave label out, "
                "or train it with num_classes"
            )
        labels = np.asarray(label)
        if labels.shape == (n, 1):  # as Keras' CIFAR files have them
            labels = labels[:, 0]
        if labels.dtype.kind not in "iu" or labels.shape not in ((), (n,)):
            raise ValueError(
                f"label must be an integer, or {n} of them, not {arguments.shown(label)}"
            )
        if labels.min() < 0 or labels.max() >= self.num_classes:
            wrong = labels[(labels < 0) | (labels >= self.num_classes)].flat[0]
            raise ValueError(f"label {wrong} is out of range: 0 to {self.num_classes - 1}")
        return np.broadcast_to(labels, (n,)).astype("int32")


class _Options:
    """The parameters of a sampler that are options, and the check of their values."""

    def __init__(self, cls: type, method: str):
        base = next(each for each in cls.__mro__ if SamplingMixin in each.__bases__)
        found = arguments.inherited(cls, method, base)
        options = {
            name: each
            for name, each in found.parameters.items()
            if each.kind is each.KEYWORD_ONLY and name not in ("seed", "label")
        }
        self.parameters, self.passes_on = options, found.passes_on
        self.check = arguments.Checker(
            {name: each.annotation for name, each in options.items()},
            {name: each.default for name, each in options.items()},
        )


def _sampler(cls: type) -> str:
    return "translate" if "translator" in cls.offers else "sample"


@functools.cache
def _options(cls: type) -> _Options:
    return _Options(cls, "translate" if "translator" in cls.offers else "sample_batch")
