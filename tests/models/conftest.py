"""How steps are compiled in these tests."""

import pytest

from gm_keras import backend, registry


@pytest.fixture(autouse=True)
def _plain_steps(request, monkeypatch):
    """Spares TensorFlow on a CPU what takes most of the time that tests of small models last: XLA, and its own optimizer of graphs.

    As users have them, steps are compiled in tests marked `fused`, in the comparison of backends and in the pipeline's.
    """
    if backend.name != "tensorflow":
        return
    import tensorflow as tf

    plain = "fused" not in request.keywords
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": plain})
    if plain:
        for name in registry.names():
            monkeypatch.setattr(registry.get(name), "fused_positions", 0)
