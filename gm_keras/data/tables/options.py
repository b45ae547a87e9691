"""How a user's table is read."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Options:
    """How a table is read.

    Attributes:
        columns: Only these; None for all.
        drop: Not these.
        label: The column that systems may be told, which is not modelled.
        categories: Columns of numbers that are codes.
        missing: `refuse`, or `impute`: the median of a number, the commonest value of a category.
        codes: Of categories: `one_hot` or `binary`.
        numbers: `standard`, or `quantile` for long tails and for values that most rows have.
    """

    columns: Sequence[str] | None = None
    drop: Sequence[str] = ()
    label: str | None = None
    categories: Sequence[str] = ()
    missing: Literal["refuse", "impute"] = "refuse"
    codes: Literal["one_hot", "binary"] = "one_hot"
    numbers: Literal["standard", "quantile"] = "standard"
