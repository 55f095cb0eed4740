"""What comes of the weights: scores of the dev set, predictions of the test set."""

import os

from finetuning import (
    inference,
    provenance,
    reading,
    recorded,
    results,
    scoring,
    submission,
    summaries,
    verdicts,
)
from finetuning.console import log


def _infer(run, weights, examples, phase, flag):
    """`inference.infer` in batches of the size that a flag gives."""
    label = " ".join(filter(None, (phase, examples.source.split.part)))
    log.info("%s: restoring %s", label.capitalize(), weights.prefix)
    with run.memory_errors(label, flag):
        return inference.infer(
            inference.Inference(
                config=run.inputs.config,
                num_labels=run.task.num_outputs,
                contents=weights,
                examples=examples.records,
                batch_size=getattr(run.settings, flag),
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
        predictions = _infer(run, weights, each, "evaluation", "eval_batch_size")
        found.append((each.source.split.part, predictions))
        name = results.EVAL_PREDICTIONS % each.source.suffix
        _write_predictions(run, each, predictions, name)
    step = weights.step or 0
    scored = scoring.evaluate(run.task, found, step)
    output_dir = run.settings.output_dir
    path = results.write_evaluation(output_dir, scored.figures)
    warnings = _warnings(run, weights, sets)
    warnings += verdicts.of_training_set(sets, weights)
    warnings += verdicts.of_scores(scored, run.task.is_regression)
    _write_evaluation_json(run, weights, sets, scored, warnings)
    summaries.write(os.path.join(output_dir, "eval"), scored.figures, step)
    _show_scores(run, sets, scored)
    for line in warnings:
        log.warning(line)
    log.info("Written to %s and %s", path, results.EVAL_JSON)


def _show_scores(run, sets, scored):
    title = "Scores on %s (%d examples), step %d" % (
        " and ".join(each.source.path for each in sets),
        sum(each.records.count for each in sets),
        scored.figures["global_step"],
    )
    names = " and ".join(run.task.main)
    if len(run.task.main) > 1 or len(sets) > 1:
        names = "mean of %s%s" % (names, " of both halves" if len(sets) > 1 else "")
    titles = {scoring.MAIN_SCORE: "main score (%s)" % names}
    named = [
        (titles.get(name, name.replace("eval_", "")), scored.figures[name])
        for name in scored.shown
    ]
    if scored.majority_accuracy is not None:
        named.append(("(accuracy of the majority class)", scored.majority_accuracy))
    for line in results.table(title, named):
        log.info(line)


def _warnings(run, weights, sets):
    """What a reader of the results of these sets is to be warned of: lines."""
    found = verdicts.of_weights(weights, run.settings)
    return found + verdicts.of_sets(sets, run.settings)


def _write_evaluation_json(run, weights, sets, scored, warnings):
    content = _made_by(run, weights, sets)
    content["results"] = scored.figures
    content["main_metrics"] = list(run.task.main)
    content["majority_accuracy"] = scored.majority_accuracy
    content["majority_score"] = scored.majority_score
    content["predicted_one_class"] = scored.one_class
    content["warnings"] = warnings
    path = os.path.join(run.settings.output_dir, results.EVAL_JSON)
    provenance.write_json(path, content)


def _made_by(run, weights, sets):
    """What results come from: the run, the weights and what made them, the data."""
    content = provenance.describe(run.settings, run.seed, run.device)
    # What made the weights may be another run than this one.
    from_here = weights is not run.inputs.initial
    training = recorded.saved(run.settings.output_dir) if from_here else None
    content["training"] = training
    if training is not None:
        content["random_seed"] = training["random_seed"]
    elif not weights.fresh:
        content["random_seed"] = None
    content["task"] = run.task.name
    content["labels"] = list(run.task.labels)
    content["checkpoint"] = weights.prefix
    content["global_step"] = weights.step
    content["untrained_variables"] = list(weights.fresh)
    content["data_file"] = sets[0].source.path
    content["data_files"] = [each.source.path for each in sets]
    content["num_examples"] = sum(each.records.count for each in sets)
    content["num_truncated"] = sum(each.truncated for each in sets)
    return content


def predict(run, weights):
    """Writes what the model says of the test set: for programs, GLUE and people."""
    output_dir, written = run.settings.output_dir, []
    for each in run.of_kind("test"):
        predictions = _infer(run, weights, each, "prediction", "predict_batch_size")
        lines = results.probabilities_lines(predictions.probabilities)
        name = results.PROBABILITIES % each.source.suffix
        path = results.write(output_dir, name, lines)
        written.append(path)
        log.info("%d predictions written to %s", each.records.count, path)
        name = results.PREDICTIONS % each.source.suffix
        path = _write_predictions(run, each, predictions, name)
        written.append(path)
        log.info("The same with ids and labels: %s", path)
        if each.source.split.submission:
            name = results.SUBMISSION % each.source.split.submission
            predicted = scoring.predicted_labels(run.task, predictions.probabilities)
            path = results.write(
                output_dir, name, [submission.text(run.task, predicted)]
            )
            written.append(path)
            log.info("The same for GLUE's server: %s", path)
    content = _made_by(run, weights, run.of_kind("test"))
    content["warnings"] = _warnings(run, weights, run.of_kind("test"))
    content["files"] = [os.path.basename(path) for path in written]
    path = os.path.join(output_dir, results.PREDICT_JSON)
    provenance.write_json(path, content)


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
