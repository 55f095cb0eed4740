"""Results that are not what they seem: what a reader of them is to be warned of."""

import os

from finetuning.checkpoints import compatibility, finding
from finetuning.data import preparation
from finetuning.evaluation import history
from finetuning.run_info import fingerprints, saved_run

# Trained as MNLI, and made for it.
_DIAGNOSTIC = ("ax", "mnli")


def weight_warnings(weights, settings):
    """What is wrong with the weights that are evaluated or predicted with: lines.

    Args:
      weights: `compatibility.CheckpointContents`.
      settings: `settings.Settings`.

    Raises:
      InputError: what their training saved of itself is damaged.
    """
    trained, found = finding.training_directory(weights.prefix), []
    if not settings.do_train:
        for each in saved_run.changed_reading(trained, settings):
            found.append("The weights were trained otherwise: %s" % each)
        found += _of_another_task(trained, settings)
    if weights.fresh:
        found.append(
            "UNTRAINED CLASSIFIER: %s has no %s; they are random, and so will be the "
            "results. Train first, or give a fine-tuned --init_checkpoint"
            % (weights.prefix, " and ".join(weights.fresh))
        )
    return found + _of_unfinished(weights, trained)


def _of_another_task(trained, settings):
    before = _saved_settings(trained).get("task_name")
    tasks = (settings.task_name.lower(), before and before.lower())
    if before is None or tasks[0] == tasks[1] or tasks == _DIAGNOSTIC:
        return []
    return [
        "ANOTHER TASK: the weights were trained for %s, and this run is of %s"
        % (before, settings.task_name)
    ]


def _of_unfinished(weights, trained):
    """The step against those that were planned; an early stop ends a training too."""
    content = saved_run.load(trained) or {}
    planned, step = content.get("planned_steps"), weights.step
    newest = finding.newest_in(trained)
    if os.path.dirname(weights.prefix) != trained:  # They are the best of it.
        step = compatibility.read_step(newest) if newest else None
    if planned is None or step is None or step >= planned:
        return []
    patience = _saved_settings(trained).get("early_stop")
    if patience:
        past = history.History(trained, resumed=True)
        if past.since_best(step) >= patience:
            return []
    return [
        "THE TRAINING IS NOT FINISHED: %s is of step %d of %d; the training's command "
        "again goes on with it" % (weights.prefix, step, planned)
    ]


def _saved_settings(trained):
    return (saved_run.load(trained) or {}).get("settings") or {}


def truncation_warnings(sets, settings):
    """Whether too much of the text was cut: lines.

    Args:
      sets: `preparation.Dataset` of the sets that were computed with.
      settings: `settings.Settings`.
    """
    count = sum(each.records.count for each in sets)
    truncated = sum(each.truncated for each in sets)
    if truncated <= preparation.MOST_TRUNCATED * count:
        return []
    needed = max(each.length_needed for each in sets)
    return [
        "%s: %d of %d examples (%.0f %%) are cut to --max_seq_length=%d, and the model "
        "sees no more of them; with %d at most %.0f %% would be: train and evaluate "
        "with more, as far as the model's max_position_embeddings go"
        % (
            " and ".join(each.data_file.path for each in sets),
            truncated,
            count,
            100 * truncated / count,
            settings.max_seq_length,
            needed,
            100 * preparation.MOST_TRUNCATED,
        )
    ]


def training_set_warnings(sets, weights):
    """Whether what is scored is what the weights were trained on: lines.

    Args:
      sets: `preparation.Dataset` of the sets that are scored.
      weights: `compatibility.CheckpointContents`.
    """
    trained = finding.training_directory(weights.prefix)
    saved = (saved_run.load(trained) or {}).get("fingerprints") or {}
    digest = saved.get(fingerprints.TRAINING_SET, {}).get("sha256")
    return [
        "THE TRAINING SET IS SCORED: %s is what the weights were trained on; its "
        "scores say nothing of other text" % each.data_file.path
        for each in sets
        if digest is not None and fingerprints.sha256(each.data_file.path) == digest
    ]


def score_warnings(scored, regression):
    """Whether the scores are those of a model that has learned nothing: lines.

    Args:
      scored: `scoring.Evaluation`.
      regression: whether the labels are numbers.
    """
    found = []
    if scored.one_class:
        found.append(
            "ALL PREDICTIONS ARE THE SAME (%s): the model has learned nothing; try "
            "another --random_seed, a lower --learning_rate or "
            "--adam_bias_correction=true" % " and ".join(scored.only_labels)
        )
    score, majority = scored.main_score, scored.majority_score
    # Where the labels are all the same, guessing is always right.
    if score <= majority < 1:
        found.append(
            "NO BETTER THAN GUESSING: the main score is %.4f, and always giving the "
            "%s scores %.4f; try another --random_seed, more epochs or a lower "
            "--learning_rate"
            % (score, "same number" if regression else "commonest label", majority)
        )
    return found
