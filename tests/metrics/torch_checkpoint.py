"""Writes PyTorch checkpoints without PyTorch, also such as PyTorch would never write."""

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

STORAGES = {"<f4": "FloatStorage", "<f8": "DoubleStorage", "<i8": "LongStorage"}


class Name:
    """A name that the pickle asks for, whether it exists here or not; called with `arguments` if there are any."""

    def __init__(self, module: str, name: str, *arguments: Any):
        self.module, self.name, self.arguments = module, name, arguments

    def __call__(self):
        raise NotImplementedError


class Numbers:
    """What a tensor is a view of."""

    def __init__(self, array: np.ndarray, key: str):
        self.array, self.key = array, key


class View:
    """A tensor as a view of numbers; offset and strides in elements."""

    def __init__(self, numbers: Numbers, offset: int, shape: tuple, strides: tuple):
        self.call = numbers, offset, shape, strides


class Parameter:
    """A tensor that was saved as a parameter."""

    def __init__(self, view: View):
        self.view = view


# The pickler written in Python: the one in C would look for the names.
class Writer(pickle._Pickler):
    def __init__(self, file: Any, older: bool):
        super().__init__(file, protocol=2)
        self.older, self.storages = older, OrderedDict()

    def save(self, obj: Any, save_persistent_id: bool = True) -> None:
        if isinstance(obj, Name) and not obj.arguments:
            self.write(pickle.GLOBAL + f"{obj.module}\n{obj.name}\n".encode())
        else:
            super().save(obj, save_persistent_id)

    def persistent_id(self, obj: Any) -> tuple | None:
        if not isinstance(obj, Numbers):
            return None
        self.storages[obj.key] = obj.array
        kind = Name("torch", STORAGES[obj.array.dtype.str])
        view = (None,) if self.older else ()
        return "storage", kind, obj.key, "cpu", obj.array.size, *view

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, View):
            return Name("torch._utils", "_rebuild_tensor_v2"), (*obj.call, False, OrderedDict())
        if isinstance(obj, Parameter):
            return Name("torch._utils", "_rebuild_parameter"), (obj.view, True, OrderedDict())
        if isinstance(obj, Name):
            return Name(obj.module, obj.name), obj.arguments
        return NotImplemented


def views(arrays: dict[str, np.ndarray]) -> OrderedDict:
    """Each array as a tensor with numbers of its own, with the attribute that a `state_dict` has."""
    state = OrderedDict()
    for key, (name, array) in enumerate(arrays.items()):
        strides = tuple(stride // array.itemsize for stride in array.strides)
        state[name] = View(Numbers(array.ravel(), str(key)), 0, array.shape, strides)
    state._metadata = OrderedDict(version=1)
    return state


def write_zip(path: Path, state: Any, byteorder: str = "little", **options: Any) -> None:
    """Writes the format of PyTorch 1.6 and later."""
    file = io.BytesIO()
    writer = Writer(file, older=False)
    writer.dump(state)
    with zipfile.ZipFile(path, "w", **options) as archive:
        archive.writestr("archive/data.pkl", file.getvalue())
        archive.writestr("archive/byteorder", byteorder)
        for key, array in writer.storages.items():
            archive.writestr(f"archive/data/{key}", array.tobytes())
        archive.writestr("archive/version", "3\n")


def write_older(path: Path, state: Any, byteorder: str = "little") -> None:
    """Writes the format before it."""
    with path.open("wb") as file:
        system = {"protocol_version": 1001, "little_endian": byteorder == "little"}
        for value in (0x1950A86A20F9469CFC6C, 1001, system):
            pickle.dump(value, file, protocol=2)
        writer = Writer(file, older=True)
        writer.dump(state)
        pickle.dump(list(writer.storages), file, protocol=2)
        for array in writer.storages.values():
            file.write(struct.pack("<q", array.size) + array.tobytes())
