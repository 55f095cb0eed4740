"""Evaluation and prediction: run the model, then write and show the results."""

from finetuning.evaluation import (
    inference,
    label_report,
    result_files,
    sanity_checks,
    scoring,
    submission,
    training_history,
)
from finetuning.run_info import provenance
from finetuning.utils import console, tensorboard
from finetuning.utils.console import log


def evaluate(run, weights):
    """Scores the dev set; shows and writes the results.

    Args:
      run: `run_record.Run`.
      weights: `choose_weights.Weights`.

    Raises:
      InputError: the probabilities are not finite, or memory or disk space runs out.
    """
    datasets = run.datasets_for("dev")
    predictions = [
        _infer(run, weights, dataset, "evaluation", "eval_batch_size")
        for dataset in datasets
    ]
    parts = [dataset.data_file.layout.part for dataset in datasets]
    step = weights.contents.step or 0
    scored = scoring.evaluate(run.task, list(zip(parts, predictions)), step)
    label_scores = _label_scores(run.task, parts, predictions)
    warnings = _warnings(run, weights, datasets)
    warnings += sanity_checks.training_set_warnings(
        datasets, weights.directory.saved_run, run.inputs.data_digests
    )
    advice = sanity_checks.training_advice(
        weights.contents, weights.directory, datasets, run.datasets_for("train")
    )
    warnings += sanity_checks.score_warnings(scored, run.task.is_regression, advice)
    content = dict(
        _provenance(run, weights.contents, datasets),
        results=scored.figures,
        main_metrics=list(run.task.main),
        majority_accuracy=scored.majority_accuracy,
        majority_score=scored.majority_score,
        predicted_one_class=scored.one_class,
        label_scores=label_scores,
        **_training_summary(weights),
        warnings=warnings,
    )
    with result_files.ResultSet(run.output_dir.path) as results:
        for dataset, predicted in zip(datasets, predictions):
            name = result_files.EVAL_PREDICTIONS % dataset.data_file.suffix
            results.write(name, _predictions_lines(run, dataset, predicted))
        text = result_files.evaluation_text(scored.figures)
        results.write(result_files.EVAL_TEXT, [text])
        results.publish(result_files.EVAL_JSON, content)
    tensorboard.write(run.output_dir.join("eval"), scored.figures, step)
    _show_scores(run, datasets, scored)
    for report in label_scores if len(run.task.labels) > 2 else ():
        for line in label_report.lines(report, console.width()):
            log.info("%s", line)
    for line in warnings:
        log.warning(line)
    path = run.output_dir.join(result_files.EVAL_TEXT)
    log.info("Written to %s and %s", path, result_files.EVAL_JSON)


def predict(run, weights):
    """Predicts the test set; writes probabilities, a readable table and GLUE's file.

    Args:
      run: `run_record.Run`.
      weights: `choose_weights.Weights`.

    Raises:
      InputError: the probabilities are not finite, or memory or disk space runs out.
    """
    datasets = run.datasets_for("test")
    content = dict(
        _provenance(run, weights.contents, datasets),
        warnings=_warnings(run, weights, datasets),
    )
    with result_files.ResultSet(run.output_dir.path) as results:
        for dataset in datasets:
            predictions = _infer(
                run, weights, dataset, "prediction", "predict_batch_size"
            )
            _write_all_predictions(run, dataset, predictions, results)
        results.publish(result_files.PREDICT_JSON, content)
    for dataset in datasets:
        _show_prediction_files(run, dataset)


def _label_scores(task, parts, predictions):
    """What `label_report.compute` returns for each half; nothing for a regression."""
    if task.is_regression:
        return []
    return [
        label_report.compute(
            task.labels,
            part,
            found.label_ids,
            scoring.predicted_labels(task, found.probabilities),
        )
        for part, found in zip(parts, predictions)
    ]


def _training_summary(weights):
    """How the training of the weights went, as far as its directory shows it."""
    directory, step = weights.directory, weights.contents.step
    rows = training_history.read(directory.path)
    batch_size = directory.saved_run.settings.get("train_batch_size")
    return training_history.summary(rows, step or 0, batch_size)


def _infer(run, weights, dataset, phase, flag):
    """`inference.infer` in batches of the size that a flag gives."""
    label = " ".join(filter(None, (phase, dataset.data_file.layout.part)))
    log.info("%s: restoring %s", label.capitalize(), weights.contents.prefix)
    arguments = [run.datasets.index(dataset), label, flag]
    return _infer_dataset(
        run, weights.contents, *arguments, lambda: run.cluster.broadcast(arguments)
    )


def _infer_dataset(run, contents, index, label, flag, on_restored):
    with run.memory_errors(label, flag):
        return inference.infer(
            run,
            contents,
            run.datasets[index].records,
            getattr(run.settings, flag),
            label,
            on_restored,
        )


def assist(run):
    """Computes this worker's share of all that worker 0 evaluates and predicts.

    Worker 0 announces each dataset, and ends with `end_assistance`.

    Args:
      run: `run_record.Run` on another worker.
    """
    while True:
        arguments, _ = run.cluster.broadcast()
        if arguments is None:
            return
        _infer_dataset(run, None, *arguments, lambda: None)


def end_assistance(run):
    """Tells the other workers, if there are any, that all results are complete."""
    run.cluster.broadcast(None)


def _write_all_predictions(run, dataset, predictions, results):
    """Adds the prediction files of one dataset to a `result_files.ResultSet`."""
    data_file = dataset.data_file
    lines = result_files.probabilities_lines(predictions.probabilities)
    results.write(result_files.PROBABILITIES % data_file.suffix, lines)
    lines = _predictions_lines(run, dataset, predictions)
    results.write(result_files.PREDICTIONS % data_file.suffix, lines)
    if data_file.layout.submission:
        name = result_files.SUBMISSION % data_file.layout.submission
        predicted = scoring.predicted_labels(run.task, predictions.probabilities)
        results.write(name, [submission.text(run.task, predicted)])


def _show_prediction_files(run, dataset):
    data_file, join = dataset.data_file, run.output_dir.join
    path = join(result_files.PROBABILITIES % data_file.suffix)
    log.info("%d predictions written to %s", dataset.records.count, path)
    path = join(result_files.PREDICTIONS % data_file.suffix)
    log.info("With ids and labels: %s", path)
    if data_file.layout.submission:
        path = join(result_files.SUBMISSION % data_file.layout.submission)
        log.info("For GLUE's server: %s", path)


def _predictions_lines(run, dataset, predictions):
    """The lines of the readable table of predictions."""
    return result_files.predictions_lines(
        run.task,
        dataset.ids_and_labels,
        predictions.probabilities,
        scoring.predicted_labels(run.task, predictions.probabilities),
        has_labels=dataset.data_file.layout.label is not None,
        text_names=dataset.ids_and_labels.text_names,
    )


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
    texts = sanity_checks.text_warnings(datasets, run.settings, run.inputs.config)
    return [*run.inputs.warnings, *weights.warnings, *texts]


def _provenance(run, contents, datasets):
    """Where results come from: the run, the weights and their run, the data."""
    content = provenance.describe(run.settings, run.seed, run.device, run.cluster.count)
    paths = [dataset.data_file.path for dataset in datasets]
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
        data_file=paths[0],
        data_files=paths,
        data_sha256=run.inputs.data_digests[tuple(paths)],
        num_examples=sum(dataset.records.count for dataset in datasets),
        num_truncated=sum(dataset.truncated for dataset in datasets),
        num_unknown_words=sum(dataset.unknown.count for dataset in datasets),
    )
