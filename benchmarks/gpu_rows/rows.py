"""Which rows a report has, and what the process of a row gets."""

import json
import os
from dataclasses import dataclass

from benchmarks import ROOT

# Training steps between two looks at the clock: each is a batch of its own.
NUM_BATCHES = 8
MAX_SEQ_LENGTH = 128
# What sets a row apart from the command's default.
XLA, COMPILED = "XLA", "torch.compile"
REPEATED, NOT_DETERMINISTIC = "repeated", "not deterministic"
TENSOR_FLOAT_32 = "TensorFloat-32"
_CONFIGS = {
    "BERT-Tiny": "bert_tiny_uncased.json",
    "MiniLM-L6-H384": "bert_base_uncased.json",
    "BERT-Base": "bert_base_uncased.json",
    "BERT-Large": "bert_large_uncased.json",
}
_MINILM = {"num_hidden_layers": 6, "hidden_size": 384, "intermediate_size": 1536}
_GPU_MODELS, _GPU_BATCHES = ("MiniLM-L6-H384", "BERT-Base"), (5, 32)
_ALL_GPU_MODELS, _ALL_GPU_BATCHES = (*_GPU_MODELS, "BERT-Large"), (5, 8, 32, 64)
_CPU_MODELS, _CPU_BATCHES = ("BERT-Tiny",), (5, 32)
_ALL_CPU_MODELS = (*_CPU_MODELS, "MiniLM-L6-H384")


@dataclass(frozen=True)
class Row:
    """One measurement, made by a process of its own.

    Attributes:
      program: "demo", "ours", "products" (the matrix products alone) or "hf".
      model: name of a model's size; "" for the demo.
      batch: training examples of a step.
      dtype: of the matrix products: "float32", "TensorFloat-32", "float16", "bfloat16".
      variant: one of the constants of this module, or "".
    """

    program: str
    model: str = ""
    batch: int = 0
    dtype: str = ""
    variant: str = ""

    @property
    def key(self):
        """What identifies the row, such as "ours, BERT-Base, batch 5, float16, XLA"."""
        batch = "batch %d" % self.batch if self.batch else ""
        parts = (self.program, self.model, batch, self.dtype, self.variant)
        return ", ".join(filter(None, parts))


def choose(device, full, has_torch):
    """The rows of a report, the most important first.

    Args:
      device: facts of `workers.row_worker` about the device.
      full: whether the whole table is measured.
      has_torch: whether Hugging Face takes part.
    """
    if device["kind"] == "GPU":
        models = _ALL_GPU_MODELS if full else _GPU_MODELS
        batches = _ALL_GPU_BATCHES if full else _GPU_BATCHES
    else:
        models = _ALL_CPU_MODELS if full else _CPU_MODELS
        batches = _CPU_BATCHES
    rows = [Row("demo")]
    for dtype in device["dtypes"]:
        rows += _of_type(models, batches, dtype, has_torch)
        if dtype != TENSOR_FLOAT_32:
            rows += _of_determinism(models[0], dtype, device)
    if full:
        rows += _compiled(models, batches, device, has_torch)
    return rows


def _of_type(models, batches, dtype, has_torch):
    programs = ("ours", "products", *(["hf"] if has_torch else []))
    return [
        Row(program, model, batch, dtype)
        for model in models
        for batch in batches
        for program in programs
    ]


def _of_determinism(model, dtype, device):
    """Beside the rows without a variant: the same again, and without determinism."""
    variants = [REPEATED]
    if device["has_deterministic_ops"]:
        variants.append(NOT_DETERMINISTIC)
    return [Row("ours", model, 32, dtype, variant) for variant in variants]


def _compiled(models, batches, device, has_torch):
    variants = [("ours", XLA), *([("hf", COMPILED)] if has_torch else [])]
    return [
        Row(program, model, batch, dtype, variant)
        for model in models
        for dtype in device["dtypes"]
        for batch in batches
        for program, variant in variants
    ]


def shape_of(model):
    """The arguments of `modeling.BertConfig` for a model's size."""
    with open(os.path.join(ROOT, "configs", _CONFIGS[model])) as file:
        shape = json.load(file)
    return dict(shape, **_MINILM) if model.startswith("MiniLM") else shape


def spec_of(row, device, threads, seconds):
    """What `workers.row_worker` gets for a row; the report adds the files.

    Args:
      row: `Row`.
      device: facts of `workers.row_worker` about the device.
      threads: CPU threads of one operation.
      seconds: how long steps are timed.
    """
    spec = {"program": row.program, "seconds": seconds, "device": device["kind"]}
    if row.program == "demo":
        return spec
    is_rounded = row.dtype == TENSOR_FLOAT_32
    graph = device["graph"]
    if row.variant == XLA:  # It fuses the norms itself.
        graph = dict(graph, fused_norm=False)
    return dict(
        spec,
        shape=shape_of(row.model),
        batch=row.batch,
        num_batches=NUM_BATCHES,
        threads=threads,
        training=True,
        dtype="float32" if is_rounded else row.dtype,
        tensor_float_32=is_rounded,
        deterministic=row.variant != NOT_DETERMINISTIC,
        xla=row.variant == XLA,
        graph=graph,
        compile=row.variant == COMPILED,
        variant="sdpa",  # The implementation of attention that transformers chooses.
    )
