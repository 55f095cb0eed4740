"""Evaluation and prediction: run the model, then write and show the results."""

import os

from finetuning.data import reading
from finetuning.evaluation import (
    inference,
    result_files,
    sanity_checks,
    scoring,
    submission,
)
from finetuning.run_info import fingerprints, provenance
from finetuning.utils import files, tensorboard
from finetuning.utils.console import log


def evaluate(run, weights):
    """Scores the dev set; writes and shows the results.

    Args:
      run: `run.Run`.
      weights: `choose_weights.Weights`.

    Raises:
      InputError: the probabilities are not finite, or memory or disk space runs out.
    """
    datasets, parts = run.datasets_for("dev"), []
    for dataset in datasets:
        predictions = _infer(run, weights, dataset, "evaluation", "eval_batch_size")
        parts.append((dataset.data_file.layout.part, predictions))
        name = result_files.EVAL_PREDICTIONS % dataset.data_file.suffix
        _write_predictions(run, dataset, predictions, name)
    step = weights.contents.step or 0
    scored = scoring.evaluate(run.task, parts, step)
    path = result_files.write_evaluation(run.output_dir.path, scored.figures)
    warnings = _warnings(run, weights, datasets)
    warnings += sanity_checks.training_set_warnings(
        datasets, weights.directory.saved_run
    )
    warnings += sanity_checks.score_warnings(scored, run.task.is_regression)
    content = dict(
        _provenance(run, weights.contents, datasets),
        results=scored.figures,
        main_metrics=list(run.task.main),
        majority_accuracy=scored.majority_accuracy,
        majority_score=scored.majority_score,
        predicted_one_class=scored.one_class,
        warnings=warnings,
    )
    files.write_json(run.output_dir.join(result_files.EVAL_JSON), content)
    tensorboard.write(run.output_dir.join("eval"), scored.figures, step)
    _show_scores(run, datasets, scored)
    for line in warnings:
        log.warning(line)
    log.info("Written to %s and %s", path, result_files.EVAL_JSON)


def predict(run, weights):
    """Predicts the test set; writes probabilities, a readable table and GLUE's file.

    Args:
      run: `run.Run`.
      weights: `choose_weights.Weights`.

    Raises:
      InputError: the probabilities are not finite, or memory or disk space runs out.
    """
    datasets, written = run.datasets_for("test"), []
    for dataset in datasets:
        predictions = _infer(run, weights, dataset, "prediction", "predict_batch_size")
        written += _write_all_predictions(run, dataset, predictions)
    content = dict(
        _provenance(run, weights.contents, datasets),
        warnings=_warnings(run, weights, datasets),
        files=[os.path.basename(path) for path in written],
    )
    files.write_json(run.output_dir.join(result_files.PREDICT_JSON), content)


def _infer(run, weights, dataset, phase, flag):
    """`inference.infer` in batches of the size that a flag gives."""
    label = " ".join(filter(None, (phase, dataset.data_file.layout.part)))
    log.info("%s: restoring %s", label.capitalize(), weights.contents.prefix)
    with run.memory_errors(label, flag):
        return inference.infer(
            run, weights.contents, dataset.records, getattr(run.settings, flag), label
        )


def _write_all_predictions(run, dataset, predictions):
    """Writes the prediction files of one dataset; returns their paths."""
    output_dir, data_file = run.output_dir.path, dataset.data_file
    lines = result_files.probabilities_lines(predictions.probabilities)
    name = result_files.PROBABILITIES % data_file.suffix
    paths = [result_files.write(output_dir, name, lines)]
    log.info("%d predictions written to %s", dataset.records.count, paths[0])
    name = result_files.PREDICTIONS % data_file.suffix
    paths.append(_write_predictions(run, dataset, predictions, name))
    log.info("With ids and labels: %s", paths[1])
    if data_file.layout.submission:
        name = result_files.SUBMISSION % data_file.layout.submission
        predicted = scoring.predicted_labels(run.task, predictions.probabilities)
        text = submission.text(run.task, predicted)
        paths.append(result_files.write(output_dir, name, [text]))
        log.info("For GLUE's server: %s", paths[2])
    return paths


def _write_predictions(run, dataset, predictions, name):
    """Writes the readable table of predictions; returns its path."""
    lines = result_files.predictions_lines(
        run.task,
        reading.read_examples(run.task, dataset.data_file),
        predictions.probabilities,
        scoring.predicted_labels(run.task, predictions.probabilities),
        has_labels=dataset.data_file.layout.label is not None,
    )
    return result_files.write(run.output_dir.path, name, lines)


def _show_scores(run, datasets, scored):
    title = "Scores on %s (%d examples), step %d" % (
        " and ".join(dataset.data_file.path for dataset in datasets),
        sum(dataset.records.count for dataset in datasets),
        scored.figures["global_step"],
    )
    names = " and ".join(run.task.main)
    if len(run.task.main) > 1 or len(datasets) > 1:
        halves = " of both halves" if len(datasets) > 1 else ""
        names = "mean of %s%s" % (names, halves)
    titles = {scoring.MAIN_SCORE: "main score (%s)" % names}
    rows = [
        (titles.get(name, name.replace("eval_", "")), scored.figures[name])
        for name in scored.shown
    ]
    if scored.majority_accuracy is not None:
        rows.append(("(accuracy of the majority class)", scored.majority_accuracy))
    for line in result_files.table(title, rows):
        log.info(line)


def _warnings(run, weights, datasets):
    """The warnings that results from these weights and datasets carry."""
    truncation = sanity_checks.truncation_warnings(datasets, run.settings)
    return weights.warnings + truncation


def _provenance(run, contents, datasets):
    """Where results come from: the run, the weights and their run, the data."""
    content = provenance.describe(run.settings, run.seed, run.device)
    training = None
    if contents is not run.inputs.initial:  # It comes from the output directory.
        training = run.output_dir.saved_run.content
    # The seed that determined the weights may be that of another run than this one.
    if training is not None:
        content["random_seed"] = training["random_seed"]
    elif not contents.fresh:
        content["random_seed"] = None
    return dict(
        content,
        training=training,
        task=run.task.name,
        labels=list(run.task.labels),
        checkpoint=contents.prefix,
        global_step=contents.step,
        untrained_variables=list(contents.fresh),
        data_file=datasets[0].data_file.path,
        data_files=[dataset.data_file.path for dataset in datasets],
        data_sha256=fingerprints.sha256(*[d.data_file.path for d in datasets]),
        num_examples=sum(dataset.records.count for dataset in datasets),
        num_truncated=sum(dataset.truncated for dataset in datasets),
    )
