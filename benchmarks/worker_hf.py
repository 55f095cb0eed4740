"""The same model in Hugging Face's transformers on PyTorch; see worker.py.

The spec's dtype is that of torch.autocast, its variant the implementation of attention.
"""

import os

import batches
import hf_model
import numpy as np
import serving
import torch
import transformers


def set_up(spec):
    torch.set_num_threads(spec["threads"])
    torch.manual_seed(1)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    examples, check = batches.load(spec["arrays"])
    model = hf_model.build(spec["shape"], batches.LABELS, spec["variant"])
    with np.load(spec["weights"]) as archive:
        missing = hf_model.load(model, archive)
    if missing:
        raise ValueError("weights are missing: %s" % ", ".join(missing))
    model.to(device)
    model.eval()
    with torch.inference_mode():
        (batch,) = _batches(check, len(check["label_ids"]), device)
        first_loss = model(**batch).loss.item()
    step = (_trainer if spec["training"] else _predictor)(model, spec, device)
    facts = {
        "first_loss": first_loss,
        "variant": spec["variant"],
        "version": "torch %s, transformers %s"
        % (torch.__version__, transformers.__version__),
    }
    parts = _batches(examples, spec["batch"], device)
    return facts, serving.in_turn(step, parts, together=not spec["training"])


def _batches(examples, size, device):
    """Batches in the order of the examples, each padded to its longest."""
    found = []
    for start in range(0, len(examples["label_ids"]), size):
        rows = slice(start, start + size)
        longest = int(examples["input_mask"][rows].sum(axis=1).max())
        part = {
            name: torch.from_numpy(value[rows].astype(np.int64)).to(device)
            for name, value in examples.items()
        }
        found.append(
            {
                "input_ids": part["input_ids"][:, :longest].contiguous(),
                "attention_mask": part["input_mask"][:, :longest].contiguous(),
                "token_type_ids": part["segment_ids"][:, :longest].contiguous(),
                "labels": part["label_ids"],
            }
        )
    return found


def _autocast(spec, device):
    dtype = getattr(torch, spec["dtype"])
    return torch.autocast(device, dtype=dtype, enabled=dtype != torch.float32)


def _predictor(model, spec, device):
    model.eval()

    def predict(batch):
        with torch.inference_mode(), _autocast(spec, device):
            logits = model(**batch).logits
            return torch.softmax(logits.float(), dim=-1).cpu()

    return predict


def _trainer(model, spec, device):
    model.train()
    optimizer = hf_model.optimizer(model, batches.LEARNING_RATE)
    schedule = transformers.get_linear_schedule_with_warmup(
        optimizer, batches.WARM_UP, batches.ALL_STEPS
    )
    parameters = list(model.parameters())
    scaler = torch.amp.GradScaler(device, enabled=spec["dtype"] == "float16")

    def train(batch):
        with _autocast(spec, device):
            loss = model(**batch).loss
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(parameters, hf_model.MAX_NORM, foreach=True)
        scaler.step(optimizer)
        scaler.update()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.item()

    return train


if __name__ == "__main__":
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    serving.serve(set_up)
