"""Commands in fresh processes, in turns: what a user waits for."""

import os
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.race import OURS, ROOT, BenchmarkError, Result

#: The end of what a command printed that an error shows.
SHOWN = 2000


@dataclass(frozen=True)
class Command:
    """What is started.

    Attributes:
        arguments: The program and what follows; looked for in the virtual environment first.
        environment: Further variables.
        folder: Where it runs.
        typed: What it reads from its standard input.
    """

    arguments: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = ROOT
    typed: str = ""


def run(command: Command) -> tuple[float, str]:
    """Seconds from start to end, and what was printed.

    Raises:
        BenchmarkError: If the command fails.
    """
    environment = {
        **os.environ,
        "PATH": f"{OURS.parent}{os.pathsep}{os.environ['PATH']}",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "DVC_NO_ANALYTICS": "1",
        **command.environment,
    }
    # What a benchmark itself set by importing something is none of the command's business.
    environment.pop("MLFLOW_TRACKING_URI", None)
    started = time.perf_counter()
    done = subprocess.run(
        command.arguments,
        cwd=command.folder,
        env=environment,
        input=command.typed,
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise BenchmarkError(
            f"{' '.join(command.arguments)} ended with code {done.returncode}:\n"
            f"{(done.stdout + done.stderr)[-SHOWN:]}"
        )
    return seconds, done.stdout


def alternate(commands: Mapping[str, Command], rounds: int) -> dict[str, Result]:
    """Times commands in turns, each in a fresh process; the first turn is not counted.

    Args:
        commands: By name.
        rounds: How many; each begins with another command.
    """
    starts = {name: run(command)[0] for name, command in commands.items()}
    times: dict[str, list[float]] = {name: [] for name in commands}
    names = list(commands)
    for number in range(rounds):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            times[name].append(run(commands[name])[0])
    return {
        name: Result(times[name], starts[name], {"peak_memory": None, "parameters": None})
        for name in names
    }
