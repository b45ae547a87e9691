"""Rows of a table as vectors and back: what is known of each column, from the examples to train on alone.

A number becomes (value - mean) / deviation, one feature; or the quantile of the standard normal distribution at its
rank, which suits columns with long tails, or with one value in most rows (`quantile`). A category becomes one feature for each of its values, 1 for
the one that it is and -1 for the others (`one_hot`), or the bits of its place as 1 and -1 (`binary`). Back, a number
is brought into the range that it had and rounded as it was; a category is the one whose code is nearest.
"""

from collections.abc import Mapping
from math import floor, log10
from typing import Annotated, Any, Literal
from zlib import crc32

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from scipy.special import ndtr, ndtri

#: What fills the cell of a category: less than what lies between 1 and -1, so that no two cells meet.
CATEGORY_CELL = 1.0
#: Ranks are kept so far from 0 and 1: features lie between -4.3 and 4.3.
FARTHEST_RANK = 1e-5

Count = Annotated[float, Field(ge=0.0, allow_inf_nan=False)]
Finite = Annotated[float, Field(allow_inf_nan=False)]


class _Described(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Number(_Described):
    """A column of numbers.

    Attributes:
        name: In the header.
        dtype: Of its values: `int64`, `float64` or another numeric type.
        mean: Of the examples to train on.
        deviation: Of the same, above 0.
        low: Their smallest value.
        high: Their largest.
        decimals: The decimals with which all of them are written, 0 for whole numbers; None for real numbers.
    """

    kind: Literal["number"] = "number"
    name: str
    dtype: Literal[
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float32",
        "float64",
    ]
    mean: Finite
    deviation: Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
    low: Finite
    high: Finite
    decimals: Annotated[int, Field(ge=0, le=15)] | None = None

    @property
    def size(self) -> int:
        """The features that it becomes."""
        return 1

    @property
    def cells(self) -> list[float]:
        """What lies between one value and the next, as features have it; 0 for real numbers."""
        return [0.0 if self.decimals is None else 10.0**-self.decimals / self.deviation]

    def encode(self, values: np.ndarray, random: np.random.Generator | None = None) -> np.ndarray:
        """Numbers (n,) as features (n, 1)."""
        del random
        return ((np.asarray(values, "float64") - self.mean) / self.deviation)[:, None]

    def decode(self, features: np.ndarray) -> np.ndarray:
        """Features (n, 1) as numbers (n,), within their range."""
        return self._rounded(features[:, 0].astype("float64") * self.deviation + self.mean)

    def _rounded(self, values: np.ndarray) -> np.ndarray:
        # Features have about seven digits: what comes after them is none of the data's.
        digits = self.decimals if self.decimals is not None else 6 - floor(log10(self.deviation))
        values = np.round(values, digits)
        # Without the sign of a zero.
        return (np.clip(values, self.low, self.high) + 0.0).astype(self.dtype)


class Quantile(Number):
    """A column of numbers of which a feature says the rank.

    A value that many rows have takes all the ranks that are its own, drawn anew for each row, so that there is no
    heap among the features.

    Attributes:
        knots: The values that there are, in their order; or, without `shares`, values at even ranks from 0 to 1,
            between which the others lie.
        shares: How often each of them is.
    """

    kind: Literal["quantile"] = "quantile"
    knots: Annotated[list[Finite], Field(min_length=2)]
    shares: list[Count] = []

    @model_validator(mode="after")
    def _is_in_order(self) -> "Quantile":
        if self.knots != sorted(self.knots) or self.knots[0] == self.knots[-1]:
            raise ValueError("knots are in their order, and not all alike")
        if self.shares and (len(self.shares) != len(self.knots) or not sum(self.shares) > 0.0):
            raise ValueError("each knot has its share")
        return self

    @property
    def cells(self) -> list[float]:
        """None: features are real numbers."""
        return [0.0]

    @property
    def _ranks(self) -> np.ndarray:
        """Of the knots; with shares, of what lies between them."""
        if not self.shares:
            return np.linspace(0.0, 1.0, len(self.knots))
        return np.cumsum([0.0, *self.shares]) / sum(self.shares)

    def encode(self, values: np.ndarray, random: np.random.Generator | None = None) -> np.ndarray:
        """Numbers (n,) as features (n, 1); without a generator each has the middle of its ranks."""
        values, knots, ranks = np.asarray(values, "float64"), np.array(self.knots), self._ranks
        first, last = (np.searchsorted(knots, values, side) for side in ("left", "right"))
        if self.shares:
            low, high = ranks[first], ranks[last]
        else:
            between = np.interp(values, knots, ranks)
            low = np.where(last > first, ranks[np.minimum(first, len(knots) - 1)], between)
            high = np.where(last > first, ranks[np.maximum(last - 1, 0)], between)
        place = 0.5 if random is None else random.random(len(values))
        rank = np.clip(low + (high - low) * place, FARTHEST_RANK, 1.0 - FARTHEST_RANK)
        return ndtri(rank)[:, None]

    def decode(self, features: np.ndarray) -> np.ndarray:
        """Features (n, 1) as numbers (n,)."""
        rank = ndtr(features[:, 0].astype("float64"))
        if not self.shares:
            return self._rounded(np.interp(rank, self._ranks, self.knots))
        return self._rounded(
            np.array(self.knots)[np.searchsorted(self._ranks[1:-1], rank, "right")]
        )


class Category(_Described):
    """A column of categories.

    Attributes:
        name: In the header.
        dtype: Of its values: `string`, `bool`, or a numeric type for codes.
        values: What it may be, as text.
        shares: How often each of them is.
        codes: `one_hot` or `binary`.
    """

    kind: Literal["category"] = "category"
    name: str
    dtype: Literal["string", "bool", "int64", "float64"] = "string"
    values: Annotated[list[str], Field(min_length=1)]
    shares: list[Count]
    codes: Literal["one_hot", "binary"] = "one_hot"

    @model_validator(mode="after")
    def _is_whole(self) -> "Category":
        if len(set(self.values)) < len(self.values) or len(self.shares) != len(self.values):
            raise ValueError("each value is there once, with its share")
        if not sum(self.shares) > 0.0:
            raise ValueError("no value has a share")
        self.restored(np.arange(len(self.values)))
        return self

    @property
    def size(self) -> int:
        """The features that it becomes."""
        count = len(self.values)
        return count if self.codes == "one_hot" else max(1, (count - 1).bit_length())

    @property
    def cells(self) -> list[float]:
        """What is free around the code of a category, as features have it."""
        return [CATEGORY_CELL] * self.size

    @property
    def vectors(self) -> np.ndarray:
        """The code of each value: float32 (values, size) of 1 and -1."""
        places = np.arange(len(self.values))
        bits = (
            np.eye(len(places))
            if self.codes == "one_hot"
            else places[:, None] >> np.arange(self.size) & 1
        )
        return (2.0 * bits - 1.0).astype("float32")

    def encode(self, values: np.ndarray, random: np.random.Generator | None = None) -> np.ndarray:
        """Places in `values` (n,) as features (n, size)."""
        del random
        return self.vectors[values]

    def decode(self, features: np.ndarray) -> np.ndarray:
        """Features (n, size) as places in `values` (n,)."""
        # All codes are of one length: the nearest is the one with the largest product.
        return np.argmax(features @ self.vectors.T, axis=1)

    def restored(self, places: np.ndarray) -> np.ndarray:
        """Places in `values` as what stands in the table."""
        if self.dtype == "bool":
            return np.array([value == "true" for value in self.values])[places]
        return np.array(self.values, None if self.dtype == "string" else self.dtype)[places]


class Table(_Described):
    """The columns of a table in their order.

    Attributes:
        columns: All of them, the label among them.
        label: The column that systems may be told; None where there is none. The others are modelled.
    """

    columns: Annotated[
        list[Annotated[Number | Quantile | Category, Field(discriminator="kind")]],
        Field(min_length=1),
    ]
    label: str | None = None

    @model_validator(mode="after")
    def _has_columns(self) -> "Table":
        names = [column.name for column in self.columns]
        if len(set(names)) < len(names):
            raise ValueError("two columns have one name")
        if self.label is not None and not isinstance(self.label_column, Category):
            raise ValueError("the label is a column of categories")
        if not self.modelled:
            raise ValueError("no column is left to model")
        return self

    @classmethod
    def read(cls, content: Any) -> "Table":
        """Reads what `described` made.

        Raises:
            ValueError: It describes no table; one line.
        """
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            problem = error.errors()[0]
            where = ".".join(map(str, problem["loc"]))
            raise ValueError(
                f"no description of a table: {where[:100]}: {problem['msg']}"
            ) from None

    def described(self) -> dict[str, Any]:
        """The table as JSON has it."""
        return self.model_dump()

    @property
    def label_column(self) -> Category | None:
        """The column that systems may be told."""
        return next((column for column in self.columns if column.name == self.label), None)

    @property
    def modelled(self) -> list[Number | Category]:
        """The columns that are features: all but the label."""
        return [column for column in self.columns if column.name != self.label]

    @property
    def size(self) -> int:
        """The features of a row."""
        return sum(column.size for column in self.modelled)

    @property
    def cells(self) -> list[float]:
        """For each feature the width of what belongs to one discrete value; 0 where values are real numbers."""
        return [cell for column in self.modelled for cell in column.cells]

    def encode(self, values: Mapping[str, np.ndarray], seed: int | None = None) -> np.ndarray:
        """Rows as features.

        Args:
            values: By column that is modelled (n,): numbers, or places in the values of a category.
            seed: Of the ranks of `Quantile`; None for their middle.

        Returns:
            float32 (n, size).
        """
        parts = []
        for column in self.modelled:
            drawn = [seed, crc32(column.name.encode())]
            random = None if seed is None else np.random.default_rng(drawn)
            parts.append(column.encode(values[column.name], random))
        return np.concatenate(parts, axis=1).astype("float32")

    def decode(self, features: np.ndarray) -> dict[str, np.ndarray]:
        """Features as rows.

        Args:
            features: (n, size), also of samples, which lie beside the codes.

        Returns:
            By column that is modelled (n,), as `encode` takes it.

        Raises:
            ValueError: The features are of another table, or not finite.
        """
        features = np.asarray(features, "float32")
        if features.ndim != 2 or features.shape[1] != self.size:
            raise ValueError(f"rows of this table have {self.size} features, not {features.shape}")
        if not np.isfinite(features).all():
            raise ValueError("a feature is NaN or infinite")
        rows, start = {}, 0
        for column in self.modelled:
            rows[column.name] = column.decode(features[:, start : start + column.size])
            start += column.size
        return rows

    def restored(
        self, features: np.ndarray, labels: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Features as what stands in a table: all columns in their order, each of its type.

        Args:
            features: (n, size).
            labels: What each row was told (n,); without them the label's column is left out.
        """
        rows = self.decode(features)
        if self.label is not None and labels is not None:
            rows[self.label] = np.asarray(labels)
        return {
            column.name: column.restored(rows[column.name])
            if isinstance(column, Category)
            else rows[column.name]
            for column in self.columns
            if column.name in rows
        }

    def draw_labels(self, n: int, seed: int) -> np.ndarray:
        """Labels as often as among the examples to train on: int32 (n,)."""
        shares = np.array(self.label_column.shares)
        generator = np.random.default_rng([seed, n])
        return generator.choice(len(shares), n, p=shares / shares.sum()).astype("int32")
