"""The phases of a run: prepare the features, train, evaluate, predict."""

import os
import time
from dataclasses import dataclass, replace
from typing import Dict, Optional

import numpy as np

from finetuning import (
    backend,
    checkpoints,
    classifier,
    features,
    files,
    loop,
    metrics,
    precision,
    provenance,
    records,
    results,
    summaries,
    tasks,
)
from finetuning.console import log
from finetuning.errors import InputError
from finetuning.preflight import Inputs
from finetuning.progress import duration
from finetuning.settings import Settings

# Names that the original gave the record files of the splits.
_RECORD_FILES = {
    "train": "train.tf_record",
    "dev": "eval.tf_record",
    "test": "predict.tf_record",
}
_MOST_STEPS = 2**31 - 1
# XLA compiles anew for each shape: 128 tokens make four.
_XLA_LENGTHS = 32


@dataclass(frozen=True)
class Run:
    """One run of the program, ready to start.

    Attributes:
      settings: `Settings`.
      inputs: `Inputs`.
      device: `backend.Device`.
      seed: of all that is random.
      execution: `classifier.Execution`.
      examples: split name -> `records.RecordFile`; empty before `prepare`.
    """

    settings: Settings
    inputs: Inputs
    device: backend.Device
    seed: int
    execution: classifier.Execution
    examples: Optional[Dict[str, records.RecordFile]] = None

    @property
    def num_labels(self):
        return len(self.inputs.task.labels)

    @property
    def session_config(self):
        return backend.session_config(self.settings.num_threads, self.settings.xla)


def choose_execution(settings, device):
    """How the settings ask this device to compute: `classifier.Execution`.

    Raises:
      InputError: the device cannot.
    """
    chosen = precision.FLOAT32
    if settings.precision == "mixed":
        chosen = precision.named(backend.short_type(device))
    if settings.xla and device.kind != "GPU":
        raise InputError(
            "--xla=true compiles for a GPU, and there is none here; leave the flag out"
        )
    return classifier.Execution(chosen, _XLA_LENGTHS if settings.xla else None)


def execute(run):
    """Does what the settings ask for, in the order train, evaluate, predict.

    Raises:
      InputError: the user's files do not do.
    """
    run = replace(run, examples=prepare(run))
    if run.settings.do_train:
        train(run)
    if not (run.settings.do_eval or run.settings.do_predict):
        return
    weights = find_weights(run)
    if run.settings.do_eval:
        evaluate(run, weights)
    if run.settings.do_predict:
        predict(run, weights)


def prepare(run):
    """Writes the record file of every split that the run needs.

    All before the first step: a bad row of the test set is found now, not after hours.

    Returns:
      Dictionary from split name to `records.RecordFile`.
    """
    examples = {}
    for name, path in run.inputs.data_files.items():
        # Those of one file show what the model reads; more of them would hide the rest.
        examples[name] = _convert(run, name, path, shown=not examples)
    return examples


def _convert(run, split_name, source, shown):
    log.info("Reading %s", source)
    started = time.monotonic()
    task, length = run.inputs.task, run.settings.max_seq_length
    target = os.path.join(run.settings.output_dir, _RECORD_FILES[split_name])
    read = tasks.read_examples(task, split_name, source)
    packed = features.pack_examples(
        read, task.labels, length, run.inputs.tokenizer, shown
    )
    count, truncated = records.write_packed_records(target, packed, length)
    if not count:
        files.remove_if_there(target)
        raise InputError("%s holds no examples" % source)
    log.info(
        "%s: %d examples, %d of them cut to %d tokens, in %s",
        os.path.basename(source),
        count,
        truncated,
        length,
        duration(time.monotonic() - started),
    )
    return records.RecordFile(target, count, length)


def train(run):
    """Fine-tunes up to the last step, or says that there is nothing left to train."""
    settings, inputs = run.settings, run.inputs
    examples = run.examples["train"]
    num_steps, num_warmup_steps = count_steps(settings, examples.count)
    log.info(
        "Training: %d examples, batch size %d, %g epochs: %d steps, %d of them warm-up",
        examples.count,
        settings.train_batch_size,
        settings.num_train_epochs,
        num_steps,
        num_warmup_steps,
    )
    if inputs.resumed is not None and inputs.resumed.step >= num_steps:
        _say_nothing_left(settings.output_dir, inputs.resumed.step, num_steps)
        return
    _say_where_from(inputs)
    if inputs.resumed is not None:
        for line in provenance.changed_settings(settings.output_dir, settings):
            log.warning("The training that goes on was begun otherwise: %s", line)
    description = provenance.describe(settings, run.seed, run.device)
    provenance.save(settings.output_dir, description)
    loop.train(
        loop.Training(
            config=inputs.config,
            num_labels=run.num_labels,
            examples=examples,
            batch_size=settings.train_batch_size,
            learning_rate=settings.learning_rate,
            num_steps=num_steps,
            num_warmup_steps=num_warmup_steps,
            seed=run.seed,
            output_dir=settings.output_dir,
            save_steps=settings.save_checkpoints_steps,
            keep_checkpoints=settings.keep_checkpoint_max,
            initial=inputs.initial,
            resumed=inputs.resumed,
            execution=run.execution,
            session_config=run.session_config,
        )
    )


