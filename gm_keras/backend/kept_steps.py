"""What every backend's seam shares: an exception never costs a model its weights."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import keras
import numpy as np

Variables = Sequence[keras.Variable]


class KeptSteps:
    """Mixin before Keras' trainer: whatever is raised, the model holds the values of a whole step afterwards.

    Not only errors in the data: a callback's error, Ctrl-C or a device without memory may come at any moment,
    also while Keras has taken the values out of the variables or half of a step has been assigned.

    A seam says how: `_whole_step()` returns the present values, `_give_back()` assigns the last ones that are
    known to be whole, which are in `self._whole` while one of the calls below runs.
    """

    _whole: Any = None

    def fit(self, x: Any = None, y: Any = None, *args: Any, **options: Any) -> Any:
        """As in Keras; arrays are checked as a whole before it begins."""
        self.check_data(x, y)
        validation = options.get("validation_data")
        if isinstance(validation, tuple | list):
            self.check_data(*validation[:2])
        return self._keeping(super().fit, x, y, *args, **options)

    def evaluate(
        self, x: Any = None, y: Any = None, *args: Any, return_dict: bool = False, **options: Any
    ) -> Any:
        """As in Keras; arrays are checked as a whole before it begins."""
        self.check_data(x, y)
        logs = self._keeping(super().evaluate, x, y, *args, return_dict=True, **options)
        return logs if return_dict else self.in_order(logs)

    def predict(self, *args: Any, **options: Any) -> Any:
        """As in Keras."""
        return self._keeping(super().predict, *args, **options)

    def train_on_batch(self, *args: Any, return_dict: bool = False, **options: Any) -> Any:
        """As in Keras."""
        logs = self._keeping(super().train_on_batch, *args, return_dict=True, **options)
        return logs if return_dict else self.in_order(logs)

    def test_on_batch(self, *args: Any, return_dict: bool = False, **options: Any) -> Any:
        """As in Keras."""
        logs = self._keeping(super().test_on_batch, *args, return_dict=True, **options)
        return logs if return_dict else self.in_order(logs)

    def predict_on_batch(self, *args: Any, **options: Any) -> Any:
        """As in Keras."""
        return self._keeping(super().predict_on_batch, *args, **options)

    def _keeping(self, call: Callable, *args: Any, **options: Any) -> Any:
        # `fit` evaluates too: each call has values of its own to go back to.
        before = self._whole
        try:
            self._whole = self._whole_step()
            return call(*args, **options)
        except BaseException:
            insist(self._give_back)
            raise
        finally:
            self._whole = before

    def _checked(self, batches: Iterable) -> Iterator:
        """The batches, each of which is checked before anything is computed from it."""
        for batch in batches:
            self.check_batch(batch)
            yield batch

    def _whole_step(self) -> Any:
        raise NotImplementedError

    def _give_back(self) -> None:
        raise NotImplementedError


def insist(function: Callable[[], None]) -> None:
    """Calls a function until it was not interrupted; for one that may be repeated."""
    while True:
        try:
            function()
        except KeyboardInterrupt:
            continue
        return


def every_variable(model: keras.Model) -> list[keras.Variable]:
    """The variables of a model, its metrics and its optimizer, each once."""
    optimizer = getattr(model, "optimizer", None)
    variables = [
        *model.variables,
        *model.metrics_variables,
        *(optimizer.variables if optimizer is not None else ()),
    ]
    return list({id(variable): variable for variable in variables}.values())


def copies(variables: Variables) -> list[np.ndarray]:
    """The values of variables, as arrays that no later step changes."""
    return [np.array(keras.ops.convert_to_numpy(variable)) for variable in variables]


@contextlib.contextmanager
def all_or_nothing(variables: Variables) -> Iterator[None]:
    """If the block raises, the variables have the values from before it."""
    values = copies(variables)

    def put_back() -> None:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)

    try:
        yield
    except BaseException:
        insist(put_back)
        raise
