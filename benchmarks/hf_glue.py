"""Fine-tunes and scores BERT on a GLUE task in Hugging Face's transformers.

  python benchmarks/hf_glue.py --task_name=MRPC --do_train=true --do_eval=true ...

The same flags as run_classifier.py, those that this program honours; the same files,
read and cut into the same tokens by the same code; the same steps and learning rates.
Adam corrects its bias, as run_classifier.py does with --adam_bias_correction=true. Runs
in the environment of requirements.txt; $TF_PYTHON names the interpreter that reads a
TensorFlow checkpoint, where .venv/tf2/bin/python is not the one. Writes
eval_results.json as run_classifier.py does.
"""

import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
import transformers

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(HERE)
sys.path.insert(0, ROOT)

import hf_model  # noqa: E402
import peer  # noqa: E402

import tokenization  # noqa: E402
from finetuning.data import data_files, features, reading  # noqa: E402
from finetuning.evaluation import scoring  # noqa: E402
from finetuning.run_info import provenance  # noqa: E402
from finetuning.utils import console  # noqa: E402
from finetuning.utils.errors import InputError  # noqa: E402
from finetuning.utils.progress import Progress  # noqa: E402

PROGRAM = "Hugging Face"
_TF_PYTHON = os.path.join(".venv", "tf2", "bin", "python")
_HONOURED = ("max_train_examples", "precision", "num_threads")


def main(argv):
    return peer.command(lambda: _main(argv))


def _main(argv):
    chosen = peer.parse(argv, _HONOURED)
    if chosen.random_seed is None:
        raise InputError("--random_seed must be given")
    task, found, _ = data_files.find(chosen)
    console.log.info("Task: %s, results in %s", task.name, chosen.output_dir)
    run(chosen, task, found)


