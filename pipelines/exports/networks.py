"""Networks as `.keras`, SavedModel and ONNX."""

import json
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np

from pipelines.exports.onnx_files import check_onnx, finish_onnx, teach_tf2onnx
from pipelines.shared.errors import UserError

# The earliest date that a zip archive can have.
FIXED_DATE = (1980, 1, 1, 0, 0, 0)


def save_keras(model: keras.Model, path: Path) -> None:
    """Writes a `.keras` file without dates and addresses in it: the same model is the same bytes.

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
    members["config.json"] = _without_addresses(members["config.json"])
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, FIXED_DATE), content)


def _without_addresses(config: bytes) -> bytes:
    """Numbers the objects that a configuration shares in their order, instead of by their place in memory."""
    numbers: dict[bytes, int] = {}
    return re.sub(
        rb'("shared_object_id": )(\d+)',
        lambda match: match[1] + str(numbers.setdefault(match[2], len(numbers))).encode(),
        config,
    )


def export_network(name: str, network: keras.Model, folder: Path) -> dict[str, Any]:
    """Writes `<name>.keras`, the SavedModel `<name>/` and `<name>.onnx`; on TensorFlow only.

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
    onnx_path = folder / f"{name}.onnx"
    outputs = output_names(network)
    try:
        constants = _convert(network, folder / name, onnx_path)
        opset = finish_onnx(onnx_path, outputs, constants)
    except Exception as error:  # converters raise anything for what they do not know
        reason = " ".join(str(error).split())[:200]
        raise UserError(f'network "{name}" cannot be exported: {reason}') from None
    return {
        "inputs": [_describe(tensor.name, tensor) for tensor in network.inputs],
        "outputs": [_describe(*pair) for pair in zip(outputs, network.outputs, strict=True)],
        "onnx_opset": opset,
        "onnx_differs_less_than": check_onnx(network, onnx_path),
    }


def _convert(network: keras.Model, saved_model: Path, onnx_path: Path) -> dict[str, np.ndarray]:
    """Traces the network once and writes both formats; returns constants that ONNX takes as inputs.

    `network.export` would give the same files in twice the time (measured on a flow: 15 seconds instead
    of 29), as it traces every network within the network, for each format anew.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import tf2onnx

        teach_tf2onnx()
        archive = keras.export.ExportArchive()
        signature = keras.tree.map_structure(
            lambda tensor: keras.InputSpec(
                shape=tensor.shape, dtype=tensor.dtype, name=tensor.name
            ),
            network.input,
        )
        # An argument named like an input of the network would take its name in the files.
        serve = archive.add_endpoint(
            "serve",
            lambda all_inputs: network(all_inputs, training=False),
            input_signature=[signature],
        )
        archive.write_out(str(saved_model), verbose=False)
        tf2onnx.convert.from_function(serve, serve.input_signature, output_path=str(onnx_path))
        # Such as the result of `ops.arange` between the layers of a functional model.
        traced = serve.get_concrete_function()
        held = zip(reversed(traced.inputs), reversed(traced.captured_inputs), strict=False)
        return {
            tensor.name: value.numpy() for tensor, value in held if tensor.dtype.name != "resource"
        }


def output_names(network: keras.Model) -> list[str]:
    """The outputs' names: their keys in a dictionary, otherwise `output_0` and so on as in SavedModel."""
    structure = network.output
    if isinstance(structure, dict):
        return list(keras.tree.flatten({key: key for key in structure}))
    return [f"output_{index}" for index in range(len(network.outputs))]


def _describe(name: str, tensor: keras.KerasTensor) -> dict[str, Any]:
    return {"name": name, "shape": list(tensor.shape), "dtype": tensor.dtype}
