"""Directories in Hugging Face format, made without their libraries or with them."""

import json
import os
import pickle
import re
import subprocess
import zipfile

import numpy as np
import pytest

from finetuning.checkpoints import compatibility
from tests.support.paths import ROOT

_NUMPY = {"F64": "f8", "F32": "f4", "F16": "f2", "BF16": "u2", "I64": "i8"}


def name_of(name):
    """Hugging Face's name of a variable of Google's."""
    name = name.replace("output_weights", "classifier.weight")
    name = name.replace("output_bias", "classifier.bias")
    name = re.sub(r"_embeddings$", "_embeddings.weight", name.replace("/", "."))
    name = re.sub(r"layer_(\d+)", r"layer.\1", name)
    name = re.sub(r"(kernel|gamma)$", "weight", name)
    return re.sub(r"beta$", "bias", name)


def weights(config, num_labels=2, seed=0):
    """Random weights under Google's names."""
    rng = np.random.RandomState(seed)
    return {
        name: rng.randn(*shape).astype(np.float32)
        for name, shape in compatibility.model_shapes(config, num_labels).items()
    }


def as_theirs(arrays):
    """The same weights under Hugging Face's names, and transposed as theirs."""
    return {
        name_of(name): value.T if name.endswith("kernel") else value
        for name, value in arrays.items()
    }


def config_of(config, **more):
    """The content of a `config.json`."""
    return {**config.to_dict(), "model_type": "bert", **more}


def write(directory, arrays, config=None, file="model.safetensors", dtype="F32"):
    """Writes weights under Hugging Face's names, and a config.json."""
    os.makedirs(str(directory), exist_ok=True)
    path = os.path.join(str(directory), file)
    write_safetensors(path, arrays, dtype)
    if config is not None:
        with open(os.path.join(str(directory), "config.json"), "w") as stream:
            json.dump(config, stream)
    return path


def write_safetensors(path, arrays, dtype="F32"):
    """Writes a file as the format is specified, in any of its types."""
    header, parts, end = {"__metadata__": {"format": "pt"}}, [], 0
    for name, value in arrays.items():
        content = to_bytes(value, dtype)
        header[name] = {
            "dtype": dtype,
            "shape": list(value.shape),
            "data_offsets": [end, end + len(content)],
        }
        parts.append(content)
        end += len(content)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(len(head).to_bytes(8, "little") + head + b"".join(parts))


def to_float32(value, dtype):
    """An array's values after a type; bfloat16 is cut, not rounded."""
    content = np.frombuffer(to_bytes(value, dtype), "<" + _NUMPY[dtype])
    if dtype == "BF16":
        content = (content.astype("<u4") << 16).view("<f4")
    return content.astype(np.float32).reshape(value.shape)


def to_bytes(value, dtype):
    """The numbers of an array in a type."""
    if dtype.startswith("F8"):
        return np.zeros(value.shape, "u1").tobytes()
    if dtype == "BF16":
        bits = np.ascontiguousarray(value, "<f4").view("<u4")
        return (bits >> 16).astype("<u2").tobytes()
    return np.ascontiguousarray(value).astype("<" + _NUMPY[dtype]).tobytes()


class _Global:
    """Pickles as a name that need not exist here."""

    def __init__(self, module, name):
        self.module, self.name = module, name


class _Call:
    def __init__(self, function, *arguments):
        self.function, self.arguments = function, arguments


class _Storage:
    def __init__(self, dtype, key, size):
        self.pid = ("storage", _Global("torch", dtype), key, "cpu", size)


class _Pickler(pickle._Pickler):
    dispatch = dict(pickle._Pickler.dispatch)

    def persistent_id(self, value):
        return value.pid if isinstance(value, _Storage) else None

    def save_global_name(self, value):
        self.write(b"c%s\n%s\n" % (value.module.encode(), value.name.encode()))

    def save_call(self, value):
        self.save(value.function)
        self.save(value.arguments)
        self.write(pickle.REDUCE)

    dispatch[_Global] = save_global_name
    dispatch[_Call] = save_call


def write_pickle(path, arrays=(), **others):
    """Writes a `pytorch_model.bin` in the format of zip archives, without PyTorch.

    Args:
      path: the file.
      arrays: dictionary from name to float32 array.
      **others: further entries, such as `_Call`s.
    """
    entries = dict(others)
    with zipfile.ZipFile(str(path), "w") as archive:
        for key, (name, value) in enumerate(dict(arrays).items()):
            value = np.ascontiguousarray(value, "<f4")
            archive.writestr("archive/data/%d" % key, value.tobytes())
            strides = tuple(step // 4 for step in value.strides)
            entries[name] = view(str(key), value.size, 0, value.shape, strides)
        with archive.open("archive/data.pkl", "w") as file:
            _Pickler(file, protocol=2).dump(entries)
        archive.writestr("archive/byteorder", b"little")


def view(key, size, *arguments):
    """What a pickle holds for a tensor: a view of `size` numbers of a storage."""
    rebuild = _Global("torch._utils", "_rebuild_tensor_v2")
    return _Call(rebuild, _Storage("FloatStorage", key, size), *arguments, False, {})


def call(module, name, *arguments):
    """What a malicious pickle holds: a call of any function."""
    return _Call(_Global(module, name), *arguments)


def python():
    """The Python of `make bench-env`, with torch and transformers, or $HF_PYTHON."""
    default = os.path.join(ROOT, ".venv", "bench", "bin", "python")
    path = os.environ.get("HF_PYTHON") or default
    if not os.path.exists(path):
        pytest.skip("needs Hugging Face: make bench-env, or $HF_PYTHON")
    return path


def transformers(*calls):
    """Calls functions of `hf_models_worker`; skips where there is no transformers.

    Args:
      *calls: pairs of a name and keyword arguments.
    """
    worker = os.path.join(ROOT, "tests", "support", "hf_models_worker.py")
    done = subprocess.run(
        [python(), worker, json.dumps(calls)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
        env=dict(os.environ, HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1"),
        timeout=300,
    )
    assert done.returncode == 0, done.stdout.decode("utf-8", "replace")
