"""Contenders in processes of their own, timed in turns: the only comparison that a shared machine allows."""

import json
import os
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
#: Where hand-written PyTorch and the peer libraries live; `make bench` makes it.
PEERS = Path(os.environ.get("BENCHMARK_PEERS", ROOT / ".venv-peers" / "bin" / "python"))
OURS = Path(os.environ.get("BENCHMARK_OURS", ROOT / ".venv" / "bin" / "python"))
#: What must be the same of all that train: trained parameters, and the updates and examples of a step.
SAME_TRAINING = ("parameters", "updates", "examples")


class BenchmarkError(RuntimeError):
    """A comparison that cannot be made, or is not fair."""


@dataclass(frozen=True)
class Contender:
    """Who takes part.

    Attributes:
        target: `module:Class`; the class has `run(amount)`, which returns when all is done, and `facts()`.
        arguments: Of the class; plain data.
        backend: Of Keras; None for what is not ours.
        peers: Runs in the peers' environment.
        environment: Further variables.
        yardstick: Takes its turns to show what the machine does meanwhile, and need not be equal to the others.
    """

    target: str
    arguments: dict[str, Any]
    backend: str | None = None
    peers: bool = False
    environment: dict[str, str] = field(default_factory=dict)
    yardstick: bool = False


@dataclass
class Result:
    """What was measured of a contender.

    Attributes:
        seconds: For one unit of work, in each round.
        start: Seconds from the start of the process's work to the first unit done, compiling included.
        facts: What the contender says of itself at the end.
    """

    seconds: list[float]
    start: float
    facts: dict[str, Any]


class _Worker:
    def __init__(self, contender: Contender):
        if contender.peers and not PEERS.exists():
            raise BenchmarkError(f"the peers' environment is missing ({PEERS}): make bench-peers")
        environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", **contender.environment}
        if contender.backend:
            environment["KERAS_BACKEND"] = contender.backend
            # As the pipeline does (pipelines/running/stages.py).
            environment.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
        self.name = contender.target
        self.process = subprocess.Popen(
            [PEERS if contender.peers else OURS, "-m", "benchmarks.worker", contender.target],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.done = 0
        self.start = self._ask(contender.arguments)["seconds"]

    def run(self, amount: int) -> float:
        """Seconds for so many units."""
        self.done += amount
        return self._ask({"run": amount})["seconds"]

    def facts(self) -> dict[str, Any]:
        """What the contender says of itself."""
        facts = self._ask({"facts": True})
        if facts.get("done", self.done) != self.done:
            raise BenchmarkError(
                f"{self.name} was asked for {self.done} units and did {facts['done']}"
            )
        return facts

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            self.process.stdin.write(json.dumps(request) + "\n")
            self.process.stdin.flush()
            answer = self.process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise BenchmarkError(f"{self.name} ended; what it printed is above")
        return json.loads(answer)

    def close(self) -> None:
        self.process.stdin.close()
        try:
            code = self.process.wait(timeout=60)
        except subprocess.TimeoutExpired as error:
            raise BenchmarkError(f"{self.name} did not end within a minute") from error
        if code != 0:
            raise BenchmarkError(f"{self.name} ended with code {code}")


def race(
    contenders: Mapping[str, Contender],
    *,
    rounds: int = 7,
    seconds: float = 1.5,
    most: int = 4096,
    equal: tuple[str, ...] = ("parameters",),
    together: bool = False,
) -> dict[str, Result]:
    """Times contenders in turns, each for about so many seconds a round, after all are warm.

    A turn begins with one unit that is not timed.

    Args:
        contenders: By name; the first is ours.
        rounds: How many; each begins with another contender.
        seconds: That one contender takes in a round.
        most: Units in one round.
        equal: Facts that must be the same of all.

    Raises:
        BenchmarkError: If a contender fails, did another amount of work than it was asked for, or differs in
            what must be equal.
    """
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(len(contenders) if together else 1))

        def begun(contender: Contender) -> tuple[_Worker, float]:
            worker = _Worker(contender)
            stack.callback(worker.process.kill)
            return worker, worker.start + worker.run(1)

        begin = dict(zip(contenders, pool.map(begun, contenders.values()), strict=True))
        workers = {name: worker for name, (worker, _) in begin.items()}
        starts, amounts = {name: start for name, (_, start) in begin.items()}, {}
        for name, worker in workers.items():
            # Twice: the first time another amount may be compiled.
            for amount in (2, 16):
                amount = min(amount, most)
                once = worker.run(amount) / amount
                if once * 16 > 4 * seconds:
                    break
            amounts[name] = max(1, min(most, round(seconds / once)))
            worker.run(amounts[name])
        times: dict[str, list[float]] = {name: [] for name in workers}
        names = list(workers)
        for number in range(rounds):
            for name in names[number % len(names) :] + names[: number % len(names)]:
                # While it waited a virtual machine may have taken back what it had freed: to get that again
                # doubles a step of a large model, and is no part of a training that goes on.
                workers[name].run(1)
                times[name].append(workers[name].run(amounts[name]) / amounts[name])
        results = {
            name: Result(times[name], starts[name], worker.facts())
            for name, worker in workers.items()
        }
        for worker in workers.values():
            worker.close()
    for key in equal:
        found = {
            name: result.facts.get(key)
            for name, result in results.items()
            if not contenders[name].yardstick
        }
        if len(set(found.values())) > 1:
            raise BenchmarkError(f"not the same {key}: {found}")
    return results
