"""Classes without examples: nothing can be learnt of them, and a model would draw them all the same."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from gm_keras.data.source import DataError, Example, Source
from gm_keras.data.splits import SPLITS
from gm_keras.reading import shown

RENUMBER = (
    "add renumber: true to the data set's entry under data: in params.yaml to number those that there "
    "are from 0"
)
# So many names stand in a message.
_NAMED = 5


def counted(source: Source, renumber: bool) -> Source:
    """Reads the labels of a data set, once.

    Args:
        source: A data set; without labels it stays as it is.
        renumber: Leave out the classes without examples, and number the others from 0 in their order.
    """
    if source.labels is None:
        return source
    labels = {split: np.asarray(source.labels(split)) for split in source.splits}
    used = np.unique(np.concatenate(list(labels.values())))
    if renumber and len(used) < len(source.class_names):
        source = _without_empty(source, used)
        labels = {split: np.searchsorted(used, each) for split, each in labels.items()}
    return replace(source, labels=labels.__getitem__)


def refuse_empty(source: Source) -> None:
    """Raises a `DataError` if a class has no example in any split."""
    if source.labels is None:
        return
    used = np.concatenate([source.labels(split) for split in source.splits])
    empty = np.setdiff1d(np.arange(len(source.class_names)), used)
    if len(empty):
        raise DataError(
            f"{len(empty)} of {len(source.class_names)} classes have no example: "
            f"{_listed(empty, source)}; {RENUMBER}"
        )


def missing(source: Source, plan: dict[str, dict[str, np.ndarray]]) -> list[str]:
    """Says which splits lack a class.

    Args:
        source: A data set.
        plan: Which row goes where, from `splits.assign`.

    Returns:
        One line for each such split.
    """
    if source.labels is None:
        return []
    lines = []
    for split in SPLITS:
        seen = [source.labels(each)[rows[split]] for each, rows in plan.items() if split in rows]
        absent = np.setdiff1d(np.arange(len(source.class_names)), np.concatenate(seen))
        if len(absent):
            lines.append(
                f"{split} has no example of {len(absent)} classes: {_listed(absent, source)}"
            )
    return lines


def _listed(labels: np.ndarray, source: Source) -> str:
    named = [f'{label} ("{shown(source.class_names[label])}")' for label in labels[:_NAMED]]
    return ", ".join(named) + (" ..." if len(labels) > _NAMED else "")


def _without_empty(source: Source, used: np.ndarray) -> Source:
    def read(split: str) -> Iterator[Example]:
        for example in source.read(split):
            yield {**example, "label": np.int32(np.searchsorted(used, example["label"]))}

    return replace(
        source,
        read=read,
        class_names=tuple(source.class_names[label] for label in used),
    )
