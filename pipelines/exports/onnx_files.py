"""ONNX files: their names, and whether they compute what Keras does."""

import logging
import math
from pathlib import Path

import keras
import numpy as np

from pipelines.shared.errors import UserError

# Single precision, sums in another order: a fraction of the largest output, at least so much.
ABSOLUTE_LIMIT = 1e-3
RELATIVE_LIMIT = 1e-4
CHECKED_BATCHES = (3, 5)


def check_onnx(network: keras.Model, path: Path) -> float:
    """Compares an ONNX file with its network on random inputs, for two sizes of batch.

    Args:
        network: The network.
        path: The ONNX file.

    Returns:
        A power of ten that no difference reaches.

    Raises:
        UserError: They differ by more than single precision explains.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has a dozen kinds
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"onnxruntime cannot read {path.name}: {reason}") from None
    largest = 0.0
    for size in CHECKED_BATCHES:
        inputs = _random_inputs(network, size)
        got = session.run(None, {t.name: v for t, v in zip(network.inputs, inputs, strict=True)})
        expected = keras.tree.flatten(
            network(keras.tree.pack_sequence_as(network.input, inputs), training=False)
        )
        for ours, theirs in zip(expected, got, strict=True):
            ours = keras.ops.convert_to_numpy(ours).astype("float64")
            difference = float(np.max(np.abs(ours - theirs), initial=0.0))
            limit = max(ABSOLUTE_LIMIT, RELATIVE_LIMIT * float(np.max(np.abs(ours), initial=0.0)))
            if not difference <= limit:
                raise UserError(
                    f"{path.name} computes something else than Keras: they differ by "
                    f"{difference:.1e}, expected at most {limit:.1e}; the training may have gone wrong"
                )
            largest = max(largest, difference)
    # Of the order only: the last digits change with the number of threads.
    return 10.0 ** max(-9, math.ceil(math.log10(largest + 1e-12)))


def _random_inputs(network: keras.Model, size: int) -> list[np.ndarray]:
    random = np.random.default_rng(size)
    values = []
    for tensor in network.inputs:
        shape = (size, *tensor.shape[1:])
        if keras.backend.is_float_dtype(tensor.dtype):
            values.append(random.normal(size=shape).astype(tensor.dtype))
        else:  # labels and times: 0 and 1 are in every range
            values.append(random.integers(0, 2, shape).astype(tensor.dtype))
    return values


def finish_onnx(path: Path, outputs: list[str], constants: dict[str, np.ndarray]) -> int:
    """Gives an ONNX file names that people can use, as converters number them, and its constants.

    Args:
        path: The file; it is written anew.
        outputs: The names of its outputs, in order.
        constants: Values for inputs that are none, by their names.

    Returns:
        The version of ONNX' set of operations that the file needs.
    """
    import onnx

    model = onnx.load(path)
    graph = model.graph
    for value in list(graph.input):
        if value.name in constants:
            array = np.asarray(constants[value.name])
            graph.initializer.append(onnx.numpy_helper.from_array(array, value.name))
            graph.input.remove(value)
    renamed = {value.name: new for value, new in zip(graph.output, outputs, strict=True)}
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                names[index] = renamed.get(name, name)
    for value in (*graph.output, *graph.value_info):
        value.name = renamed.get(value.name, value.name)
    for value in (*graph.input, *graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "batch"
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return next(item.version for item in model.opset_import if item.domain in ("", "ai.onnx"))


def teach_tf2onnx() -> None:
    """Tells tf2onnx of `Erfc`, which an exact GELU is made of: 1 - erf(x)."""
    from tf2onnx.handler import tf_op

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)  # what it says is said by the check

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, ctx, node, **_):
            dtype, shape = ctx.get_dtype(node.output[0]), ctx.get_shape(node.output[0])
            source, target = node.input[0], node.output[0]
            ctx.remove_node(node.name)
            erf = ctx.make_node("Erf", [source])
            one = ctx.make_const(f"{node.name}_one", np.ones((), "float32"))
            ctx.make_node(
                "Sub",
                [one.output[0], erf.output[0]],
                name=node.name,
                outputs=[target],
                dtypes=[dtype],
                shapes=[shape],
            )
