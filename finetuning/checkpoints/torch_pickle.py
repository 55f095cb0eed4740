"""Reads the tensors of a `pytorch_model.bin` without PyTorch, and nothing else of it.

PyTorch saves pickles, and a pickle can call any function when it is loaded. This
unpickler knows the few names that a file of tensors needs, and refuses all others
before anything is called. There are two formats: zip archives, and before PyTorch 1.6
a sequence of pickles followed by the numbers.
"""

import collections
import pickle
import struct
import zipfile
from typing import Callable, NamedTuple, Tuple

import numpy as np

from finetuning.utils.errors import InputError

_ELEMENT_TYPES = {
    "DoubleStorage": "F64",
    "FloatStorage": "F32",
    "HalfStorage": "F16",
    "BFloat16Storage": "BF16",
    "LongStorage": "I64",
    "IntStorage": "I32",
    "ShortStorage": "I16",
    "CharStorage": "I8",
    "ByteStorage": "U8",
    "BoolStorage": "BOOL",
}
# Numpy has no bfloat16; its bits are read as integers.
NUMPY_TYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "<u2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U8": "u1",
    "BOOL": "?",
}
_MAGIC = 0x1950A86A20F9469CFC6C
_INSTEAD = (
    "; save the model as model.safetensors, with from_pretrained and save_pretrained "
    "of transformers"
)


class Tensor(NamedTuple):
    """A tensor in a file.

    Attributes:
      dtype: a key of `NUMPY_TYPES`.
      shape: tuple of ints.
      read: function without arguments that returns it, in its type of `NUMPY_TYPES`.
    """

    dtype: str
    shape: Tuple[int, ...]
    read: Callable[[], np.ndarray]


class _Storage(NamedTuple):
    """The numbers that one or several tensors are views of."""

    key: str
    dtype: str
    size: int


class _View(NamedTuple):
    storage: _Storage
    offset: int
    shape: Tuple[int, ...]
    strides: Tuple[int, ...]


def read_tensors(path):
    """Reads the names, shapes and types of the tensors; the numbers are read later.

    Returns:
      Dictionary from name to `Tensor`.

    Raises:
      InputError: the file contains anything but a dictionary of tensors.
      ValueError: it is damaged.
    """
    try:
        if zipfile.is_zipfile(path):
            views, read = _open_archive(path)
        else:
            views, read = _open_sequence(path)
        tensors = {}
        for name, view in views.items():
            if not isinstance(name, str) or not isinstance(view, _View):
                raise InputError(
                    "%s contains something else than tensors, under the name %r%s"
                    % (path, name, _INSTEAD)
                )
            tensors[name] = _as_tensor(view, read)
        return tensors
    except (InputError, OSError):
        raise
    except Exception as error:  # A damaged pickle raises errors of any type.
        raise ValueError(str(error) or type(error).__name__) from None


def _as_tensor(view, read):
    def read_view():
        numbers = read(view.storage)
        size = numbers.itemsize
        return np.lib.stride_tricks.as_strided(
            numbers[view.offset :],
            view.shape,
            [stride * size for stride in view.strides],
            writeable=False,
        )

    return Tensor(view.storage.dtype, view.shape, read_view)


def _open_archive(path):
    """Returns the unpickled object, and a function that reads a `_Storage`."""
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        (pickled,) = [name for name in names if name.split("/")[1:] == ["data.pkl"]]
        folder = pickled[: -len("data.pkl")]
        order = folder + "byteorder"
        if order in names and archive.read(order) != b"little":
            raise ValueError("its numbers are not little-endian")
        with archive.open(pickled) as file:
            views = _Unpickler(file, path).load()

    def read(storage):
        name = "%sdata/%s" % (folder, storage.key)
        # Up to the end, where the archive's checksum is verified.
        with zipfile.ZipFile(path) as archive, archive.open(name) as file:
            return _numbers(file, storage)

    return views, read


def _open_sequence(path):
    """The same for the format before PyTorch 1.6."""
    with open(path, "rb") as file:
        magic, _, system, views, keys = [
            _Unpickler(file, path).load() for _ in range(5)
        ]
        if magic != _MAGIC or not system["little_endian"]:
            raise ValueError("it is not a file of PyTorch's")
        storages = {}
        for view in views.values():
            if isinstance(view, _View):
                storages[view.storage.key] = view.storage
        offsets = {}
        for key in keys:
            (size,) = struct.unpack("<q", file.read(8))
            if key not in storages or size != storages[key].size:
                raise ValueError("the sizes of its parts do not agree")
            offsets[key] = file.tell()
            file.seek(size * _width(storages[key]), 1)

    def read(storage):
        with open(path, "rb") as file:
            file.seek(offsets[storage.key])
            return _numbers(file, storage)

    return views, read


def _width(storage):
    return np.dtype(NUMPY_TYPES[storage.dtype]).itemsize


def _numbers(file, storage):
    length = storage.size * _width(storage)
    content = file.read(length)
    if len(content) != length:
        raise ValueError("it ends early")
    return np.frombuffer(content, NUMPY_TYPES[storage.dtype])


class _Unpickler(pickle.Unpickler):
    """Builds dictionaries of `_View`s, and calls nothing that the file brings along."""

    def __init__(self, file, path):
        super().__init__(file, encoding="utf-8")
        self._path = path

    def find_class(self, module, name):
        known = {
            ("collections", "OrderedDict"): collections.OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2"): _rebuild_tensor,
            ("torch._utils", "_rebuild_parameter"): _rebuild_parameter,
        }
        if (module, name) in known:
            return known[module, name]
        if module == "torch" and name in _ELEMENT_TYPES:
            return _ELEMENT_TYPES[name]
        raise InputError(
            "%s refers to %s.%s, which no tensor needs: loading it could run any code, "
            "so it is not loaded; if you trust it%s"
            % (self._path, module, name, _INSTEAD.replace(";", ",", 1))
        )

    def persistent_load(self, pid):
        kind, dtype, key, _, size, *_ = pid
        if kind != "storage" or dtype not in NUMPY_TYPES:
            raise ValueError("it has a part of type %r" % (dtype,))
        if not isinstance(key, str) or not _are_counts([size]):
            raise ValueError("it has a part without a name or size")
        return _Storage(key, dtype, size)


def _rebuild_tensor(storage, offset, shape, strides, *_):
    if not isinstance(storage, _Storage):
        raise ValueError("a tensor has no numbers")
    if not _are_counts([offset, *shape, *strides]) or len(shape) != len(strides):
        raise ValueError("a tensor has a shape that is not valid")
    last = offset + sum((n - 1) * stride for n, stride in zip(shape, strides))
    if all(shape) and last >= storage.size:
        raise ValueError("a tensor has more numbers than the file")
    return _View(storage, offset, tuple(shape), tuple(strides))


def _rebuild_parameter(data, *_):
    return data


def _are_counts(values):
    return all(type(value) is int and value >= 0 for value in values)
