"""The phases of a run: prepare the features, train, evaluate, predict."""

import os
from dataclasses import dataclass, replace
from typing import Tuple

from finetuning import (
    backend,
    checkpoints,
    classifier,
    files,
    history,
    hooks,
    inference,
    label_map,
    loop,
    precision,
    preflight,
    preparation,
    provenance,
    reading,
    results,
    scoring,
    submission,
    summaries,
    weighting,
)
from finetuning.console import log
from finetuning.errors import InputError
from finetuning.settings import Settings

_MOST_STEPS = 2**31 - 1
# XLA compiles anew for each shape: 128 tokens make four.
_XLA_LENGTHS = 32


@dataclass(frozen=True)
class Run:
    """One run of the program, ready to start.

    Attributes:
      settings: `Settings`.
      inputs: `preflight.Inputs`.
      device: `backend.Device`.
      seed: of all that is random.
      execution: `classifier.Execution`.
      sets: `preparation.Prepared` of each source; none before they are prepared.
    """

    settings: Settings
    inputs: preflight.Inputs
    device: backend.Device
    seed: int
    execution: classifier.Execution
    sets: Tuple[preparation.Prepared, ...] = ()

    @property
    def task(self):
        return self.inputs.task

    def of_kind(self, kind):
        """The sets of a kind: "train", "dev" or "test"."""
        return [each for each in self.sets if each.source.kind == kind]

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
    run = replace(run, sets=preparation.prepare(run.settings, run.inputs))
    if run.settings.do_train:
        train(run)
    if not (run.settings.do_eval or run.settings.do_predict):
        return
    weights = find_weights(run)
    if run.settings.do_eval:
        evaluate(run, weights)
    if run.settings.do_predict:
        predict(run, weights)


def train(run):
    """Trains, or says that there is nothing left to train.

    Raises:
      InputError: there would be no step, or training fails.
    """
    settings, inputs = run.settings, run.inputs
    (examples,) = run.of_kind("train")
    recipe = _recipe(settings, run.task, examples)
    log.info(
        "Training: %d examples, batch size %d, %g epochs: %d steps, %d of them warm-up",
        examples.records.count,
        settings.train_batch_size,
        settings.num_train_epochs,
        recipe.num_steps,
        recipe.num_warmup_steps,
    )
    selection = _selection(run, examples.records.count, recipe.num_steps)
    if inputs.resumed is not None and _is_over(run, recipe, selection):
        return
    _say_where_from(inputs)
    if inputs.resumed is not None:
        for line in provenance.changed_settings(settings.output_dir, settings):
            log.warning("The training that goes on was begun otherwise: %s", line)
    description = provenance.describe(settings, run.seed, run.device)
    provenance.save(settings.output_dir, description)
    label_map.save(settings.output_dir, run.task)
    if settings.keep_best:
        best = os.path.join(settings.output_dir, checkpoints.BEST)
        files.make_directory(best)
        label_map.save(best, run.task)
    loop.train(
        loop.Training(
            config=inputs.config,
            num_labels=run.task.num_outputs,
            examples=examples.records,
            batch_size=settings.train_batch_size,
            recipe=recipe,
            seed=run.seed,
            output_dir=settings.output_dir,
            save_steps=settings.save_checkpoints_steps,
            keep_checkpoints=settings.keep_checkpoint_max,
            initial=inputs.initial,
            resumed=inputs.resumed,
            selection=selection,
            execution=run.execution,
            session_config=run.session_config,
        )
    )


def _recipe(settings, task, examples):
    num_steps, num_warmup_steps = count_steps(settings, examples.records.count)
    weights = weighting.parse(settings.class_weights, task.labels)
    if settings.class_weights == weighting.BALANCED:
        ids = range(len(task.labels))
        weights = weighting.balanced([examples.label_counts[each] for each in ids])
    if weights is not None:
        shown = ["%s=%.3g" % pair for pair in zip(task.labels, weights)]
        log.info("Weights of the labels in the loss: %s", ", ".join(shown))
    return classifier.Recipe(
        learning_rate=settings.learning_rate,
        num_steps=num_steps,
        num_warmup_steps=num_warmup_steps,
        bias_correction=settings.adam_bias_correction,
        label_weights=weights,
    )


