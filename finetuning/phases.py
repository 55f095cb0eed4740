"""The phases of a run, in their order: prepare, train, evaluate, predict."""

import contextlib
import os
import tempfile
from dataclasses import replace

from finetuning.checkpoints import cleanup, compatibility, finding
from finetuning.checks.inputs import require_best
from finetuning.data import label_map, preparation
from finetuning.device import determinism
from finetuning.evaluation import evaluate, history, sanity_checks
from finetuning.run_info import provenance, saved_run
from finetuning.training import loop, plan
from finetuning.utils import files, locking
from finetuning.utils.console import log
from finetuning.utils.errors import InputError

# Checkpoints that a training removes, one after the other, before they are restored.
_MOST_VANISHED = 5


def execute(run):
    """Does what the settings ask for, in the order train, evaluate, predict.

    Raises:
      InputError: the user's files do not do.
      stopping.Stopped: a signal has ended the training; nothing follows it.
    """
    with _records_directory(run.settings) as directory:
        run = _prepared(run, directory)
        if run.settings.do_train:
            train(run)
        if run.settings.do_eval or run.settings.do_predict:
            _use_weights(run)


@contextlib.contextmanager
def _records_directory(settings):
    """Where the record files go: not where another process trains, which reads its."""
    who = None if settings.do_train else locking.holder(lock_path(settings))
    if who is None:
        yield settings.output_dir
        return
    log.info("A training is running in %s (%s)", settings.output_dir, who)
    with tempfile.TemporaryDirectory() as directory:
        yield directory


def _use_weights(run):
    """Evaluates and predicts, both with the same weights."""
    for left in reversed(range(_MOST_VANISHED)):
        try:
            weights = find_weights(run)
            if run.settings.do_eval:
                evaluate.evaluate(run, weights)
            if run.settings.do_predict:
                evaluate.predict(run, weights)
            return
        except compatibility.VanishedError as error:
            directory = _weights_directory(run.settings)
            if finding.find_newest(directory).prefix in (None, error.prefix):
                raise
            if not left:
                raise InputError(
                    "%s: a training there removes its checkpoints faster than they "
                    "can be read; give it a higher --keep_checkpoint_max or "
                    "--save_checkpoints_steps, or wait for its end" % directory
                ) from None
            log.info("%s: the training there goes on; taking its newest", error)


def _weights_directory(settings):
    best = os.path.join(settings.output_dir, finding.BEST)
    return best if settings.keep_best else settings.output_dir


def lock_path(settings):
    """The lock of trainings in the output directory."""
    return os.path.join(settings.output_dir, ".lock")


def take_lock(settings):
    """Keeps other trainings out of the output directory: see `locking.acquire`.

    Raises:
      InputError: one is running there.
    """
    try:
        return locking.acquire(lock_path(settings))
    except locking.HeldError as error:
        raise InputError(_held_line(settings, error)) from None


def _held_line(settings, who):
    return (
        "--output_dir=%s: a training is running there (%s); wait until it ends, or "
        "give another --output_dir" % (settings.output_dir, who)
    )


def check(run):
    """Does of `execute` what writes nothing and takes no step, and says so.

    Raises:
      InputError: the user's files do not do.
    """
    settings = run.settings
    who = locking.holder(lock_path(settings)) if settings.do_train else None
    if who is not None:
        raise InputError(_held_line(settings, who))
    run = _prepared(run, directory=None)
    if settings.do_train:
        hyperparameters, selection = _plan(run)
        if run.inputs.resumed and plan.is_finished(
            run, hyperparameters.num_steps, selection
        ):
            log.info("CHECKED: nothing is wrong. Nothing was written")
            return
        _say_where_from(run.inputs)
    else:
        weights = find_weights(run)
        for line in sanity_checks.training_set_warnings(
            run.datasets_for("dev"), weights
        ):
            log.warning(line)
    log.info("CHECKED: this run can start. Nothing was written")


def _prepared(run, directory):
    """The run with its sets; warns of those of which much is cut."""
    sets = preparation.prepare(run.settings, run.inputs, directory)
    for each in sets:
        for line in sanity_checks.truncation_warnings([each], run.settings):
            log.warning(line)
    return replace(run, sets=sets)


