"""Which kind of data a data set of the recipes has: for lists of systems, which load no data."""

#: The kinds, and the data sets of each; `tests/pipelines/test_catalog.py` holds them to the recipes.
KINDS: dict[str, tuple[str, ...]] = {
    "images": (
        "bars",
        "binarized_mnist",
        "digits",
        "fashion_mnist",
        "fashion_mnist_32",
        "mnist",
    ),
    "pairs": ("digits_edges", "fashion_mnist_edges"),
    "points": ("gaussians", "moons"),
    "text": ("tiny_shakespeare",),
}


def kind_of(dataset: str) -> str | None:
    """Returns the kind of a data set that a recipe names, a key of `KINDS`; None where it is not known."""
    return next((kind for kind, names in KINDS.items() if dataset in names), None)