def run(chosen, task, found):
    torch.manual_seed(chosen.random_seed)
    if chosen.num_threads:
        torch.set_num_threads(chosen.num_threads)
    with open(chosen.bert_config_file, encoding="utf-8") as file:
        model = hf_model.build(json.load(file), task.num_outputs)
    if task.is_regression:
        model.config.problem_type = "regression"
    missing = hf_model.load(model, read_checkpoint(chosen.init_checkpoint))
    if sorted(missing) != ["classifier.bias", "classifier.weight"]:
        raise InputError(
            "--init_checkpoint=%s lacks %s" % (chosen.init_checkpoint, missing)
        )
    model.to("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = tokenization.FullTokenizer(chosen.vocab_file, chosen.do_lower_case)
    rows = [read(chosen, task, source, tokenizer) for source in found]
    started = time.monotonic()
    step = train(model, rows[0], chosen)
    seconds = time.monotonic() - started
    sets = [
        (source.layout.part, predict(model, examples, chosen))
        for source, examples in zip(found[1:], rows[1:])
    ]
    write(chosen, task, scoring.evaluate(task, sets, step), seconds)


def read_checkpoint(path):
    """A TensorFlow checkpoint's variables: dictionary from name to array."""
    python = os.environ.get("TF_PYTHON") or os.path.join(ROOT, _TF_PYTHON)
    with tempfile.TemporaryDirectory() as directory:
        archive = os.path.join(directory, "weights.npz")
        script = os.path.join(HERE, "to_npz.py")
        try:
            subprocess.run(
                [python, script, path, archive], check=True, stderr=subprocess.DEVNULL
            )
        except (OSError, subprocess.CalledProcessError):
            raise InputError(
                "--init_checkpoint=%s was not read with %s; give $TF_PYTHON, an "
                "interpreter with TensorFlow" % (path, python)
            ) from None
        with np.load(archive) as arrays:
            return dict(arrays)


# ---- Examples ----


def read(chosen, task, source, tokenizer):
    """The examples of a file as a list of `features.EncodedExample`."""

    def examples():
        return reading.read_examples(task, source)

    chosen_ones = examples()
    if source.split == "train" and chosen.max_train_examples:
        chosen_ones = reading.sample(examples, chosen.max_train_examples)
    packed = features.encode_examples(
        chosen_ones, task.labels, chosen.max_seq_length, tokenizer
    )
    rows = list(packed)
    console.log.info("%s: %d examples", source.path, len(rows))
    return rows


def collate(rows, model):
    """A batch on the model's device, padded to its longest: the model's arguments."""
    longest = max(len(row.token_ids) for row in rows)
    ids, mask, segments = (
        torch.zeros((len(rows), longest), dtype=torch.int64) for _ in range(3)
    )
    for index, row in enumerate(rows):
        length = len(row.token_ids)
        ids[index, :length] = torch.tensor(row.token_ids)
        mask[index, :length] = 1
        segments[index, row.first_segment : length] = 1
    dtype = torch.float32 if model.config.num_labels == 1 else torch.int64
    batch = {
        "input_ids": ids,
        "attention_mask": mask,
        "token_type_ids": segments,
        "labels": torch.tensor([row.label_id for row in rows], dtype=dtype),
    }
    return {name: tensor.to(model.device) for name, tensor in batch.items()}


def _in_batches(rows, size):
    return [rows[start : start + size] for start in range(0, len(rows), size)]


# ---- Training and evaluation ----


def _autocast(model, precision):
    dtype = torch.float16 if model.device.type == "cuda" else torch.bfloat16
    return torch.autocast(model.device.type, dtype, enabled=precision == "mixed")


def train(model, rows, chosen):
    """Fine-tunes by the original's recipe; returns the number of steps."""
    steps = int(len(rows) / chosen.train_batch_size * chosen.num_train_epochs)
    optimizer = hf_model.optimizer(model, chosen.learning_rate)
    warmup = int(steps * chosen.warmup_proportion)
    schedule = hf_model.schedule(optimizer, warmup, steps)
    scaler = torch.amp.GradScaler(
        model.device.type,
        enabled=chosen.precision == "mixed" and model.device.type == "cuda",
    )
    progress = Progress("training", steps, examples_each=chosen.train_batch_size)
    order = np.random.RandomState(chosen.random_seed)
    model.train()
    step = 0
    while step < steps:
        shuffled = [rows[index] for index in order.permutation(len(rows))]
        for batch in _in_batches(shuffled, chosen.train_batch_size):
            with _autocast(model, chosen.precision):
                loss = model(**collate(batch, model)).loss
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            torch.nn.utils.clip_grad_norm_(model.parameters(), hf_model.MAX_NORM)
            scaler.step(optimizer)
            scaler.update()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            step += 1
            progress.update(step, "loss %.4f" % loss.item())
            if step == steps:
                break
    progress.close()
    return steps


def predict(model, rows, chosen):
    """What the model says of a file: `peer.Predictions`, in the order of the rows."""
    model.eval()
    by_length = sorted(range(len(rows)), key=lambda i: -len(rows[i].token_ids))
    logits = torch.zeros((len(rows), model.config.num_labels))
    for batch in _in_batches(by_length, chosen.eval_batch_size):
        inputs = collate([rows[index] for index in batch], model)
        with torch.inference_mode(), _autocast(model, chosen.precision):
            logits[batch] = model(**inputs).logits.float().cpu()
    gold = [row.label_id for row in rows]
    if model.config.num_labels == 1:
        numbers = torch.tensor(gold, dtype=torch.float32)
        losses, shown = torch.square(logits[:, 0] - numbers), logits
    else:
        numbers = torch.tensor(gold, dtype=torch.int64)
        losses = torch.nn.functional.cross_entropy(logits, numbers, reduction="none")
        shown = torch.softmax(logits, -1)
    return peer.Predictions(shown.numpy(), losses.numpy(), numbers.numpy())


# ---- The result ----


def write(chosen, task, scored, seconds):
    device = "GPU" if torch.cuda.is_available() else "CPU"
    peer.write(
        PROGRAM,
        # Hugging Face's AdamW knows no other way.
        dataclasses.replace(chosen, adam_bias_correction=True),
        task,
        scored,
        random_seed=chosen.random_seed,
        device="%s, %d threads (torch %s)"
        % (device, torch.get_num_threads(), torch.__version__),
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "numpy": np.__version__,
        },
        git_revision=provenance.git_revision(),
        training_seconds=seconds,
        # Runs of before, at Hugging Face's own, do not say so.
        learning_rates="the original's",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv))
