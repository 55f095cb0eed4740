"""The training session: its graph, the initial values of its variables, its steps."""

import time

import tensorflow.compat.v1 as tf

from encoder import mixed_precision
from finetuning import classifier
from finetuning.checkpoints import compatibility, finding, restoring, saving
from finetuning.checkpoints.mean_loss import MeanLoss
from finetuning.data import input_pipeline
from finetuning.training.evaluation_hook import EvaluationHook
from finetuning.training.hooks import ProgressHook, SaveListener
from finetuning.utils import signals
from finetuning.utils.console import log
from finetuning.utils.progress import duration


def train(run, plan):
    """Trains to the last step of the plan, or until it stops early.

    Args:
      run: `run.Run`.
      plan: `plan.TrainingPlan`.

    Raises:
      InputError: the loss is not finite, or the disk is full.
      signals.Stopped: a signal has ended the run; its last step is saved.
    """
    settings = run.settings
    log.info("Building the training graph")
    with tf.Graph().as_default():
        tf.set_random_seed(run.seed)
        graph = _training_graph(run, plan)
        scaffold = _scaffold(run)
        mean_loss = MeanLoss(settings.output_dir)
        listeners = [SaveListener(run)]
        if plan.schedule is not None:
            listeners.append(mean_loss)
        saver_hook = tf.train.CheckpointSaverHook(
            settings.output_dir,
            save_steps=settings.save_checkpoints_steps,
            scaffold=scaffold,
            listeners=listeners,
        )
        progress_hook = ProgressHook(run, plan, graph, mean_loss)
        # The order matters: a loss that is not finite must end the run before a save.
        hooks = [progress_hook, saver_hook]
        stop_request = signals.StopRequest()
        if plan.schedule is not None:
            hooks.append(
                EvaluationHook(run, plan, progress_hook, mean_loss, stop_request)
            )
        take_step = _step_function(graph, settings.accumulate_steps)
        log.info(_starting_line(run))
        started = time.monotonic()
        with signals.deferring_signals(stop_request), _session(
            run, scaffold, hooks
        ) as session:
            for _ in range(run.first_step, plan.hyperparameters.num_steps):
                if stop_request or session.should_stop():
                    break
                session.run_step_fn(take_step)
        tf.summary.FileWriterCache.clear()
        log.info("Training took %s", duration(time.monotonic() - started))
    if stop_request:
        raise signals.Stopped(
            "STOPPED by %s after step %d of %d, saved as %s-%d; rerun the same command "
            "to resume"
            % (
                stop_request.name,
                progress_hook.step,
                plan.hyperparameters.num_steps,
                run.output_dir.join("model.ckpt"),
                progress_hook.step,
            ),
            stop_request,
        )


def _step_function(graph, accumulate_steps):
    """What `MonitoredSession.run_step_fn` calls for one optimiser step."""

    def take_step(step_context):
        # Without hooks: they see a step once, when it is complete.
        for _ in range(accumulate_steps - 1):
            step_context.session.run(graph.accumulate_op)
        step_context.run_with_hooks(graph.train_op)

    return take_step


def _session(run, scaffold, hooks):
    return tf.train.MonitoredTrainingSession(
        scaffold=scaffold,
        hooks=hooks,
        save_checkpoint_secs=None,
        save_checkpoint_steps=None,
        save_summaries_steps=None,
        save_summaries_secs=None,
        log_step_count_steps=None,
        config=run.session_config,
    )


def _training_graph(run, plan):
    accumulate_steps = run.settings.accumulate_steps
    batch = input_pipeline.training_batches(
        plan.dataset.records,
        run.settings.train_batch_size,
        run.seed,
        run.first_step,
        input_pipeline.Share(accumulate_steps=accumulate_steps),
    )
    return classifier.training_graph(
        run.inputs.config,
        run.task.num_outputs,
        batch,
        run.seed,
        plan.hyperparameters,
        run.compute,
        accumulate_steps,
    )


def _scaffold(run):
    """Defines how variables are initialised or restored, and how they are saved."""
    saver = saving.Saver(keep=run.settings.keep_checkpoint_max)
    resumed, initial = run.inputs.resumed, run.inputs.initial
    variables = {variable.op.name: variable for variable in tf.global_variables()}
    start = resumed or initial
    if start is None:
        return tf.train.Scaffold(saver=saver)
    with start.restoring():
        if resumed is None:
            restored = initial.restored
            restorer = initial.restorer(variables)
        else:
            restored = _resumed_variables(resumed.prefix, variables)
            restorer = restoring.Restorer(resumed.prefix, restored)
            # Otherwise the saver would never delete the checkpoints of earlier runs.
            saver.recover_last_checkpoints(finding.all_in(run.output_dir.path))
    fresh = [variable for name, variable in variables.items() if name not in restored]

    def restore(scaffold, session):
        del scaffold
        with start.restoring():
            restorer.restore(session)

    return tf.train.Scaffold(
        init_op=tf.variables_initializer(fresh),
        init_fn=restore,
        saver=saver,
    )


def _resumed_variables(prefix, variables):
    """All variables but the loss scale if a float32 run saved none."""
    optional = tf.global_variables(mixed_precision.LOSS_SCALE_SCOPE + "/")
    missing = {v.op.name for v in compatibility.missing_from(prefix, optional)}
    return {name: variables[name] for name in variables if name not in missing}


def _starting_line(run):
    if run.inputs.resumed is not None:
        return "Restoring the training state of step %d" % run.first_step
    if run.inputs.initial is not None:
        return "Restoring the initial weights; the first step takes the longest"
    return "Drawing random weights; the first step takes the longest"
