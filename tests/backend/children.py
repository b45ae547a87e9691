"""Programs in processes of their own that have JAX and Keras already: importing these takes most of the time."""

import os
import subprocess
import sys

_PROGRAM = """
import os, sys, warnings
import jax, jax.ffi, jax.extend.random, keras, numpy
warnings.simplefilter("ignore")
for source in sys.argv[1:]:
    child = os.fork()
    if not child:
        exec(source, {"__name__": "__main__"})
        sys.stdout.flush()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, source
    print("\\f", end="", flush=True)
"""


def run(*sources: str) -> list[str]:
    """Runs programs under JAX one after another, each as a child of a process that has imported it.

    Returns:
        What each of them printed.
    """
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, *sources],
        capture_output=True,
        text=True,
        env={**os.environ, "KERAS_BACKEND": "jax"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\f")[:-1]
