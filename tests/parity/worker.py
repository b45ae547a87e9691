"""Writes what systems come to on this backend: `python -m tests.parity.worker FOLDER NAME...`.

Without names it is a process of `make test`: it trains all that were chosen, and keeps what each has cost.
"""

import faulthandler
import importlib.util
import os
import resource
import sys
import time
from pathlib import Path

from tests import figures, selection


def main(folder: str, *names: str) -> None:
    """Trains each system by itself and writes `FOLDER/<name>.npz`."""
    if not names and importlib.util.find_spec(os.environ["KERAS_BACKEND"]) is None:
        return  # the comparison says what is missing
    from tests import systems
    from tests.parity import training

    chosen, spent, start = selection.chosen(), {}, _now()
    for name in names or systems.names():
        if not names and chosen and systems.original(name) not in chosen:
            continue
        faulthandler.dump_traceback_later(900, exit=True)
        model = training.built(name)
        curves = training.train(model)
        losses, answers = training.test(model), training.answers(model)
        training.write(Path(folder) / f"{name}.npz", model, curves, losses, answers)
        systems.forget()
        end = _now()
        spent[f"system {name}"] = tuple(
            after - before for after, before in zip(end, start, strict=True)
        )
        start = end
    # The process that waits for one with names counts it as its own.
    if not names and (kept := os.environ.get("GM_KERAS_TEST_FIGURES")):
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        figures.write(Path(kept), f"{os.environ['KERAS_BACKEND']}_trainings", spent, memory)


def _now() -> tuple[float, float]:
    """CPU seconds of this process, and the clock's."""
    return time.process_time(), time.monotonic()


if __name__ == "__main__":
    main(*sys.argv[1:])
