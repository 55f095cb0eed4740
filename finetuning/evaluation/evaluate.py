"""What comes of the weights: scores of the dev set, predictions of the test set."""

import os

from finetuning.data import reading
from finetuning.evaluation import (
    inference,
    result_files,
    sanity_checks,
    scoring,
    submission,
)
from finetuning.run_info import provenance, saved_run
from finetuning.utils import tensorboard
from finetuning.utils.console import log


def _infer(run, weights, examples, phase, flag):
    """`inference.infer` in batches of the size that a flag gives."""
    label = " ".join(filter(None, (phase, examples.data_file.layout.part)))
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
                compute=run.compute,
                session_config=run.session_config,
            )
        )


def evaluate(run, weights):
    """Scores the development set; writes and shows the results."""
    sets, found = run.datasets_for("dev"), []
    for each in sets:
        predictions = _infer(run, weights, each, "evaluation", "eval_batch_size")
        found.append((each.data_file.layout.part, predictions))
        name = result_files.EVAL_PREDICTIONS % each.data_file.suffix
        _write_predictions(run, each, predictions, name)
    step = weights.step or 0
    scored = scoring.evaluate(run.task, found, step)
    output_dir = run.settings.output_dir
    path = result_files.write_evaluation(output_dir, scored.figures)
    warnings = _warnings(run, weights, sets)
    warnings += sanity_checks.training_set_warnings(sets, weights)
    warnings += sanity_checks.score_warnings(scored, run.task.is_regression)
    _write_evaluation_json(run, weights, sets, scored, warnings)
    tensorboard.write(os.path.join(output_dir, "eval"), scored.figures, step)
    _show_scores(run, sets, scored)
    for line in warnings:
        log.warning(line)
    log.info("Written to %s and %s", path, result_files.EVAL_JSON)


def _show_scores(run, sets, scored):
    title = "Scores on %s (%d examples), step %d" % (
        " and ".join(each.data_file.path for each in sets),
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
    for line in result_files.table(title, named):
        log.info(line)


def _warnings(run, weights, sets):
    """What a reader of the results of these sets is to be warned of: lines."""
    found = sanity_checks.weight_warnings(weights, run.settings)
    return found + sanity_checks.truncation_warnings(sets, run.settings)


def _write_evaluation_json(run, weights, sets, scored, warnings):
    content = _made_by(run, weights, sets)
    content["results"] = scored.figures
    content["main_metrics"] = list(run.task.main)
    content["majority_accuracy"] = scored.majority_accuracy
    content["majority_score"] = scored.majority_score
    content["predicted_one_class"] = scored.one_class
    content["warnings"] = warnings
    path = os.path.join(run.settings.output_dir, result_files.EVAL_JSON)
    provenance.write_json(path, content)


def _made_by(run, weights, sets):
    """What results come from: the run, the weights and what made them, the data."""
    content = provenance.describe(run.settings, run.seed, run.device)
    # What made the weights may be another run than this one.
    from_here = weights is not run.inputs.initial
    training = saved_run.load(run.settings.output_dir) if from_here else None
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
    content["data_file"] = sets[0].data_file.path
    content["data_files"] = [each.data_file.path for each in sets]
    content["num_examples"] = sum(each.records.count for each in sets)
    content["num_truncated"] = sum(each.truncated for each in sets)
    return content


def predict(run, weights):
    """Writes what the model says of the test set: for programs, GLUE and people."""
    output_dir, written = run.settings.output_dir, []
    for each in run.datasets_for("test"):
        predictions = _infer(run, weights, each, "prediction", "predict_batch_size")
        lines = result_files.probabilities_lines(predictions.probabilities)
        name = result_files.PROBABILITIES % each.data_file.suffix
        path = result_files.write(output_dir, name, lines)
        written.append(path)
        log.info("%d predictions written to %s", each.records.count, path)
        name = result_files.PREDICTIONS % each.data_file.suffix
        path = _write_predictions(run, each, predictions, name)
        written.append(path)
        log.info("The same with ids and labels: %s", path)
        if each.data_file.layout.submission:
            name = result_files.SUBMISSION % each.data_file.layout.submission
            predicted = scoring.predicted_labels(run.task, predictions.probabilities)
            path = result_files.write(
                output_dir, name, [submission.text(run.task, predicted)]
            )
            written.append(path)
            log.info("The same for GLUE's server: %s", path)
    content = _made_by(run, weights, run.datasets_for("test"))
    content["warnings"] = _warnings(run, weights, run.datasets_for("test"))
    content["files"] = [os.path.basename(path) for path in written]
    path = os.path.join(output_dir, result_files.PREDICT_JSON)
    provenance.write_json(path, content)


def _write_predictions(run, each, predictions, name):
    """Writes the table of predictions for people; returns its path."""
    lines = result_files.predictions_lines(
        run.task,
        reading.read_examples(run.task, each.data_file),
        predictions.probabilities,
        scoring.predicted_labels(run.task, predictions.probabilities),
        has_labels=each.data_file.layout.label is not None,
    )
    return result_files.write(run.settings.output_dir, name, lines)
