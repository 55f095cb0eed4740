"""Warnings about results that do not mean what they seem to mean."""

import os

from finetuning.checkpoints import compatibility, finding, model_files
from finetuning.data import preparation
from finetuning.evaluation import history
from finetuning.flags import text_settings
from finetuning.run_info import fingerprints, saved_run

# AX is made for models that are trained on MNLI.
_DIAGNOSTIC = ("ax", "mnli")
# BERT is fine-tuned with 1e-5 to 1e-4; with less than this it hardly changes.
_LOW_LEARNING_RATE = 1e-6


def weight_warnings(contents, directory, settings, digests):
    """Warns about the weights that a run evaluates or predicts with.

    Args:
      contents: `compatibility.CheckpointContents`.
      directory: `OutputDir` of the run that trained the weights.
      settings: `settings.Settings` of the current run.
      digests: what `fingerprints.take` returned for its files.

    Returns:
      List of lines.
    """
    warnings = []
    if not settings.do_train:
        warnings += reading_warnings(contents, directory, settings, digests)
    if contents.fresh:
        others = [name for name in contents.unused if "classifier" in name]
        warnings.append(
            "UNTRAINED CLASSIFIER: %s has no %s%s; they are random, and so are the "
            "results. Train first, or pass a fine-tuned --init_checkpoint"
            % (
                contents.prefix,
                " and ".join(contents.fresh),
                " (%s, of another program, is not read)" % finding.first_few(others)
                if others
                else "",
            )
        )
    warnings += _best_weights_warnings(contents, directory)
    return warnings + _unfinished_warnings(contents, directory)


def reading_warnings(contents, directory, settings, digests):
    """Warns if text is read in another way than by the run that trained the weights.

    Args and returned value: see `weight_warnings`.
    """
    warnings = [
        "The weights were trained with different settings: %s" % change
        for change in _changed_reading(contents, directory, settings, digests)
    ]
    return warnings + _other_task_warnings(contents, directory, settings)


def _changed_reading(contents, directory, settings, digests):
    """How the run reads text differently from the one that trained the weights."""
    if directory.saved_run.exists:
        return saved_run.changed_reading(directory.saved_run, settings, digests)
    where = os.path.dirname(contents.prefix)
    changes = saved_run.changed_text_settings(text_settings.load(where), settings)
    return changes + model_files.differences(where, digests)


def _other_task_warnings(contents, directory, settings):
    saved = directory.saved_run.settings
    saved = saved or text_settings.load(os.path.dirname(contents.prefix))
    trained = saved.get("task_name")
    names = (settings.task_name.lower(), trained and trained.lower())
    if trained is None or names[0] == names[1] or names == _DIAGNOSTIC:
        return []
    return [
        "DIFFERENT TASK: the weights were trained for %s, and this run is for %s"
        % (trained, settings.task_name)
    ]


def _best_weights_warnings(contents, directory):
    """Compares the weights in `best/` with the history of the run's evaluations.

    They differ if the run was resumed without --keep_best, or if they are of another
    run. While a run trains, its history may be ahead of them.
    """
    if not _is_in_best(contents.prefix) or directory.lock_holder() is not None:
        return []
    past = history.History(directory.path, resumed=True)
    best = past.best(float("inf"))
    if best in (None, contents.step):
        return []
    return [
        "NOT THE BEST WEIGHTS: %s is from step %s, but the best evaluation in %s is "
        "that of step %d, whose weights were not kept; omit --keep_best to use the "
        "latest" % (contents.prefix, contents.step, history.FILE, best)
    ]


def _is_in_best(prefix):
    """Whether a checkpoint is in `best/` of the output directory of its run."""
    return finding.run_directory(prefix) != os.path.dirname(prefix)


def _unfinished_warnings(contents, directory):
    """Compares the step with the planned steps; an early stop ends a run as well."""
    saved, step = directory.saved_run, contents.step
    if _is_in_best(contents.prefix):
        # Not `directory.latest`, which a running training process may have removed.
        latest = finding.latest_in(directory.path)
        step = compatibility.read_step(latest) if latest else None
    if saved.planned_steps is None or step is None or step >= saved.planned_steps:
        return []
    patience = saved.settings.get("early_stop")
    if patience:
        past = history.History(directory.path, resumed=True)
        if past.since_best(step) >= patience:
            return []
    return [
        "UNFINISHED TRAINING: %s is from step %d of %d; rerun the training command to "
        "resume" % (contents.prefix, step, saved.planned_steps)
    ]


def text_warnings(datasets, settings, config):
    """Warns if too many texts are truncated, or too many words are unknown.

    Args:
      datasets: `preparation.Dataset`s that the results come from.
      settings: `settings.Settings`.
      config: `modeling.BertConfig`.

    Returns:
      List of lines.
    """
    warnings = []
    for dataset in datasets:
        if dataset.unknown.are_many:
            warnings.append(_unknown_words_warning(dataset, settings))
        if dataset.truncated > preparation.MAX_TRUNCATED * dataset.records.count:
            warnings.append(_truncation_warning(dataset, settings, config))
    return warnings


