"""Reads a PyTorch checkpoint without PyTorch, and without running what a pickle may ask for.

`torch.save` has written two formats. Both are a pickled dictionary of tensors in which the numbers stand
elsewhere: since PyTorch 1.6 in files of their own in a zip archive, before that one after the other behind
the pickle.
"""

import math
import os
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np

from gm_keras.telling import with_kind

# What begins and what follows in a file of the older format.
MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001

DTYPES = {
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "HalfStorage": np.dtype("<f2"),
    "LongStorage": np.dtype("<i8"),
}


class CheckpointError(ValueError):
    """A file that is not a whole checkpoint of tensors; says why."""


class Storage(NamedTuple):
    """Numbers that stand outside the pickle."""

    key: str
    dtype: np.dtype
    size: int


class Tensor(NamedTuple):
    """A view of a storage; offset and strides are counted in numbers, not in bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class TensorUnpickler(pickle.Unpickler):
    """Knows the few names that a dictionary of tensors needs, and refuses every other.

    Attributes:
        storages: Those that were met so far, by key.
    """

    def __init__(self, file: IO[bytes]) -> None:
        super().__init__(file)
        self.storages: dict[str, Storage] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        # New functions each time: a pickle can set attributes of what it is given.
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, strides, *rest: Tensor(
                storage, offset, shape, strides
            )
        if (module, name) == ("torch._utils", "_rebuild_parameter"):
            return lambda tensor, *rest: tensor
        raise CheckpointError(f"it asks for {module}.{name}, which no tensor needs")

    def persistent_load(self, pid: Any) -> Storage:
        kind, dtype, key, _device, size, *view = pid
        if kind != "storage" or any(part is not None for part in view):
            raise CheckpointError("it holds something else than tensors")
        return self.storages.setdefault(key, Storage(key, dtype, size))


def read_checkpoint(path: Path) -> dict[str, np.ndarray]:
    """Reads the tensors of a checkpoint.

    Args:
        path: A file that `torch.save` wrote from the `state_dict` of a module.

    Returns:
        The tensors by name, in the file's order.

    Raises:
        CheckpointError: If the file is damaged, holds something else than tensors, or asks for code to be run.
    """
    try:
        read = _read_zip if zipfile.is_zipfile(path) else _read_older
        return read(path)
    except CheckpointError:
        raise
    # Bytes that are no checkpoint can fail in a pickle in any way.
    except Exception as error:
        raise CheckpointError(
            f"it is damaged, or no checkpoint of PyTorch ({with_kind(error)})"
        ) from None


def _read_zip(path: Path) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(path) as archive:
        pickles = [name for name in archive.namelist() if name.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise CheckpointError("it is a zip archive, but no checkpoint of PyTorch")
        # Stored as they are, the files are no larger than the archive, whatever they claim.
        if any(each.compress_type != zipfile.ZIP_STORED for each in archive.infolist()):
            raise CheckpointError("it is compressed, which PyTorch never does")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in archive.namelist():
            _require_little_endian(archive.read(f"{folder}byteorder") == b"little")
        with archive.open(pickles[0]) as file:
            state = TensorUnpickler(file).load()
        return _arrays(state, lambda storage: archive.read(f"{folder}data/{storage.key}"))


def _read_older(path: Path) -> dict[str, np.ndarray]:
    with path.open("rb") as file:
        if TensorUnpickler(file).load() != MAGIC or TensorUnpickler(file).load() != PROTOCOL:
            raise CheckpointError("it is no checkpoint of PyTorch")
        _require_little_endian(TensorUnpickler(file).load()["little_endian"])
        unpickler = TensorUnpickler(file)
        state = unpickler.load()
        numbers = {}
        for key in TensorUnpickler(file).load():
            storage = unpickler.storages[key]
            (size,) = struct.unpack("<q", file.read(8))
            left = os.fstat(file.fileno()).st_size - file.tell()
            if size != storage.size or not 0 <= size * storage.dtype.itemsize <= left:
                raise CheckpointError("it is cut short")
            numbers[key] = file.read(size * storage.dtype.itemsize)
        return _arrays(state, lambda storage: numbers[storage.key])


def _require_little_endian(little: bool) -> None:
    if not little:
        raise CheckpointError("it was written on a big-endian machine")


def _arrays(state: Any, read: Callable[[Storage], bytes]) -> dict[str, np.ndarray]:
    tensors = isinstance(state, dict) and all(isinstance(each, Tensor) for each in state.values())
    if not tensors or not all(isinstance(name, str) for name in state):
        raise CheckpointError("it holds something else than a dictionary of tensors")
    return {name: _array(tensor, read(tensor.storage)) for name, tensor in state.items()}


def _array(tensor: Tensor, numbers: bytes) -> np.ndarray:
    storage, offset, shape, strides = tensor
    flat = np.frombuffer(numbers, storage.dtype)
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True))
    sound = min(offset, *shape, *strides, 0) == 0 and last < len(flat) == storage.size
    # A view with a stride of zero could stand for any number of elements.
    if not sound or math.prod(shape) > len(flat):
        raise CheckpointError("a tensor reaches beyond its numbers")
    view = np.lib.stride_tricks.as_strided(
        flat[offset:], shape, [stride * flat.itemsize for stride in strides], writeable=False
    )
    return view.copy()
