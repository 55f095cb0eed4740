"""What a training will do: its steps, its hyperparameters, its evaluations; or nothing more."""

import os

from finetuning import classifier
from finetuning.checkpoints import compatibility, finding
from finetuning.data import class_weights, label_map
from finetuning.evaluation import history, scoring
from finetuning.training import evaluation_hook
from finetuning.utils.console import log
from finetuning.utils.errors import InputError

_MOST_STEPS = 2**31 - 1


def hyperparameters(settings, task, examples):
    """What the optimiser is told: `classifier.Hyperparameters`.

    Args:
      settings: `settings.Settings`.
      task: `tasks.Task`.
      examples: `preparation.Dataset` of the training set.

    Raises:
      InputError: there would be no step, or too many.
    """
    num_steps, num_warmup_steps = count_steps(settings, examples.records.count)
    weights = class_weights.parse(settings.class_weights, task.labels)
    if settings.class_weights == class_weights.BALANCED:
        ids = range(len(task.labels))
        weights = class_weights.balanced([examples.label_counts[each] for each in ids])
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


def eval_schedule(run, num_examples, num_steps):
    """What is evaluated while training, and when: `evaluation_hook.EvalSchedule`, or None.

    Args:
      run: `run.Run`.
      num_examples: of the training set.
      num_steps: optimiser steps in all.
    """
    settings = run.settings
    if not settings.evaluates_while_training:
        return None
    sets = run.datasets_for("dev")
    parts = [each.data_file.layout.part for each in sets]

    def epochs(step):
        return step * settings.train_batch_size // num_examples

    def is_due(step):
        if settings.eval_steps:
            at_turn = step % settings.eval_steps == 0
        else:
            at_turn = epochs(step) > epochs(step - 1)
        return at_turn or step == num_steps

    def score(predictions, step):
        pairs = list(zip(parts, predictions))
        return scoring.evaluate(run.task, pairs, step)

    return evaluation_hook.EvalSchedule(
        sets=[each.records for each in sets],
        batch_size=settings.eval_batch_size,
        is_due=is_due,
        score=score,
        keep_best=settings.keep_best,
        patience=settings.early_stop,
    )


def is_finished(run, num_steps, chosen):
    """Whether the training in the output directory has nothing left to do; says so.

    Args:
      run: `run.Run` that goes on with a training.
      num_steps: optimiser steps in all.
      chosen: its `selection`.
    """
    settings, step = run.settings, run.inputs.resumed.step
    since_best = 0
    if chosen is not None:
        past = history.History(settings.output_dir, resumed=True)
        if _is_left_undone(settings, step, chosen, past):
            return False
        since_best = past.since_best(step)
    patience = settings.early_stop
    used_up = patience and since_best >= patience
    if step < num_steps and not used_up:
        return False
    ended = "at step %d of %d" % (step, num_steps)
    longer = "--num_train_epochs%s, with --allow_changes=true"
    longer %= " and --early_stop" if used_up else ""
    if step < num_steps:
        ended, longer = "that stopped early, " + ended, "--early_stop"
    log.warning(
        "NOTHING LEFT TO TRAIN: %s holds a training %s; 0 steps are run. To train "
        "anew give an --output_dir that is empty; to train longer raise %s",
        settings.output_dir,
        ended,
        longer,
    )
    return True


def _is_left_undone(settings, step, chosen, past):
    """Whether a stop after the last save kept its evaluation, or the best, from coming.

    `evaluation_hook.EvaluationHook` then makes up for it, be there steps left or none.
    """
    if not chosen.is_due(step):
        return False
    if past.score(step) is None:
        return True
    if not chosen.keep_best:
        return False
    best = os.path.join(settings.output_dir, finding.BEST)
    kept = finding.find_newest(best).prefix
    is_best = past.since_best(step) == 0
    return kept is None or (is_best and compatibility.read_step(kept) != step)
