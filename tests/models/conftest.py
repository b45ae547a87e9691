"""How steps are compiled in these tests."""

import pytest

from gm_keras import backend, registry


@pytest.fixture(autouse=True)
def _plain_steps(request, monkeypatch):
    """Spares TensorFlow on a CPU what takes most of the time that tests of small models last: XLA, and its own optimizer of graphs.

    As users have them, steps are compiled in tests marked `fused` and in the pipeline's.
    """
    if backend.name != "tensorflow" or "fused" in request.keywords:
        yield
        return
    import tensorflow as tf

    for name in registry.names():
        monkeypatch.setattr(registry.get(name), "fused_positions", 0)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": False})