def _unknown_words_warning(dataset, settings):
    unknown = dataset.unknown
    return (
        "%s: %d words became [UNK] (%.0f %% of the tokens), because --vocab_file=%s "
        "lacks them, %s"
        % (
            dataset.data_file.path,
            unknown.count,
            100 * unknown.count / unknown.tokens,
            settings.vocab_file,
            unknown.remedy,
        )
    )


def _truncation_warning(dataset, settings, config):
    length, count = settings.max_seq_length, dataset.records.count
    return (
        "%s: %d of %d examples (%.0f %%) are truncated at --max_seq_length=%d; %s"
        % (
            dataset.data_file.path,
            dataset.truncated,
            count,
            100 * dataset.truncated / count,
            length,
            _length_advice(
                dataset.length_needed, length, config.max_position_embeddings
            ),
        )
    )


def _length_advice(needed, length, maximum):
    """What to do about truncation, in a model of `maximum` positions."""
    effect = "would truncate at most %.0f %%" % (100 * preparation.MAX_TRUNCATED)
    if needed <= maximum:
        return (
            "--max_seq_length=%d %s. Train and evaluate with a larger value, up to the "
            "model's max_position_embeddings %d" % (needed, effect, maximum)
        )
    advice = (
        "%d tokens %s, but the model's max_position_embeddings is %d: shorten or split "
        "the texts" % (needed, effect, maximum)
    )
    if length < maximum:
        advice += ", or train and evaluate with --max_seq_length=%d" % maximum
    return advice


def training_set_warnings(datasets, saved, digests):
    """Warns if the weights are evaluated on the data that they were trained on.

    Args:
      datasets: `preparation.Dataset`s that are scored.
      saved: `SavedRun` of the run that trained the weights.
      digests: `fingerprints.of_data` of their files.

    Returns:
      List of lines.
    """
    digest = saved.fingerprints.get(fingerprints.TRAINING_SET, {}).get("sha256")
    if digest is None:
        return []
    return [
        "EVALUATED ON THE TRAINING SET: the weights were trained on %s, so the scores "
        "do not show how the model does on other data" % dataset.data_file.path
        for dataset in datasets
        if digests[dataset.data_file.path,] == digest
    ]


def training_advice(contents, directory, datasets, training_sets):
    """What to try if a model has learned nothing.

    Args:
      contents: `compatibility.CheckpointContents` of its weights.
      directory: `OutputDir` of the run that trained them.
      datasets: `preparation.Dataset`s that are scored.
      training_sets: `preparation.Dataset`s that the current run has trained on.

    Returns:
      The end of a sentence about the scores.
    """
    if contents.fresh:
        return "its classifier is untrained: train first"
    if _unfinished_warnings(contents, directory):
        return "its training is not finished: resume it first"
    if any(dataset.unknown.are_most for dataset in (*training_sets, *datasets)):
        return "most of the text is [UNK], which no other setting makes up for"
    if any(len(dataset.label_counts) == 1 for dataset in training_sets):
        return "all examples that it was trained on have the same label"
    settings = directory.saved_run.settings
    if settings.get("init_checkpoint", "") is None:
        return "its training began with random weights: pass --init_checkpoint"
    rate = settings.get("learning_rate")
    is_low = isinstance(rate, float) and rate < _LOW_LEARNING_RATE
    choices = ["another --random_seed", "more epochs"]
    choices.append("a %s --learning_rate" % ("higher" if is_low else "lower"))
    if not settings.get("adam_bias_correction"):
        choices.append("--adam_bias_correction=true")
    return "try %s or %s" % (", ".join(choices[:-1]), choices[-1])


def score_warnings(scored, is_regression, advice):
    """Warns about the scores of a model that has learned nothing.

    Args:
      scored: `scoring.Evaluation`.
      is_regression: whether the labels are numbers.
      advice: what `training_advice` returned.

    Returns:
      List of lines.
    """
    warnings = []
    if scored.one_class:
        warnings.append(
            "ALL PREDICTIONS ARE THE SAME (%s): the model has learned nothing; %s"
            % (" and ".join(scored.only_labels), advice)
        )
    score, majority = scored.main_score, scored.majority_score
    # If all labels are the same, guessing is always right.
    if score <= majority < 1:
        warnings.append(
            "NO BETTER THAN GUESSING: the main score is %.4f, and always predicting "
            "the %s scores %.4f%s"
            % (
                score,
                "same number" if is_regression else "most frequent label",
                majority,
                "" if scored.one_class else "; " + advice,
            )
        )
    return warnings
