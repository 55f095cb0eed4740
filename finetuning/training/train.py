"""A training run: what is saved about it before its first step, and its start."""

import modeling
from finetuning.checkpoints import cleanup, finding, model_files
from finetuning.data import columns
from finetuning.device import determinism
from finetuning.evaluation import history, result_files
from finetuning.run_info import provenance, saved_run
from finetuning.training import earlier_run, learning_curve, loop
from finetuning.utils import files
from finetuning.utils.console import log


def train(run, plan):
    """Trains to the last step of the plan, unless the run is finished already.

    Args:
      run: `run_record.Run`, which holds the lock of its output directory.
      plan: `plan.TrainingPlan`.

    Raises:
      InputError: training fails.
      signals.Stopped: a signal has ended it.
    """
    settings, output_dir = run.settings, run.output_dir
    removed = cleanup.remove_leftovers(output_dir.path)
    if removed:
        log.info("Removed what a killed run left: %s", ", ".join(removed))
    if plan.is_finished:
        if not files.exists(output_dir.join(result_files.LEARNING_CURVE)):
            _draw_learning_curve(output_dir, plan)
        return
    if run.inputs.resumed is not None:
        _set_old_scores_aside(run)
    else:
        _set_earlier_run_aside(output_dir)
    report_start(run)
    _save_settings(run, plan.hyperparameters.num_steps)
    model_files.save(output_dir.path, run)
    if settings.keep_best:
        best = output_dir.join(finding.BEST)
        files.make_directory(best)
        model_files.save(best, run)
    try:
        with run.memory_errors("training", "train_batch_size"):
            loop.train(run, plan)
        _draw_learning_curve(output_dir, plan)
    finally:
        output_dir.refresh()


def _draw_learning_curve(output_dir, plan):
    """Draws it if there are evaluations during training."""
    if plan.schedule is not None:
        learning_curve.draw(output_dir.path)
        log.info("Learning curve: %s", output_dir.join(result_files.LEARNING_CURVE))


def report_start(run):
    """Logs which weights the run starts from."""
    resumed, initial = run.inputs.resumed, run.inputs.initial
    if resumed is not None:
        for line in run.output_dir.latest.warnings():
            log.warning(line)
        log.info(
            "RESUMING at step %d from %s; to train from scratch, use an empty "
            "--output_dir",
            resumed.step,
            resumed.prefix,
        )
    elif initial is not None:
        for line in initial.lines():
            log.info("Warm start: %s", line)
        for line in initial.warnings():
            log.warning(line)
    else:
        log.warning("No --init_checkpoint: training starts from random weights")


def _set_old_scores_aside(run):
    """Renames the evaluation history if its scores are of another dev set."""
    saved, digests = run.output_dir.saved_run, run.inputs.fingerprints
    if saved_run.has_another_dev_set(saved, digests):
        path = history.set_aside(run.output_dir.path, run.inputs.resumed.step)
        if path is not None:
            log.warning("The scores on the previous dev set were moved to %s", path)


def _set_earlier_run_aside(output_dir):
    """Moves what a run left whose checkpoints were removed, with a warning."""
    folder, names = earlier_run.set_aside(output_dir)
    if folder is not None:
        log.warning(
            "An earlier training run in %s, which has no checkpoints any more, left "
            "%s: moved to %s",
            output_dir.path,
            finding.first_few(names),
            folder,
        )


def _save_settings(run, num_steps):
    """Saves the description of the run, before its first checkpoint."""
    inputs = run.inputs
    is_resumed = inputs.resumed is not None
    before = run.output_dir.saved_run if is_resumed else saved_run.SavedRun()
    description = provenance.describe(
        run.settings, run.seed, run.device, run.cluster.count
    )
    versions = saved_run.changed_versions(before, description)
    for line in versions:
        log.warning("This run resumes with different versions: %s", line)
    changes = list(before.changes)
    for change in (*inputs.changes, *versions):
        changes.append("step %d: %s" % (run.first_step, change))
    description.update(
        determinism.of_training(before.content or {}, run.first_step, description)
    )
    provenance.save(
        run.settings,
        description,
        fingerprints=saved_run.with_dev_set(before, inputs.fingerprints),
        changes=changes,
        planned_steps=num_steps,
        columns=columns.names(inputs.data_files[0].layout),
        activation=modeling.activation_name(inputs.config),
    )
