"""What a training run will do: its steps, hyperparameters and evaluations."""

from dataclasses import dataclass
from typing import Optional

from finetuning import classifier
from finetuning.checkpoints import compatibility, mean_loss
from finetuning.data import class_weights, label_map, preparation
from finetuning.evaluation import history
from finetuning.run_info import saved_run
from finetuning.training import evaluation_hook
from finetuning.utils.console import log
from finetuning.utils.errors import InputError

_MAX_STEPS = 2**31 - 1


@dataclass(frozen=True)
class TrainingPlan:
    """What a training run will do.

    Attributes:
      dataset: `preparation.Dataset` of the training set.
      hyperparameters: `classifier.Hyperparameters`.
      schedule: `evaluation_hook.EvalSchedule`; None: no evaluation during training.
      is_finished: whether the output directory already contains the finished run.
    """

    dataset: preparation.Dataset
    hyperparameters: classifier.Hyperparameters
    schedule: Optional[evaluation_hook.EvalSchedule]
    is_finished: bool


def make_plan(run):
    """Plans a training run and logs the plan.

    Args:
      run: `run_record.Run` with its datasets.

    Returns:
      `TrainingPlan`.

    Raises:
      InputError: there would be no step, or too many.
    """
    for change in run.inputs.changes:
        log.warning("This run resumes with different settings: %s", change)
    (dataset,) = run.datasets_for("train")
    settings, count = run.settings, dataset.records.count
    hyperparameters = choose_hyperparameters(settings, run.task, dataset)
    log.info(
        "Training: %d examples, batch size %d, %g epochs: %d steps, %d of them warm-up",
        count,
        settings.train_batch_size,
        settings.num_train_epochs,
        hyperparameters.num_steps,
        hyperparameters.num_warmup_steps,
    )
    if run.share.num_parts > 1:
        on_each = ", %d on each of %d workers" % (
            settings.accumulate_steps,
            run.share.count,
        )
        log.info(
            "Each batch is computed in %d parts of %d examples%s",
            run.share.num_parts,
            settings.train_batch_size // run.share.num_parts,
            on_each if run.share.count > 1 else "",
        )
    schedule = None
    if settings.evaluates_while_training:
        schedule = evaluation_hook.make_schedule(run, count, hyperparameters.num_steps)
    finished = run.inputs.resumed is not None and _is_finished(
        run, hyperparameters.num_steps, schedule
    )
    return TrainingPlan(dataset, hyperparameters, schedule, finished)


def choose_hyperparameters(settings, task, dataset):
    """Chooses the steps, the learning rate and the weights of the labels.

    Args:
      settings: `settings.Settings`.
      task: `tasks.Task`.
      dataset: `preparation.Dataset` of the training set.

    Returns:
      `classifier.Hyperparameters`.

    Raises:
      InputError: there would be no step, or too many.
    """
    num_steps, num_warmup_steps = count_steps(settings, dataset.records.count)
    weights = class_weights.parse(settings.class_weights, task.labels)
    if settings.class_weights == class_weights.BALANCED:
        label_ids = range(len(task.labels))
        counts = [dataset.label_counts[label_id] for label_id in label_ids]
        weights = class_weights.balanced(counts)
    if weights is not None:
        names = map(label_map.quoted, task.labels)
        shown = ["%s=%.3g" % pair for pair in zip(names, weights)]
        log.info("Weights of the labels in the loss: %s", ", ".join(shown))
    return classifier.Hyperparameters(
        learning_rate=settings.learning_rate,
        num_steps=num_steps,
        num_warmup_steps=num_warmup_steps,
        bias_correction=settings.adam_bias_correction,
        label_weights=weights,
    )


def count_steps(settings, num_examples):
    """Counts the optimiser steps of a training run.

    Args:
      settings: `settings.Settings`.
      num_examples: examples in the training set.

    Returns:
      The number of steps, and of warm-up steps among them.

    Raises:
      InputError: there would be no step, or too many.
    """
    batches = num_examples / settings.train_batch_size
    steps = batches * settings.num_train_epochs
    if not 1 <= steps <= _MAX_STEPS:
        raise InputError(
            "%d examples, --train_batch_size=%d and --num_train_epochs=%g make %s; "
            "change --train_batch_size or --num_train_epochs"
            % (
                num_examples,
                settings.train_batch_size,
                settings.num_train_epochs,
                "less than one step" if steps < 1 else "too many steps to count",
            )
        )
    num_steps = int(steps)
    return num_steps, int(num_steps * settings.warmup_proportion)


def _is_finished(run, num_steps, schedule):
    """Whether the run in the output directory is finished; if so, logs it."""
    settings, step = run.settings, run.inputs.resumed.step
    evaluations_since_best = 0
    if schedule is not None:
        past = history.History(settings.output_dir, _continues_history(run))
        mean_loss.read(settings.output_dir)  # Refuses a corrupt file early.
        if _is_evaluation_missing(run, schedule, past):
            return False
        evaluations_since_best = past.since_best(step)
    stopped_early = 0 < settings.early_stop <= evaluations_since_best
    if step < num_steps and not stopped_early:
        return False
    ended = "at step %d of %d" % (step, num_steps)
    if step < num_steps:
        ended, longer = "early, " + ended, "--early_stop"
    elif stopped_early:
        longer = "--num_train_epochs and --early_stop and pass --allow_changes=true"
    else:
        longer = "--num_train_epochs and pass --allow_changes=true"
    log.warning(
        "NOTHING LEFT TO TRAIN: the run in %s ended %s. To train from scratch, use an "
        "empty --output_dir; to train longer, raise %s",
        settings.output_dir,
        ended,
        longer,
    )
    return True


def _continues_history(run):
    """Whether earlier scores count: not if they are those of another dev set."""
    saved, digests = run.output_dir.saved_run, run.inputs.fingerprints
    return not saved_run.has_another_dev_set(saved, digests)


def _is_evaluation_missing(run, schedule, past):
    """Whether the run was stopped after a checkpoint, before its evaluation was done.

    `evaluation_hook.EvaluationHook` then does it when training resumes, even if there
    is no step left.
    """
    step = run.inputs.resumed.step
    if not schedule.is_due(step):
        return False
    if past.score(step) is None:
        return True
    if not schedule.keep_best:
        return False
    best = run.output_dir.best.prefix
    is_best = past.since_best(step) == 0
    return best is None or (is_best and compatibility.read_step(best) != step)
