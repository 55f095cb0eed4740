"""A worker for the same model in Hugging Face's transformers on PyTorch.

The spec is that of tf_worker.py without the program, and with variant: transformers'
name of an implementation of attention. It may contain tensor_float_32; compile:
whether torch.compile compiles the model; and by_length: whether it takes the longest
examples first. It runs without TensorFlow.
"""

import os

import numpy as np
import torch
import transformers

from benchmarks.peers import hf_model
from benchmarks.timing import examples
from benchmarks.workers import serving


def set_up(spec):
    torch.set_num_threads(spec["threads"])
    torch.manual_seed(1)
    arrays, check = examples.load(spec["arrays"])
    model = hf_model.build(spec["shape"], examples.LABELS, spec["variant"])
    with np.load(spec["weights"]) as archive:
        missing = hf_model.load(model, archive)
    if missing:
        raise ValueError("weights are missing: %s" % ", ".join(missing))
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    model.eval()
    with torch.inference_mode():
        first_loss = model(**hf_model.batch_of(model, check, slice(None))).loss.item()
    if spec.get("tensor_float_32"):  # Not before the loss that is compared.
        torch.set_float32_matmul_precision("high")
    if spec.get("compile"):
        model.compile()
    facts = {"first_loss": first_loss, "variant": spec["variant"]}
    facts["version"] = "torch %s, transformers %s" % (
        torch.__version__,
        transformers.__version__,
    )
    if spec.get("by_length"):
        arrays = examples.by_length(arrays)
    bounds = examples.equal_bounds(arrays, spec["batch"])
    batches = [
        hf_model.batch_of(model, arrays, slice(first, last))
        for first, last in zip(bounds[:-1], bounds[1:])
    ]
    if not spec["training"]:

        def predict(batches):
            for batch in batches:
                logits = hf_model.predict(model, batch, spec["dtype"])
                torch.softmax(logits, dim=-1).cpu()

        return facts, serving.cycling(predict, [batches])
    trainer = hf_model.Trainer(
        model,
        examples.LEARNING_RATE,
        examples.WARMUP_STEPS,
        examples.ALL_STEPS,
        spec["dtype"],
    )
    return facts, serving.cycling(trainer.step, batches)


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    serving.serve(set_up)