def train(run):
    """Trains, or says that there is nothing left to train.

    Raises:
      InputError: there would be no step, or training fails.
      stopping.Stopped: a signal has ended it.
    """
    settings, inputs = run.settings, run.inputs
    removed = cleanup.remove_leftovers(settings.output_dir)
    if removed:
        log.info("Removed what a killed run left half-written: %s", ", ".join(removed))
    if inputs.resumed is not None:
        _set_old_scores_aside(inputs, settings.output_dir)
    (examples,) = run.datasets_for("train")
    hyperparameters, selection = _plan(run)
    if inputs.resumed and plan.is_finished(run, hyperparameters.num_steps, selection):
        return
    _say_where_from(inputs)
    _save_settings(run, hyperparameters.num_steps)
    label_map.save(settings.output_dir, run.task)
    if settings.keep_best:
        best = os.path.join(settings.output_dir, finding.BEST)
        files.make_directory(best)
        label_map.save(best, run.task)
    with run.memory_errors("training", "train_batch_size"):
        loop.train(
            loop.Training(
                config=inputs.config,
                num_labels=run.task.num_outputs,
                examples=examples.records,
                batch_size=settings.train_batch_size,
                hyperparameters=hyperparameters,
                seed=run.seed,
                output_dir=settings.output_dir,
                save_steps=settings.save_checkpoints_steps,
                keep_checkpoints=settings.keep_checkpoint_max,
                initial=inputs.initial,
                resumed=inputs.resumed,
                selection=selection,
                compute=run.compute,
                session_config=run.session_config,
            )
        )


def _set_old_scores_aside(inputs, output_dir):
    """Scores on another dev set say nothing of which weights are the best on this."""
    if saved_run.changed_dev_set(output_dir, inputs.fingerprints):
        path = history.set_aside(output_dir, inputs.resumed.step)
        if path is not None:
            log.warning("The scores on the other dev set are kept in %s", path)


def _save_settings(run, num_steps):
    """Saves what is trained, beside the checkpoints, before the first of them."""
    inputs, changes, before = run.inputs, [], {}
    description = provenance.describe(run.settings, run.seed, run.device)
    if inputs.resumed is not None:
        before = saved_run.load(run.settings.output_dir) or {}
        changes += before.get("changes", [])
        moved = saved_run.changed_versions(before, description)
        changes += [
            "step %s: %s" % (inputs.resumed.step, each)
            for each in (*inputs.changes, *moved)
        ]
        for line in moved:
            log.warning("The training that goes on was begun otherwise: %s", line)
    step = inputs.resumed.step if inputs.resumed else 0
    description.update(determinism.of_training(before, step, description))
    provenance.save(
        run.settings,
        description,
        fingerprints=saved_run.with_dev_set(before, inputs.fingerprints),
        changes=changes,
        planned_steps=num_steps,
    )


def _plan(run):
    """The hyperparameters and the selection of a training, of which the steps are shown."""
    for change in run.inputs.changes:
        log.warning("The training that goes on was begun otherwise: %s", change)
    (examples,) = run.datasets_for("train")
    count = examples.records.count
    hyperparameters = plan.hyperparameters(run.settings, run.task, examples)
    log.info(
        "Training: %d examples, batch size %d, %g epochs: %d steps, %d of them warm-up",
        count,
        run.settings.train_batch_size,
        run.settings.num_train_epochs,
        hyperparameters.num_steps,
        hyperparameters.num_warmup_steps,
    )
    return hyperparameters, plan.eval_schedule(run, count, hyperparameters.num_steps)


def _say_where_from(inputs):
    if inputs.resumed is not None:
        directory = os.path.dirname(inputs.resumed.prefix)
        for line in finding.find_newest(directory).lines():
            log.warning(line)
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
    """What evaluation and prediction use: `compatibility.CheckpointContents`.

    The best or the newest checkpoint in the output directory, else the initial one:
    `preflight` has seen that there will be one of them.

    Raises:
      InputError: the best is asked for, and none was kept.
    """
    directory = _weights_directory(run.settings)
    if run.settings.keep_best:
        require_best(run.settings)
    prefix = finding.newest_in(directory)
    weights = run.inputs.initial
    if prefix is not None:
        outputs = run.task.num_outputs
        weights = compatibility.read_contents(prefix, run.inputs.config, outputs)
        for line in finding.find_newest(directory).lines():
            log.warning(line)
        if run.settings.keep_best:
            log.info("Using the best weights, of step %d: %s", weights.step, prefix)
        else:
            _mention_best(directory, weights.step)
    for line in sanity_checks.weight_warnings(weights, run.settings):
        log.warning(line)
    return weights


def _mention_best(directory, step):
    best = finding.find_newest(os.path.join(directory, finding.BEST)).prefix
    if best is not None and compatibility.read_step(best) != step:
        log.info(
            "The newest weights are used, of step %s; --keep_best=true takes the best, "
            "of step %d",
            step,
            compatibility.read_step(best),
        )
