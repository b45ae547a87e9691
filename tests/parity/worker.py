"""Writes what the named systems come to on this backend: `python -m tests.parity.worker FOLDER NAME...`."""

import sys
from pathlib import Path

from tests.parity import training


def main(folder: str, *names: str) -> None:
    """Trains each system by itself and writes `FOLDER/<name>.npz`."""
    for name in names:
        model = training.built(name)
        curves = training.train(model)
        losses, answers = training.test(model), training.answers(model)
        training.write(Path(folder) / f"{name}.npz", model, curves, losses, answers)


if __name__ == "__main__":
    main(*sys.argv[1:])