def _selection(run, num_examples, num_steps):
    """What is evaluated while training, and when: `hooks.Selection`, or None."""
    settings = run.settings
    if not settings.evaluates_while_training:
        return None
    sets = run.of_kind("dev")
    parts = [each.source.split.part for each in sets]

    def is_due(step):
        if settings.eval_steps:
            at_turn = step % settings.eval_steps == 0
        else:
            at_turn = _epochs(step) > _epochs(step - 1)
        return at_turn or step == num_steps

    def _epochs(step):
        return step * settings.train_batch_size // num_examples

    def score(predictions, step):
        pairs = list(zip(parts, predictions))
        return scoring.evaluate(run.task, pairs, step).figures

    return hooks.Selection(
        sets=[each.records for each in sets],
        batch_size=settings.eval_batch_size,
        is_due=is_due,
        score=score,
        keep_best=settings.keep_best,
        patience=settings.early_stop,
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


def _is_over(run, recipe, selection):
    """Whether the training in the output directory has nothing left to do; says so."""
    settings, step = run.settings, run.inputs.resumed.step
    since_best = 0
    if selection is not None:
        past = history.History(settings.output_dir, resumed=True)
        if _is_left_undone(settings, step, selection, past):
            return False
        since_best = past.since_best(step)
    patience = settings.early_stop
    if step >= recipe.num_steps:
        ended = "at step %d of %d" % (step, recipe.num_steps)
    elif patience and since_best >= patience:
        ended = "that stopped early, at step %d of %d" % (step, recipe.num_steps)
    else:
        return False
    log.warning(
        "NOTHING LEFT TO TRAIN: %s holds a training %s; 0 steps are run. To train "
        "anew give an --output_dir that is empty; to train longer raise "
        "--num_train_epochs%s",
        settings.output_dir,
        ended,
        " or --early_stop" if patience else "",
    )
    return True


def _is_left_undone(settings, step, selection, past):
    """Whether a stop after the last save kept its evaluation, or the best, from coming.

    `hooks.EvaluationHook` then makes up for it, be there steps left or none.
    """
    if not selection.is_due(step):
        return False
    if past.score(step) is None:
        return True
    if not selection.keep_best:
        return False
    kept = checkpoints.newest_in(os.path.join(settings.output_dir, checkpoints.BEST))
    is_best = past.since_best(step) == 0
    return kept is None or (is_best and checkpoints.read_step(kept) != step)


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

    The best or the newest checkpoint in the output directory, else the initial one:
    `preflight` has seen that there will be one of them.

    Raises:
      InputError: the best is asked for, and none was kept.
    """
    directory = run.settings.output_dir
    if run.settings.keep_best:
        preflight.require_best(run.settings)
        directory = os.path.join(directory, checkpoints.BEST)
    prefix = checkpoints.newest_in(directory)
    weights = run.inputs.initial
    if prefix is not None:
        outputs = run.task.num_outputs
        weights = checkpoints.read_contents(prefix, run.inputs.config, outputs)
        if run.settings.keep_best:
            log.info("Using the best weights, of step %d: %s", weights.step, prefix)
    if weights.fresh:
        log.warning(
            "UNTRAINED CLASSIFIER: %s has no %s; they are random, and so will be the "
            "results. Train first, or give a fine-tuned --init_checkpoint",
            weights.prefix,
            " and ".join(weights.fresh),
        )
    return weights


def _infer(run, weights, examples, batch_size, label):
    log.info("%s: restoring %s", label.capitalize(), weights.prefix)
    return inference.infer(
        inference.Inference(
            config=run.inputs.config,
            num_labels=run.task.num_outputs,
            contents=weights,
            examples=examples.records,
            batch_size=batch_size,
            seed=run.seed,
            label=label,
            execution=run.execution,
            session_config=run.session_config,
        )
    )


def evaluate(run, weights):
    """Scores the development set; writes and shows the results."""
    sets, found = run.of_kind("dev"), []
    for each in sets:
        label = " ".join(filter(None, ("evaluation", each.source.split.part)))
        size = run.settings.eval_batch_size
        predictions = _infer(run, weights, each, size, label)
        found.append((each.source.split.part, predictions))
        name = results.EVAL_PREDICTIONS % each.source.suffix
        _write_predictions(run, each, predictions, name)
    step = weights.step or 0
    scored = scoring.evaluate(run.task, found, step)
    output_dir = run.settings.output_dir
    path = results.write_evaluation(output_dir, scored.figures)
    _write_evaluation_json(run, weights, sets, scored)
    summaries.write(os.path.join(output_dir, "eval"), scored.figures, step)
    _show_scores(run, sets, scored)
    log.info("Written to %s and %s", path, results.EVAL_JSON)


def _show_scores(run, sets, scored):
    title = "Scores on %s (%d examples), step %d" % (
        " and ".join(each.source.path for each in sets),
        sum(each.records.count for each in sets),
        scored.figures["global_step"],
    )
    named = [
        (name.replace("eval_", ""), value)
        for name, value in scored.figures.items()
        if name.startswith("eval_") and name != scoring.MAIN_SCORE
    ]
    names = " and ".join(run.task.main)
    main = "main score (%s%s)" % ("mean of " if " and " in names else "", names)
    named.append((main, scored.figures[scoring.MAIN_SCORE]))
    if scored.majority_accuracy is not None:
        named.append(("(accuracy of the majority class)", scored.majority_accuracy))
    for line in results.table(title, named):
        log.info(line)
    if scored.one_class:
        log.warning(
            "ALL PREDICTIONS ARE THE SAME: the model has learned nothing; try another "
            "--random_seed, a lower --learning_rate or --adam_bias_correction=true"
        )


def _write_evaluation_json(run, weights, sets, scored):
    content = provenance.describe(run.settings, run.seed, run.device)
    # What made the weights, which may be another run than this one.
    from_here = weights is not run.inputs.initial
    training = provenance.saved(run.settings.output_dir) if from_here else None
    content["training"] = training
    if training is not None:
        content["random_seed"] = training["random_seed"]
    elif not weights.fresh:
        content["random_seed"] = None
    content["task"] = run.task.name
    content["labels"] = list(run.task.labels)
    content["results"] = scored.figures
    content["main_metrics"] = list(run.task.main)
    content["majority_accuracy"] = scored.majority_accuracy
    content["majority_score"] = scored.majority_score
    content["predicted_one_class"] = scored.one_class
    content["checkpoint"] = weights.prefix
    content["global_step"] = weights.step
    content["untrained_variables"] = list(weights.fresh)
    content["data_file"] = sets[0].source.path
    content["data_files"] = [each.source.path for each in sets]
    content["num_examples"] = sum(each.records.count for each in sets)
    content["num_truncated"] = sum(each.truncated for each in sets)
    path = os.path.join(run.settings.output_dir, results.EVAL_JSON)
    provenance.write_json(path, content)


def predict(run, weights):
    """Writes what the model says of the test set: for programs, GLUE and people."""
    output_dir = run.settings.output_dir
    for each in run.of_kind("test"):
        label = " ".join(filter(None, ("prediction", each.source.split.part)))
        size = run.settings.predict_batch_size
        predictions = _infer(run, weights, each, size, label)
        lines = results.probabilities_lines(predictions.probabilities)
        name = results.PROBABILITIES % each.source.suffix
        path = results.write(output_dir, name, lines)
        log.info("%d predictions written to %s", each.records.count, path)
        name = results.PREDICTIONS % each.source.suffix
        path = _write_predictions(run, each, predictions, name)
        log.info("The same with ids and labels: %s", path)
        if each.source.split.submission:
            name = results.SUBMISSION % each.source.split.submission
            predicted = scoring.predicted_labels(run.task, predictions.probabilities)
            path = results.write(
                output_dir, name, [submission.text(run.task, predicted)]
            )
            log.info("The same for GLUE's server: %s", path)


def _write_predictions(run, each, predictions, name):
    """Writes the table of predictions for people; returns its path."""
    lines = results.predictions_lines(
        run.task,
        reading.read_examples(run.task, each.source),
        predictions.probabilities,
        scoring.predicted_labels(run.task, predictions.probabilities),
        has_labels=each.source.split.label is not None,
    )
    return results.write(run.settings.output_dir, name, lines)