def count_steps(settings, num_examples):
    """Optimiser steps in all, and of them in warm-up.

    Raises:
      InputError: there would be none, or too many.
    """
    batches = num_examples / settings.train_batch_size
    steps = batches * settings.num_train_epochs
    if not 1 <= steps <= _MOST_STEPS:
        raise InputError(
            "%d examples, --train_batch_size=%d and --num_train_epochs=%g make %s; "
            "change the batch size or the epochs"
            % (
                num_examples,
                settings.train_batch_size,
                settings.num_train_epochs,
                "no whole step" if steps < 1 else "more steps than can be counted",
            )
        )
    num_steps = int(steps)
    return num_steps, int(num_steps * settings.warmup_proportion)


def _say_nothing_left(output_dir, step, num_steps):
    log.warning(
        "NOTHING LEFT TO TRAIN: %s holds a training at step %d of %d; 0 steps are run. "
        "To train anew give an --output_dir that is empty; to train longer raise "
        "--num_train_epochs",
        output_dir,
        step,
        num_steps,
    )


def _say_where_from(inputs):
    if inputs.resumed is not None:
        log.info(
            "RESUMING at step %d from %s; to train anew give an --output_dir that is "
            "empty",
            inputs.resumed.step,
            inputs.resumed.prefix,
        )
    elif inputs.initial is not None:
        for line in inputs.initial.lines():
            log.info("Warm start: %s", line)
    else:
        log.warning("No --init_checkpoint: training starts from random weights")


def find_weights(run):
    """What evaluation and prediction use: `checkpoints.Contents`.

    The newest checkpoint in the output directory, else the initial one: `preflight`
    has seen that there will be one of them.
    """
    prefix = checkpoints.newest_in(run.settings.output_dir)
    weights = run.inputs.initial
    if prefix is not None:
        weights = checkpoints.read_contents(prefix, run.inputs.config, run.num_labels)
    if weights.fresh:
        log.warning(
            "UNTRAINED CLASSIFIER: %s has no %s; they are random, and so will be the "
            "results. Train first, or give a fine-tuned --init_checkpoint",
            weights.prefix,
            " and ".join(weights.fresh),
        )
    return weights


def _infer(run, weights, split_name, batch_size, label):
    log.info("%s: restoring %s", label.capitalize(), weights.prefix)
    return loop.infer(
        loop.Inference(
            config=run.inputs.config,
            num_labels=run.num_labels,
            contents=weights,
            examples=run.examples[split_name],
            batch_size=batch_size,
            seed=run.seed,
            label=label,
            execution=run.execution,
            session_config=run.session_config,
        )
    )


def evaluate(run, weights):
    """Scores the development set; writes and shows the results."""
    predictions = _infer(
        run, weights, "dev", run.settings.eval_batch_size, "evaluation"
    )
    gold = predictions.label_ids
    predicted = np.argmax(predictions.probabilities, axis=1)
    scores = metrics.compute(run.inputs.task.metrics, gold, predicted)
    loss = float(np.mean(predictions.per_example_loss, dtype=np.float64))
    step = weights.step or 0
    figures = results.evaluation(scores, loss, step)
    output_dir = run.settings.output_dir
    path = results.write_evaluation(output_dir, figures)
    majority = metrics.majority_accuracy(gold)
    _write_evaluation_json(run, weights, figures, majority)
    summaries.write(os.path.join(output_dir, "eval"), figures, step)
    title = "Scores on %s (%d examples), step %d" % (
        run.inputs.data_files["dev"],
        len(gold),
        step,
    )
    rows = list(scores.items()) + [("loss", loss), ("(majority class)", majority)]
    for line in results.table(title, rows):
        log.info(line)
    log.info("Written to %s and %s", path, results.EVAL_JSON)


def _write_evaluation_json(run, weights, figures, majority):
    content = provenance.describe(run.settings, run.seed, run.device)
    # What made the weights, which may be another run than this one.
    from_here = weights is not run.inputs.initial
    training = provenance.saved(run.settings.output_dir) if from_here else None
    content["training"] = training
    if training is not None:
        content["random_seed"] = training["random_seed"]
    elif not weights.fresh:
        content["random_seed"] = None
    content["results"] = figures
    content["majority_accuracy"] = majority
    content["checkpoint"] = weights.prefix
    content["global_step"] = weights.step
    content["untrained_variables"] = list(weights.fresh)
    content["data_file"] = run.inputs.data_files["dev"]
    content["num_examples"] = run.examples["dev"].count
    path = os.path.join(run.settings.output_dir, results.EVAL_JSON)
    provenance.write_json(path, content)


def predict(run, weights):
    """Writes the class probabilities of the test set."""
    predictions = _infer(
        run, weights, "test", run.settings.predict_batch_size, "prediction"
    )
    path = results.write_predictions(run.settings.output_dir, predictions.probabilities)
    log.info("%d predictions written to %s", len(predictions.probabilities), path)
