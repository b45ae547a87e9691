"""Ours and the same step written in JAX without Keras, in turns in one process.

Two processes of the same program may differ by a tenth for as long as they live, by where their memory lies; what Keras
costs is less. In one process both have the same allocator, threads and pages.
"""

import importlib
import time
from typing import Any

from benchmarks.ours.training import Training


class Both:
    """One system in two trainings.

    Args:
        case: From `benchmarks.cases`, of a system that `benchmarks.pure_jax` has.
        seconds: Of one training in one turn.
    """

    def __init__(self, case: dict[str, Any], seconds: float):
        pure = importlib.import_module(f"benchmarks.pure_jax.{case['system']}").Training
        self.trainings = {"ours": Training(case), "pure_jax": pure(case)}
        self.asked = dict.fromkeys(self.trainings, 0)
        self._steps = {name: self._chosen(name, seconds) for name in self.trainings}
        self.wall: dict[str, list[float]] = {name: [] for name in self.trainings}
        self.processor: dict[str, list[float]] = {name: [] for name in self.trainings}

    def _train(self, name: str, steps: int) -> None:
        self.trainings[name].run(steps)
        self.asked[name] += steps

    def _chosen(self, name: str, seconds: float) -> int:
        self._train(name, 8)  # compiles
        started = time.perf_counter()
        self._train(name, 8)
        once = (time.perf_counter() - started) / 8
        return 8 * max(1, round(seconds / once / 8))

    def run(self, turns: int) -> None:
        """Times both in each turn; who begins changes with it."""
        for _ in range(turns):
            names = list(self.trainings)
            for name in names if len(self.wall["ours"]) % 2 else reversed(names):
                steps = self._steps[name]
                self._train(name, 1)  # what the other one has put out of the caches
                wall, processor = time.perf_counter(), time.process_time()
                self._train(name, steps)
                self.wall[name].append((time.perf_counter() - wall) / steps)
                self.processor[name].append((time.process_time() - processor) / steps)

    def facts(self) -> dict[str, Any]:
        """Seconds of a step in each turn, by the clock and of all processors; the steps that each training was asked
        for; and what it says of itself."""
        return {
            "done": len(self.wall["ours"]),
            "wall": self.wall,
            "processor": self.processor,
            "asked": self.asked,
            "trainings": {name: each.facts() for name, each in self.trainings.items()},
        }
