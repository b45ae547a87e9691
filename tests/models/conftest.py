"""How steps are compiled in these tests."""

import pytest

from gm_keras import backend, registry


@pytest.fixture(autouse=True)
def _plain_steps(request, monkeypatch):
    """Without XLA under TensorFlow on a CPU, which takes most of the time that tests of small models last.

    As users have them, steps are compiled in tests marked `fused`, in the comparison of backends and in the pipeline's.
    """
    if backend.name == "tensorflow" and "fused" not in request.keywords:
        for name in registry.names():
            monkeypatch.setattr(registry.get(name), "fused_positions", 0)


@pytest.fixture(autouse=True)
def _quickly_compiled(request, monkeypatch):
    """In tests marked `quickly_compiled` LLVM is to spare itself the work on JAX's machine code: two thirds of the time.

    What XLA does before that stays.
    """
    if backend.name == "jax" and "quickly_compiled" in request.keywords:
        from gm_keras.backend import jax as seam

        options = {**seam.compiler_options(), "xla_backend_optimization_level": 0}
        monkeypatch.setattr(seam, "compiler_options", lambda: options)
