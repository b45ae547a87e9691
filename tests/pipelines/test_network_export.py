"""Networks of every kind as SavedModel and ONNX. The stage runs on TensorFlow, and so do these."""

import keras
import numpy as np
import pytest
from keras import layers

from pipelines.exports.networks import export_network
from pipelines.exports.onnx_files import check_onnx
from pipelines.shared.errors import UserError

pytestmark = [
    pytest.mark.backend,
    pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports on TensorFlow"),
]


def _convolutional():
    inputs = keras.Input((8, 8, 1), name="inputs")
    hidden = layers.Conv2D(4, 3, strides=2, padding="same")(inputs)
    hidden = layers.LeakyReLU()(layers.BatchNormalization()(hidden))
    hidden = layers.GroupNormalization(2)(layers.UpSampling2D()(hidden))
    return keras.Model(inputs, layers.Conv2DTranspose(1, 4, 2, padding="same")(hidden))


def _transformer():
    tokens = keras.Input((6,), dtype="int32", name="tokens")
    hidden = layers.Embedding(5, 8)(tokens)
    hidden = layers.LayerNormalization()(layers.MultiHeadAttention(2, 4)(hidden, hidden))
    return keras.Model(tokens, layers.Dense(3)(layers.Activation("gelu")(hidden)))


def _dictionaries():
    latents = keras.Input((4,), name="latents")
    label = keras.Input((), dtype="int32", name="label")
    hidden = layers.Concatenate()([latents, layers.Embedding(3, 4)(label)])
    outputs = {"scale": layers.Dense(2, "softplus")(hidden), "mean": layers.Dense(1)(hidden)}
    return keras.Model({"latents": latents, "label": label}, outputs)


def _time():
    image = keras.Input((4, 4, 1), name="image")
    time = keras.Input((), name="time")
    angles = keras.ops.expand_dims(time, -1) * keras.ops.arange(4, dtype="float32")
    shift = layers.Reshape((1, 1, 4))(layers.Dense(4, "silu")(keras.ops.sin(angles)))
    return keras.Model([image, time], layers.Conv2D(4, 3, padding="same")(image) + shift)


@pytest.mark.parametrize("build", [_convolutional, _transformer, _dictionaries, _time])
def test_both_formats_compute_what_keras_does(tmp_path, build):
    network = build()
    described = export_network("network", network, tmp_path)
    # `export_network` has compared ONNX with Keras, for two sizes of batch.
    assert described["onnx_differs_less_than"] <= 1e-4
    assert [item["name"] for item in described["inputs"]] == [item.name for item in network.inputs]

    served = keras.layers.TFSMLayer(tmp_path / "network", call_endpoint="serve")
    random = np.random.default_rng(0)
    inputs = [
        random.integers(0, 3, (7, *item.shape[1:])).astype(item.dtype) for item in network.inputs
    ]
    inputs = keras.tree.pack_sequence_as(network.input, inputs)
    ours, theirs = keras.tree.flatten(network(inputs)), keras.tree.flatten(served(inputs))
    for expected, computed in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(computed, expected, atol=1e-5)


def test_outputs_keep_their_names(tmp_path):
    described = export_network("network", _dictionaries(), tmp_path)
    assert [(item["name"], item["shape"]) for item in described["outputs"]] == [
        ("mean", [None, 1]),
        ("scale", [None, 2]),
    ]


def test_an_operation_without_a_counterpart_is_one_line(tmp_path):
    inputs = keras.Input((4,))
    network = keras.Model(inputs, keras.ops.argmin(inputs, axis=-1))
    with pytest.raises(UserError, match='network "nearest" cannot be exported') as told:
        export_network("nearest", network, tmp_path)
    assert "\n" not in str(told.value)


def test_a_file_of_another_network_is_noticed(tmp_path):
    network = _convolutional()
    export_network("network", network, tmp_path)
    network.set_weights([weights + 0.1 for weights in network.get_weights()])
    with pytest.raises(UserError, match="computes something else than Keras"):
        check_onnx(network, tmp_path / "network.onnx")
