"""Reads weights in Hugging Face format under the names of Google's checkpoints."""

import json
import os
import re
import struct

import numpy as np
import tensorflow.compat.v1 as tf

from finetuning.checkpoints import torch_pickle
from finetuning.checkpoints.torch_pickle import NUMPY_TYPES, Tensor
from finetuning.utils import files, huggingface
from finetuning.utils.errors import InputError

_TYPES = {
    "F64": tf.float64,
    "F32": tf.float32,
    "F16": tf.float16,
    "BF16": tf.bfloat16,
    "I64": tf.int64,
    "I32": tf.int32,
    "I16": tf.int16,
    "I8": tf.int8,
    "U8": tf.uint8,
    "BOOL": tf.bool,
}
# `module.` is what PyTorch's DataParallel adds.
_OF_ENCODER = re.compile(r"(module\.)?(bert\.)?(embeddings|encoder|pooler)\.")
_OF_HEAD = re.compile(r"(module\.)?classifier\.(weight|bias)$")
_ENDS = (
    ("_embeddings.weight", "_embeddings"),
    ("LayerNorm.weight", "LayerNorm.gamma"),
    ("LayerNorm.bias", "LayerNorm.beta"),
    (".weight", ".kernel"),
)


class Reader:
    """Has what a `tf.train.NewCheckpointReader` has, for Hugging Face weights.

    Variables of the encoder and of the classifier have the names and shapes of Google's
    checkpoints; others, such as the heads of pretraining, keep theirs. Only
    `get_tensor` reads numbers.

    Example:
      reader = Reader("bert-base-uncased/model.safetensors")
      reader.get_tensor("bert/pooler/dense/kernel")  # float32 [768, 768]
    """

    def __init__(self, path):
        """Reads the names, shapes and types.

        Args:
          path: `.../model.safetensors`, `.../pytorch_model.bin`, or an index of such
            files.

        Raises:
          InputError: it cannot be used.
          ValueError: it is damaged.
        """
        _require_local(path)
        has_head = huggingface.is_sequence_classifier(huggingface.read_config(path))
        self._tensors = {}
        for name, tensor in _read_all(path).items():
            ours = _google_name(name, has_head)
            if ours in self._tensors:
                raise InputError("%s has two variables for %s" % (path, ours))
            self._tensors[ours] = tensor

    def get_variable_to_shape_map(self):
        """Dictionary from name to shape, a tuple of ints."""
        return {
            name: tensor.shape[::-1] if _is_kernel(name) else tensor.shape
            for name, tensor in self._tensors.items()
        }

    def get_variable_to_dtype_map(self):
        """Dictionary from name to the `tf.DType` in the file."""
        return {name: _TYPES[tensor.dtype] for name, tensor in self._tensors.items()}

    def get_tensor(self, name):
        """Reads a variable as an array; bfloat16 as float32, which holds its values."""
        tensor = self._tensors[name]
        value = tensor.read()
        if tensor.dtype == "BF16":
            value = (value.astype(np.uint32) << 16).view(np.float32)
        return np.ascontiguousarray(value.T if _is_kernel(name) else value)


def _require_local(path):
    if files.is_remote(path):
        raise InputError(
            "%s: Hugging Face weights are read from local files only; copy the "
            "directory to this machine" % path
        )


def _google_name(name, has_head):
    """The name of a variable in Google's checkpoints; other variables keep theirs."""
    head = _OF_HEAD.match(name)
    if head and has_head:
        return "%soutput_%s" % (
            "module/" if head.group(1) else "",
            {"weight": "weights", "bias": "bias"}[head.group(2)],
        )
    if not _OF_ENCODER.match(name):
        return name
    for end, replacement in _ENDS:
        if name.endswith(end):
            name = name[: -len(end)] + replacement
            break
    return re.sub(r"\blayer\.(\d)", r"layer_\1", name).replace(".", "/")


def _is_kernel(name):
    return name.endswith("/kernel")


def _read_all(path):
    """Dictionary from Hugging Face's name to `Tensor`, of all files."""
    tensors = {}
    for part in huggingface.content_files(path):
        if not os.path.exists(part):
            raise ValueError("%s is missing" % part)
        files.refuse_special(part)
        is_pickle = part.endswith(huggingface.PICKLE_SUFFIX)
        read = torch_pickle.read_tensors if is_pickle else _read_safetensors
        tensors.update(read(part))
    if path.endswith(huggingface.INDEX_SUFFIX):
        missing = set(huggingface.weight_map(path)) - set(tensors)
        if missing:
            raise ValueError("its files lack %s" % min(missing))
    return tensors


def _read_safetensors(path):
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            pass  # This has checked the header and the size of the file.
    except SafetensorError as error:
        raise ValueError(str(error)) from None
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length).decode("utf-8"))
    header.pop("__metadata__", None)
    return {
        name: _tensor(path, name, entry, 8 + length) for name, entry in header.items()
    }


def _tensor(path, name, entry, start):
    """A `Tensor` whose numbers are read from the file: numpy knows no bfloat16."""
    dtype, shape = entry["dtype"], tuple(entry["shape"])
    if dtype not in _TYPES:
        raise InputError(
            "%s: variable %s has type %s, expected F32 or another floating-point type; "
            "use another checkpoint" % (path, name, dtype)
        )

    def read():
        with open(path, "rb") as file:
            file.seek(start + entry["data_offsets"][0])
            # Not mapped into memory, where a file that is truncated meanwhile kills.
            count = int(np.prod(shape, dtype=np.int64))
            numbers = np.fromfile(file, NUMPY_TYPES[dtype], count)
        if numbers.size != count:
            raise ValueError("%s was changed while it was read" % path)
        return numbers.reshape(shape)

    return Tensor(dtype, shape, read)
