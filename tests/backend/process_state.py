"""What a process shares with all that runs in it, before gm_keras, after its import, and after a training.

    python -m tests.backend.process_state

prints it as JSON. In a process of its own, as the process of the tests has imported gm_keras already.
"""

import contextlib
import gc
import importlib
import json
import locale
import logging
import os
import random
import resource
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import threadpoolctl

from tests.backend.function_tables import Tables

#: What gm_keras imports of others at some time; what these change at their import is not its doing.
OTHERS = ("scipy.stats", "scipy.linalg", "sklearn.cluster", "PIL.Image", "ruamel.yaml", "numba")


class _Asked:
    """Calls of functions that change a process for a moment or for good, which only a record of them shows."""

    def __init__(self) -> None:
        self.names: list[str] = []
        for module, name in (
            (os, "sched_setaffinity"),
            (os, "setpriority"),
            (os, "putenv"),
            (os, "unsetenv"),
            # Under TensorFlow a training lets Ctrl-C wait for the end of a step (backend/interrupts.py).
            *([] if keras.backend.backend() == "tensorflow" else [(signal, "signal")]),
        ):
            setattr(module, name, self._recorded(name, getattr(module, name)))

    def _recorded(self, name: str, function: Callable) -> Callable:
        def call(*arguments: Any) -> Any:
            # What another library does at its import or in its own time is not ours.
            frame, ours = sys._getframe(1), False
            while frame and not ours:
                ours = frame.f_globals.get("__name__", "").startswith("gm_keras")
                frame = frame.f_back
            if ours:
                self.names.append(name)
            return function(*arguments)

        return call


def _status(*names: str) -> dict[str, str]:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return {line.split(":")[0]: line.split(":")[1] for line in lines if line.startswith(names)}


def _affinities() -> list[list[int]]:
    """Where the threads of this process may run; each other set of processors once."""
    found = set()
    for thread in Path("/proc/self/task").iterdir():
        try:
            found.add(tuple(sorted(os.sched_getaffinity(int(thread.name)))))
        except ProcessLookupError:
            continue
    return sorted(map(list, found))


def _threads(known: set[str]) -> dict[str, int]:
    return {
        each["filepath"]: each["num_threads"]
        for each in threadpoolctl.threadpool_info()
        if each["filepath"] in known
    }


def _of_backend() -> dict[str, Any]:
    if keras.backend.backend() == "jax":
        import jax

        return {name: repr(value) for name, value in sorted(jax.config.values.items())}
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return {
            "threads": [
                tf.config.threading.get_inter_op_parallelism_threads(),
                tf.config.threading.get_intra_op_parallelism_threads(),
            ],
            "deterministic": tf.config.experimental.is_op_determinism_enabled()
            if hasattr(tf.config.experimental, "is_op_determinism_enabled")
            else None,
            "jit": tf.config.optimizer.get_jit(),
            "placement": tf.config.get_soft_device_placement(),
            "eager": tf.config.functions_run_eagerly(),
        }
    return {}


def state(known: set[str], asked: _Asked) -> dict[str, Any]:
    """All of it, as plain data."""
    return {
        "affinity": _affinities(),
        "backend": _of_backend(),
        "calls": list(asked.names),
        "environment": dict(os.environ),
        "floating_point": [np.geterr(), np.get_printoptions()],
        "hooks": [repr(hook) for hook in (sys.excepthook, threading.excepthook, sys.gettrace())],
        "interpreter": [
            sys.path,
            sys.getrecursionlimit(),
            gc.get_threshold(),
            gc.isenabled(),
            str(Path.cwd()),
        ],
        "keras": {
            name: repr(getattr(keras.config, name)())
            for name in ("floatx", "epsilon", "image_data_format", "backend")
        }
        | {"policy": keras.config.dtype_policy().name},
        "limits": [list(resource.getrlimit(getattr(resource, name))) for name in _LIMITS],
        "locale": locale.setlocale(locale.LC_ALL),
        "logging": [logging.root.level, logging.root.manager.disable, repr(logging.root.handlers)],
        "random": [hash(random.getstate()), str(np.random.get_state()[1:])],
        "signals": {str(each): repr(signal.getsignal(each)) for each in signal.valid_signals()}
        | _status("SigBlk", "SigIgn", "SigCgt"),
        "threads": _threads(known),
        "warnings": [repr(each) for each in warnings.filters],
    }


_LIMITS = [name for name in dir(resource) if name.startswith("RLIMIT_")]


@contextlib.contextmanager
def _compiled_code_kept() -> Iterator[None]:
    """Within this context JAX takes what other tests compiled; gm_keras is seen without."""
    folder = os.environ.get("GM_KERAS_TESTS_CACHE")
    if keras.backend.backend() != "jax" or not folder:
        yield
        return
    import jax

    jax.config.update("jax_compilation_cache_dir", folder)
    yield
    jax.config.update("jax_compilation_cache_dir", None)


def train() -> None:
    """A few steps of a small model, and what native kernels there are."""
    from gm_keras import backend
    from gm_keras.ops.projection import project
    from tests import systems

    model = systems.build("vae")
    batch = systems.batch(model)
    model.fit(batch, batch_size=systems.BATCH, epochs=1, verbose=0)
    model.sample(2)
    square = np.ones((512, 512), "float32")
    backend.compile_function(lambda x: project(x, x), [])(square)


def main() -> None:
    """Prints the states, and what is wrong with the tables of functions."""
    if keras.backend.backend() == "tensorflow":
        importlib.import_module("tensorflow")
    for name in OTHERS:
        importlib.import_module(name)
    asked = _Asked()
    known = {each["filepath"] for each in threadpoolctl.threadpool_info()}
    tables = Tables()
    states = {"before": state(known, asked)}
    importlib.import_module("gm_keras")
    states["imported"] = state(known, asked)
    moved = {"imported": tables.changes()}
    with _compiled_code_kept():
        train()
    states["trained"] = state(known, asked)
    moved["trained"] = tables.changes()
    print(json.dumps({"states": states, "moved": moved, "libraries": tables.libraries}))


if __name__ == "__main__":
    main()
