"""How long a user waits before anything happens: imports, commands, and the first step of a training."""

import json
import statistics
import tempfile
from functools import partial
from typing import Any

from benchmarks import cases, rows
from benchmarks.options import Options
from benchmarks.processes import Command, alternate
from benchmarks.processes import run as run_command
from benchmarks.race import OURS, PEERS, BenchmarkError, Result

BACKENDS = ("jax", "tensorflow")
#: Most milliseconds that `gm-keras --help` may take.
LIMIT = 500.0
#: Fresh processes of each kind for a first step, which may take half a minute.
ROUNDS = 3
#: What gm_keras sets for the cache in the user's folder.
CACHE = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2"}


def run(options: Options) -> None:
    """Rows for `import`, `commands`, and the first step of each system."""
    systems = ["vae"] if options.toy else cases.SYSTEMS
    parts = {"import": _imports, "commands": _commands}
    parts |= {name: partial(_first_steps, name=name) for name in systems}
    for name in options.chosen(parts):
        with options.attempt(name):
            for row in parts[name](options):
                options.tell(row)


def _imports(options: Options) -> list[rows.Row]:
    found = []
    for backend in BACKENDS:
        commands = {
            module: Command(("python", "-c", f"import {module}"), {"KERAS_BACKEND": backend})
            for module in ("gm_keras", "keras")
        }
        results = alternate(commands, options.rounds)
        found.append(
            rows.compared(
                "startup",
                f"import gm_keras {backend}",
                "import keras",
                results["gm_keras"],
                results["keras"],
            )
        )
    return found


def _commands(options: Options) -> list[rows.Row]:
    results = alternate(
        {
            "gm-keras --help": Command(("gm-keras", "--help")),
            "gm-keras list": Command(("gm-keras", "list")),
            "python": Command(("python", "-c", "pass")),
        },
        options.rounds,
    )
    bound = results.pop("python")
    return [
        rows.compared(
            "startup",
            name,
            "python -c pass",
            result,
            bound,
            **{"limit": LIMIT} if name.endswith("--help") else {},
        )
        for name, result in results.items()
    ]


def _first_steps(options: Options, name: str) -> list[rows.Row]:
    case = cases.case(name)
    ours, theirs = (
        "benchmarks.ours.training:Training",
        f"benchmarks.peers.{case['system']}:Training",
    )
    if not PEERS.exists():
        raise BenchmarkError(f"the peers' environment is missing ({PEERS}): make bench-peers")
    times: dict[str, list[dict[str, float]]] = {
        key: [] for key in ("jax, no cache", "jax, cache", "tensorflow", "pytorch")
    }
    for _ in range(1 if options.toy else ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            environment = {"KERAS_BACKEND": "jax", "JAX_COMPILATION_CACHE_DIR": folder, **CACHE}
            times["jax, no cache"].append(_first_step(ours, case, environment))
            times["jax, cache"].append(_first_step(ours, case, environment))
        times["tensorflow"].append(_first_step(ours, case, {"KERAS_BACKEND": "tensorflow"}))
        times["pytorch"].append(_first_step(theirs, case, {}, str(PEERS)))
    results = {
        key: Result([time["first"] for time in each], each[0]["built"], {"peak_memory": None})
        for key, each in times.items()
    }
    peer = results.pop("pytorch")
    return [
        rows.compared(
            "startup",
            f"{name} first step {key}",
            "pytorch",
            result,
            peer,
            # Imports and the building of the model; what the first step takes more than the next ones.
            built_seconds=statistics.median(time["built"] for time in times[key]),
            compile_seconds=statistics.median(time["first"] - time["next"] for time in times[key]),
        )
        for key, result in results.items()
    ]


def _first_step(
    target: str, case: dict[str, Any], environment: dict[str, str], python: str = str(OURS)
) -> dict[str, float]:
    """Seconds of a fresh process until the model is built, of the first step, and of the second."""
    lines = [json.dumps({"case": case}), *[json.dumps({"run": 1})] * 2]
    command = Command(
        (python, "-m", "benchmarks.worker", target), environment, typed="\n".join(lines) + "\n"
    )
    answers = [json.loads(line)["seconds"] for line in run_command(command)[1].splitlines()]
    return dict(zip(("built", "first", "next"), answers, strict=True))
