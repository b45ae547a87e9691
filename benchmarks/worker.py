"""One contender in a process of its own: reads a JSON line, does what it says, answers with a JSON line.

    python -m benchmarks.worker MODULE:CLASS

The first line holds the keyword arguments of the class; each further one is `{"run": amount}` or `{"facts": true}`.
"""

import importlib
import json
import os
import sys
import time

from benchmarks.watched import held


def main() -> None:
    """Answers until its input ends."""
    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(**values: object) -> None:
        print(json.dumps(values), file=answers, flush=True)

    started = time.perf_counter()
    arguments = json.loads(sys.stdin.readline())
    module, name = sys.argv[1].split(":")
    contender = getattr(importlib.import_module(module), name)(**arguments)
    answer(seconds=time.perf_counter() - started)
    for line in sys.stdin:
        request = json.loads(line)
        if "run" in request:
            started = time.perf_counter()
            contender.run(request["run"])
            answer(seconds=time.perf_counter() - started)
        else:
            # Before the facts, for which a contender may work once more.
            peak = held("VmHWM")
            torch = sys.modules.get("torch")
            version = {"torch": torch.__version__} if torch else {}
            answer(**contender.facts(), **version, peak_memory=peak)


if __name__ == "__main__":
    main()
