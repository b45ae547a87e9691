"""What a model is given: the fields of a batch, and whether their values are what it was built for.

Shapes are checked where a step is compiled, values wherever they can be read: before anything is computed from them.
"""

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
from keras import ops

from gm_keras import backend
from gm_keras.core.values import extent, within
from gm_keras.fields import scaling

#: Larger arrays are not read as a whole before a training, only batch by batch.
READ_AT_ONCE = 2**30
#: Parameters of public methods that take examples, and the property or field that says of which field.
_TAKES = {"x": "data_field", "x0": "data_field", "x1": "data_field", "source": "source"}


class ExamplesMixin:
    """Checks of examples for `GenerativeModel`; uses `fields`, `conditions`, `data_field` and `data_range`."""

    _range_told = False

    @property
    def data_range(self) -> tuple[float, float] | None:
        """The lowest and highest value of an example, or None for data without bounds.

        Images, videos and voxels lie in [-1, 1]; a model of continuous images of any range says so.
        """
        return (-1.0, 1.0) if self.data_field in ("image", "video", "voxels") else None

    def named_fields(self, data: Any) -> dict[str, Any]:
        """The fields of a batch as Keras hands it over: `(x, y, sample_weight)`, `x` one array or a dictionary."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        if sample_weight is not None:
            raise ValueError(f"{type(self).__name__} does not take sample weights")
        first, *others = {**self.fields, **self.conditions}
        batch = dict(x) if isinstance(x, Mapping) else {first: x}
        if y is not None:
            batch[others[0] if others else "label"] = y
        return batch

    def check_fields(self, batch: Mapping[str, Any]) -> None:
        """Checks that a batch has the fields and conditions of this model, in its shapes.

        Raises:
            ValueError: One line that names the field.
        """
        shapes = {name: _shape(value) for name, value in batch.items()}
        for field, shape in self.fields.items():
            if field not in batch:
                raise ValueError(
                    f'{type(self).__name__} expected a field "{field}" in its batches, got {sorted(batch)}'
                )
            self._check_shape(field, shape, shapes[field])
        self.check_told(batch, shapes)

    def _check_shape(self, field: str, shape: tuple, given: tuple | None) -> None:
        if given is not None and (given[1:] != tuple(shape) or not given):
            raise ValueError(
                f"{type(self).__name__} was built for examples of shape {shape}, got {given[1:]}"
                + ("" if field == self.data_field else f' in "{field}"')
                + ": build it for these, or reshape the data"
            )

    def check_batch(self, data: Any) -> None:
        """Checks a batch, values included where they can be read, before a step is given it.

        Args:
            data: As Keras hands it to a step.

        Raises:
            ValueError: One line that names the field, what was expected and what came.
        """
        batch = self.named_fields(data)
        self.check_fields(batch)
        for field in self.fields:
            self.check_values(field, batch[field])
        self.check_told_values({name: backend.concrete(batch[name]) for name in self.conditions})

    def check_data(self, x: Any, y: Any = None) -> None:
        """Checks whole arrays before a training or an evaluation begins; anything else is left to the batches."""
        batch = dict(x) if isinstance(x, Mapping) else {"x": x, "y": y}
        arrays = [value for value in batch.values() if value is not None]
        known = all(isinstance(value, np.ndarray) for value in arrays)
        if arrays and known and sum(value.nbytes for value in arrays) <= READ_AT_ONCE:
            self.check_batch((x, y))

    def check_values(self, field: str, values: Any) -> None:
        """Checks that the values of a field can be read as numbers, and lie where this model expects them.

        Raises:
            ValueError: One line that names the field.
        """
        values = backend.concrete(values)
        if values is None or values.size == 0:
            return
        low, high = extent(field, values)
        if field == "tokens":
            if low < 0 or high >= self.vocabulary_size or values.dtype.kind not in "iu":
                raise ValueError(
                    f"tokens must be integers from 0 to {self.vocabulary_size - 1}, not "
                    f"{values.dtype} from {low:g} to {high:g}"
                )
        elif self.data_range is not None:
            self._check_range(field, low, high)

    def _check_range(self, field: str, low: float, high: float) -> None:
        lowest, highest = self.data_range
        if not within(self.data_range, low, high):
            hint = (
                ": for pixels from 0 to 255, x / 127.5 - 1" if low >= 0 and 2 < high <= 255 else ""
            )
            raise ValueError(
                f'{type(self).__name__} expects "{field}" in [{lowest:g}, {highest:g}], '
                f"got values from {low:g} to {high:g}{hint}"
            )
        if lowest < 0.0 <= low and high > 0.5 and not self._range_told:
            self._range_told = True
            warnings.warn(
                f'all values of "{field}" lie from {low:g} to {high:g}, but {type(self).__name__} expects '
                f"[{lowest:g}, {highest:g}]: for pixels in [0, 1], 2 * x - 1",
                stacklevel=3,
            )

    def example_batch(self, values: Any, field: str) -> Any:
        """Examples as a public method needs them: checked, and of the type that training has.

        Args:
            values: An array `(batch, *shape of one example)` of any type of numbers, or a tensor.
            field: What they are.

        Returns:
            A NumPy array or tensor, float32 (tokens: int32).

        Raises:
            ValueError: One line, if the shape, the type or the values are not what the model was built for.
        """
        if not keras.ops.is_tensor(values):
            try:
                values = np.asarray(values)
            except ValueError:
                raise ValueError(
                    f'"{field}" must be one array, not parts of several shapes'
                ) from None
        self._check_shape(field, self.fields.get(field, self.data_shape), _shape(values))
        self.check_values(field, values)
        dtype = "int32" if scaling(field) == "codes" else "float32"
        return ops.cast(values, dtype) if keras.ops.is_tensor(values) else values.astype(dtype)


def _shape(value: Any) -> tuple | None:
    """The shape of an array or tensor, or None for a tensor whose rank is not known."""
    try:
        return tuple(np.shape(value))
    except ValueError:
        return None


def take_examples(cls: type, base: type) -> None:
    """Has every public method that `cls` adds to `base` check and cast the examples that it is given.

    Those are the parameters called `x`, `x0`, `x1` and `source`; a call within a compiled function is left as it is.
    """
    for owner in cls.__mro__:
        if owner in base.__mro__:
            continue
        for name, method in vars(owner).items():
            if inspect.isfunction(method) and not name.startswith("_"):
                found = [each for each in inspect.signature(method).parameters if each in _TAKES]
                if found and getattr(cls, name) is method:
                    setattr(cls, name, _taking_examples(method, found))


def _taking_examples(method: Callable, names: list[str]) -> Callable:
    signature = inspect.signature(method)

    @functools.wraps(method)
    def checked(self, *args, **options):
        try:
            bound = signature.bind(self, *args, **options)
        except TypeError:
            return method(self, *args, **options)
        for name in names:
            values = bound.arguments.get(name)
            if values is not None and not backend.is_traced(values):
                field = getattr(self, _TAKES[name], _TAKES[name])
                bound.arguments[name] = self.example_batch(values, field)
        return method(*bound.args, **bound.kwargs)

    return checked
