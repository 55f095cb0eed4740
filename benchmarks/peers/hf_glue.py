"""Fine-tunes and scores BERT on a GLUE task with Hugging Face's transformers.

  python benchmarks/peers/hf_glue.py --task_name=MRPC --do_train=true --do_eval=true ...

Takes flags of run_classifier.py, as far as this program supports them. Files, tokens,
steps and learning rates are the same; Adam corrects its bias, as run_classifier.py does
with --adam_bias_correction=true. A Hugging Face directory is loaded as it is; for
Google's checkpoints, BERT's approximation of GELU is computed. Runs in the environment
of requirements.txt; $TF_PYTHON is the interpreter that reads a TensorFlow checkpoint,
by default .venv/tf2/bin/python. Writes eval_results.json as run_classifier.py does.
"""

import dataclasses
import os
import platform
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
import transformers

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, ROOT)

from benchmarks.peers import hf_model, interface  # noqa: E402
from benchmarks.timing import examples  # noqa: E402
from finetuning.data import data_files  # noqa: E402
from finetuning.evaluation import scoring  # noqa: E402
from finetuning.run_info import provenance  # noqa: E402
from finetuning.utils import huggingface, json_files  # noqa: E402
from finetuning.utils.console import log  # noqa: E402
from finetuning.utils.errors import InputError  # noqa: E402
from finetuning.utils.progress import Progress  # noqa: E402
from scripts import entry  # noqa: E402
from tokenization import FullTokenizer  # noqa: E402

PROGRAM = "Hugging Face"
_SUPPORTED = ("max_train_examples", "precision", "num_threads")
_HEAD = ["classifier.bias", "classifier.weight"]


def main(argv):
    return entry.status_of(lambda: run(argv))


def run(argv):
    settings = interface.parse(argv, _SUPPORTED)
    if settings.random_seed is None:
        raise InputError("--random_seed is required")
    task, found, _ = data_files.find(settings)
    log.info("Task: %s, results in %s", task.name, settings.output_dir)
    torch.manual_seed(settings.random_seed)
    if settings.num_threads:
        torch.set_num_threads(settings.num_threads)
    model = load_model(settings, task)
    training_set, *dev_sets = (read(settings, task, file) for file in found)
    started = time.monotonic()
    steps = train(model, training_set, settings)
    seconds = time.monotonic() - started
    predictions = [
        (file.layout.part, predict(model, dev_set, settings))
        for file, dev_set in zip(found[1:], dev_sets)
    ]
    scored = scoring.evaluate(task, predictions, steps)
    device = "%s, %d threads" % (model.device.type.upper(), torch.get_num_threads())
    interface.write(
        PROGRAM,
        # Hugging Face's AdamW has no other mode.
        dataclasses.replace(settings, adam_bias_correction=True),
        task,
        scored,
        random_seed=settings.random_seed,
        device="%s (torch %s)" % (device, torch.__version__),
        versions={
            "python": platform.python_version(),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "numpy": np.__version__,
        },
        git_revision=provenance.git_revision(),
        training_seconds=seconds,
        # Results of older versions, which used Hugging Face's own, lack this.
        learning_rates="the original's",
    )


def load_model(settings, task):
    """The pretrained encoder with a fresh head, on the GPU if there is one."""
    weights = huggingface.find_weights(settings.init_checkpoint)
    if weights is not None:
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            os.path.dirname(weights), num_labels=task.num_outputs
        )
        return model.to("cuda" if torch.cuda.is_available() else "cpu")
    path = settings.bert_config_file
    config = json_files.read(
        path,
        "one JSON object of numbers and strings",
        "pass the bert_config.json of the checkpoint",
        name="--bert_config_file=%s" % path,
    )
    model = hf_model.build(config, task.num_outputs)
    missing = hf_model.load(model, read_checkpoint(settings.init_checkpoint))
    if sorted(missing) != _HEAD:
        raise InputError(
            "--init_checkpoint=%s lacks %s" % (settings.init_checkpoint, missing)
        )
    return model.to("cuda" if torch.cuda.is_available() else "cpu")


def read_checkpoint(prefix):
    """A TensorFlow checkpoint's variables: dictionary from name to array."""
    default = os.path.join(ROOT, ".venv", "tf2", "bin", "python")
    python = os.environ.get("TF_PYTHON") or default
    script = os.path.join(ROOT, "benchmarks", "peers", "to_npz.py")
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "weights.npz")
        command = [python, script, prefix, path]
        try:
            subprocess.run(command, check=True, stderr=subprocess.DEVNULL)
        except (OSError, subprocess.CalledProcessError):
            raise InputError(
                "--init_checkpoint=%s could not be read with %s; set $TF_PYTHON to an "
                "interpreter with TensorFlow" % (prefix, python)
            ) from None
        with np.load(path) as arrays:
            return dict(arrays)


def read(settings, task, data_file):
    """The examples of a file, as arrays; see `timing.examples`."""
    is_training = data_file.split == "train"
    arrays = examples.read_examples(
        task,
        data_file,
        settings.max_seq_length,
        FullTokenizer(settings.vocab_file, settings.do_lower_case),
        settings.max_train_examples if is_training else None,
    )
    log.info("%s: %d examples", data_file.path, len(arrays["label_ids"]))
    return arrays


def dtype_of(model, settings):
    """The name of the type in which the model's products are computed."""
    if settings.precision != "mixed":
        return "float32"
    return "float16" if model.device.type == "cuda" else "bfloat16"


def train(model, arrays, settings):
    """Fine-tunes by the original's recipe; returns the number of steps."""
    count, size = len(arrays["label_ids"]), settings.train_batch_size
    steps = int(count / size * settings.num_train_epochs)
    warmup = int(steps * settings.warmup_proportion)
    dtype = dtype_of(model, settings)
    trainer = hf_model.Trainer(model, settings.learning_rate, warmup, steps, dtype)
    progress = Progress("training", steps, examples_each=size)
    random = np.random.RandomState(settings.random_seed)
    step = 0
    while step < steps:
        order = random.permutation(count)
        for start in range(0, count, size)[: steps - step]:
            rows = order[start : start + size]
            loss = trainer.step(hf_model.batch_of(model, arrays, rows))
            step += 1
            progress.update(step, "loss %.4f" % loss)
    progress.close()
    return steps


def predict(model, arrays, settings):
    """The model's `interface.Predictions` of a file, in its order."""
    model.eval()
    labels = arrays["label_ids"]
    longest_first = np.argsort(-examples.lengths(arrays), kind="stable")
    logits = torch.zeros((len(labels), model.config.num_labels))
    for start in range(0, len(labels), settings.eval_batch_size):
        rows = longest_first[start : start + settings.eval_batch_size]
        batch = hf_model.batch_of(model, arrays, rows)
        logits[rows] = hf_model.predict(model, batch, dtype_of(model, settings)).cpu()
    if model.config.num_labels == 1:
        losses, outputs = torch.square(logits[:, 0] - torch.tensor(labels)), logits
    else:
        gold = torch.tensor(labels, dtype=torch.int64)
        losses = torch.nn.functional.cross_entropy(logits, gold, reduction="none")
        outputs = torch.softmax(logits, -1)
    return interface.Predictions(outputs.numpy(), losses.numpy(), labels)


if __name__ == "__main__":
    sys.exit(main(sys.argv))
