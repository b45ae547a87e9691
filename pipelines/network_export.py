"""Networks as `.keras`, SavedModel and ONNX, and whether ONNX computes what Keras does."""

import json
import math
import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipelines.errors import UserError

# Single precision, sums in another order: a fraction of the largest output, at least so much.
ABSOLUTE_LIMIT = 1e-3
RELATIVE_LIMIT = 1e-4
CHECKED_BATCHES = (3, 5)
# The earliest date that a zip archive can have.
FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def save_keras(model: keras.Model, path: Path) -> None:
    """Writes a `.keras` file without dates in it: the same model is the same bytes.

    Args:
        model: Any model; an optimizer is saved only if it is compiled.
        path: The file.
    """
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in sorted(archive.namelist())}
    metadata = json.loads(members["metadata.json"])
    metadata["date_saved"] = "1980-01-01@00:00:00"
    members["metadata.json"] = json.dumps(metadata).encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, FIXED_DATE), content)


def export_network(name: str, network: keras.Model, folder: Path) -> dict[str, Any]:
    """Writes `<name>.keras`, the SavedModel `<name>/` and `<name>.onnx`.

    Args:
        name: Of the network.
        network: A functional model; the first dimension of its inputs is the batch.
        folder: An existing folder.

    Returns:
        What `export.json` says of it: inputs, outputs, and how well ONNX agrees.

    Raises:
        UserError: A format cannot express the network, or ONNX computes something else.
    """
    save_keras(network, folder / f"{name}.keras")
    for format_name, target in (("tf_saved_model", name), ("onnx", f"{name}.onnx")):
        if format_name == "onnx" and keras.backend.backend() == "tensorflow":
            _teach_tf2onnx()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                network.export(folder / target, format=format_name, verbose=False)
        except Exception as error:  # converters raise anything for what they do not know
            reason = " ".join(str(error).split())[:200]
            raise UserError(
                f'network "{name}" cannot be exported as {format_name}: {reason}'
            ) from None
    outputs = output_names(network)
    opset = _name_onnx(folder / f"{name}.onnx", outputs)
    return {
        "inputs": [_describe(tensor.name, tensor) for tensor in network.inputs],
        "outputs": [_describe(*pair) for pair in zip(outputs, network.outputs, strict=True)],
        "onnx_opset": opset,
        "onnx_differs_less_than": check_onnx(network, folder / f"{name}.onnx"),
    }


def output_names(network: keras.Model) -> list[str]:
    """The outputs' names: their keys in a dictionary, otherwise `output_0` and so on as in SavedModel."""
    structure = network.output
    if isinstance(structure, dict):
        return list(keras.tree.flatten({key: key for key in structure}))
    return [f"output_{index}" for index in range(len(network.outputs))]


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


def _describe(name: str, tensor: keras.KerasTensor) -> dict[str, Any]:
    return {"name": name, "shape": list(tensor.shape), "dtype": tensor.dtype}


def _name_onnx(path: Path, outputs: list[str]) -> int:
    """Gives an ONNX file names that people can use; converters number them. Returns its opset."""
    import onnx

    model = onnx.load(path)
    graph = model.graph
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


def _teach_tf2onnx() -> None:
    """Tells tf2onnx of `Erfc`, which an exact GELU is made of: 1 - erf(x)."""
    import logging

    import numpy
    from tf2onnx.handler import tf_op

    logging.getLogger("tf2onnx").setLevel(logging.ERROR)

    @tf_op("Erfc")
    class Erfc:
        @classmethod
        def version_9(cls, ctx, node, **_):
            dtype, shape = ctx.get_dtype(node.output[0]), ctx.get_shape(node.output[0])
            source, target = node.input[0], node.output[0]
            ctx.remove_node(node.name)
            erf = ctx.make_node("Erf", [source])
            one = ctx.make_const(f"{node.name}_one", numpy.ones((), "float32"))
            ctx.make_node(
                "Sub",
                [one.output[0], erf.output[0]],
                name=node.name,
                outputs=[target],
                dtypes=[dtype],
                shapes=[shape],
            )
