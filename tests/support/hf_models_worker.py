"""Makes directories with transformers, and computes logits.

See `huggingface.transformers`.

Runs in the environment of `make bench-env`: python hf_models_worker.py FUNCTION JSON.
"""

import json
import os
import sys

import numpy as np
import torch
import transformers


def make(directory, seed=0, save=(), pickled=None, dtype=None, **config):
    """Saves a classifier with random weights."""
    torch.manual_seed(seed)
    config = transformers.BertConfig(initializer_range=0.3, **config)
    model = transformers.BertForSequenceClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():  # Biases and norms are 0 and 1 otherwise.
            parameter.add_(0.1 * torch.randn_like(parameter))
    if dtype:
        model.to(getattr(torch, dtype))
    model.save_pretrained(directory, **dict(save))
    if pickled:
        os.remove(os.path.join(directory, "model.safetensors"))
        torch.save(
            model.state_dict(),
            os.path.join(directory, "pytorch_model.bin"),
            _use_new_zipfile_serialization=pickled == "zip",
        )


def logits(directory, features, output):
    """Computes a directory's logits, with its weights in float32."""
    model, info = transformers.AutoModelForSequenceClassification.from_pretrained(
        directory, dtype=torch.float32, output_loading_info=True
    )
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    arrays = np.load(features)
    with torch.no_grad():
        found = model.eval()(
            input_ids=torch.from_numpy(arrays["input_ids"].astype(np.int64)),
            attention_mask=torch.from_numpy(arrays["input_mask"].astype(np.int64)),
            token_type_ids=torch.from_numpy(arrays["segment_ids"].astype(np.int64)),
        )
    np.save(output, found.logits.numpy())


if __name__ == "__main__":
    for name, arguments in json.loads(sys.argv[1]):
        globals()[name](**arguments)
