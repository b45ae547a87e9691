"""An update of a variable waits for what reads the old value (see `gm_keras/backend/tensorflow.py`)."""

import keras
import pytest

from gm_keras import backend
from tests.systems import batch, build

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="TensorFlow's graphs"),
]


def _bilinear_step():
    """A compiled step of the smallest loss whose gradients do not depend on the weights that they are of."""
    import tensorflow as tf

    weights = [keras.Variable(2.0), keras.Variable(3.0)]
    optimizer = keras.optimizers.SGD(1.0)
    optimizer.build(weights)

    @tf.function
    def step():
        loss, gradients = backend.value_and_grad(lambda: weights[0] * weights[1], weights, [])
        optimizer.apply(gradients, weights)
        return loss

    return step, weights


def test_gradients_are_those_of_the_old_weights():
    for _ in range(5):
        step, weights = _bilinear_step()
        assert (float(step()), *map(float, weights)) == (6.0, -1.0, 1.0)


def test_the_executed_graph_keeps_the_order():
    from tests.backend.graph_order import executed_graphs, unordered

    step, _ = _bilinear_step()
    graphs = executed_graphs(step)
    assert any(node.op == "AssignSubVariableOp" for graph in graphs for node in graph.node)
    assert [pair for graph in graphs for pair in unordered(graph)] == []


def test_the_executed_graph_of_a_critic_keeps_the_order():
    from tests.backend.graph_order import executed_graphs, unordered

    model = build("progressive_gan")
    graphs = executed_graphs(lambda: model.train_on_batch(batch(model)))
    assert any(node.op == "AssignSubVariableOp" for graph in graphs for node in graph.node)
    assert [pair for graph in graphs for pair in unordered(graph)] == []


def test_a_missing_order_is_found():
    import tensorflow as tf

    from tests.backend.graph_order import unordered

    with tf.Graph().as_default() as graph:
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=())
        read = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32, name="read")
        tf.raw_ops.AssignAddVariableOp(resource=handle, value=1.0, name="update")
        assert unordered(graph.as_graph_def()) == [("read", "update")]
    with tf.Graph().as_default() as graph:
        handle = tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=())
        read = tf.raw_ops.ReadVariableOp(resource=handle, dtype=tf.float32, name="read")
        tf.raw_ops.AssignAddVariableOp(resource=handle, value=read + 1.0, name="update")
        assert unordered(graph.as_graph_def()) == []
