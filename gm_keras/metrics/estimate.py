"""A score and how sure it is."""


class Estimate(float):
    """A number that remembers its standard error.

    It is a plain `float` wherever one is wanted: in sums, comparisons, JSON.

    Attributes:
        stderr: The standard error, in the unit of the number; None where the metric has none.
    """

    stderr: float | None

    def __new__(cls, value: float, stderr: float | None = None) -> "Estimate":
        estimate = super().__new__(cls, value)
        estimate.stderr = None if stderr is None else float(stderr)
        return estimate

    def __getnewargs__(self) -> tuple[float, float | None]:
        return float(self), self.stderr

    __str__ = float.__repr__

    def __repr__(self) -> str:
        return f"Estimate({float(self)!r}, stderr={self.stderr!r})"


class TooFewSamples(ValueError):  # noqa: N818
    """A set holds fewer rows than a metric can be computed from."""
