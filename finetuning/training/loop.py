"""The training session: its graph, the initial values of its variables, its steps."""

import contextlib
import time

import tensorflow.compat.v1 as tf

from encoder import mixed_precision
from finetuning import classifier
from finetuning.checkpoints import compatibility, finding, restoring, saving
from finetuning.checkpoints.mean_loss import MeanLoss
from finetuning.data import input_pipeline
from finetuning.evaluation.compilations import Compilations
from finetuning.training.checkpoint_hook import CheckpointHook, GraphFiles
from finetuning.training.evaluation_hook import EvaluationHook
from finetuning.training.hooks import ProgressHook, SaveListener, StepHook
from finetuning.training.shared_step import SharedStep
from finetuning.training.step_scalars import GPU_STEPS, StepScalars
from finetuning.utils import signals
from finetuning.utils.console import log
from finetuning.utils.progress import duration


def train(run, plan):
    """Trains to the last step of the plan, or until it stops early.

    Args:
      run: `run_record.Run`.
      plan: `plan.TrainingPlan`.

    Raises:
      InputError: the loss is not finite, or the disk is full.
      signals.Stopped: a signal has ended the run; its last step is saved.
    """
    log.info("Building the training graph")
    with tf.Graph().as_default(), run.collectives.placement():
        tf.set_random_seed(run.seed)
        request = signals.StopRequest()
        shared_step = SharedStep(run, request)
        graph = _training_graph(run, plan, shared_step.combine)
        scaffold = _scaffold(run)
        scalars = StepScalars(graph, _steps_between_looks(run), shared_step.received)
        graph_files = GraphFiles(run.output_dir.path, tf.get_default_graph())
        hooks = _hooks(run, plan, scalars, scaffold, request, graph_files)
        if shared_step.combine is not None:
            shared_step.fetch = scalars.fetch
            hooks.append(shared_step)
        step_hook = hooks[0]
        compilations = Compilations("the training step", graph.num_rows)
        hooks.append(compilations)
        take_step = _step_function(
            *(graph.accumulate_op, scalars.train_op, run.share.accumulate_steps),
            compilations,
        )
        log.info(_starting_line(run))
        started = time.monotonic()
        with signals.deferring_signals(request):
            with contextlib.ExitStack() as resources:
                if run.cluster.is_chief:
                    resources.enter_context(graph_files.finished(scaffold))
                session = resources.enter_context(_session(run, scaffold, hooks))
                for _ in range(run.first_step, plan.hyperparameters.num_steps):
                    if shared_step.stop or session.should_stop():
                        break
                    session.run_step_fn(take_step)
            # A worker that has no more steps waits here until worker 0 has saved.
            shared_step.settle()
        tf.summary.FileWriterCache.clear()
        log.info("Training took %s", duration(time.monotonic() - started))
    if shared_step.stop:
        raise signals.Stopped(
            "STOPPED by %s after step %d of %d, %s; rerun the same command to resume"
            % (
                shared_step.stop.name,
                step_hook.step,
                plan.hyperparameters.num_steps,
                "saved as %s-%d" % (run.output_dir.join("model.ckpt"), step_hook.step)
                if run.cluster.is_chief
                else "saved by worker 0",
            ),
            shared_step.stop,
        )


def _steps_between_looks(run):
    """See `StepScalars`.

    Several workers must learn after each step whether to stop.
    """
    return GPU_STEPS if run.device.kind == "GPU" and run.cluster.count == 1 else 1


def _hooks(run, plan, scalars, scaffold, request, graph_files):
    """The hooks of this worker; only worker 0 shows progress and writes files.

    The order matters: a loss that is not finite must end the run before a save.
    """
    mean_loss = MeanLoss(run.settings.output_dir)
    listeners = [] if plan.schedule is None else [mean_loss]
    if run.cluster.is_chief:
        step_hook = ProgressHook(run, plan, scalars, mean_loss)
        saver_hook = CheckpointHook(
            *(run, step_hook, scaffold),
            listeners=[SaveListener(run, step_hook)] + listeners,
            graph_files=graph_files,
        )
        hooks = [step_hook, saver_hook]
    else:
        step_hook = StepHook(run, plan, scalars)
        hooks = [step_hook]
    if plan.schedule is not None:
        hooks.append(EvaluationHook(run, plan, step_hook, mean_loss, request))
    return hooks


def _step_function(accumulate_op, train_op, accumulate_steps, compilations):
    """What `MonitoredSession.run_step_fn` calls for one optimiser step."""

    def take_step(step_context):
        # Without hooks: they see a step once, when it is complete.
        for _ in range(accumulate_steps - 1):
            compilations.run(step_context.session, accumulate_op)
        step_context.run_with_hooks(train_op)

    return take_step


def _session(run, scaffold, hooks):
    """A session that is not replaced if it is lost.

    A new one would begin with the initial weights, while the other workers wait for the
    next step.
    """
    return tf.train.SingularMonitoredSession(
        hooks=hooks,
        scaffold=scaffold,
        master=run.collectives.target,
        config=run.session_config,
    )


def _training_graph(run, plan, combine):
    batch = input_pipeline.training_batches(
        plan.dataset.records,
        run.settings.train_batch_size,
        run.seed,
        run.first_step,
        run.share,
    )
    return classifier.training_graph(
        run.inputs.config,
        run.task.num_outputs,
        batch,
        run.seed,
        plan.hyperparameters,
        run.compute,
        run.share.accumulate_steps,
        combine,
    )


def _scaffold(run):
    """Defines how variables are initialised or restored, and how they are saved."""
    saver = saving.Saver(keep=run.settings.keep_checkpoint_max)
    # The optimiser's state is zero on all workers when a run begins.
    shared = tf.global_variables() if run.first_step else tf.trainable_variables()
    broadcast = run.collectives.broadcast(shared)
    resumed, initial = run.inputs.resumed, run.inputs.initial
    start = (resumed or initial) if run.cluster.is_chief else None
    if start is None:
        return tf.train.Scaffold(
            init_fn=lambda _, session: session.run(broadcast), saver=saver, **_ready()
        )
    variables = {variable.op.name: variable for variable in tf.global_variables()}
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
        session.run(broadcast)

    return tf.train.Scaffold(
        init_op=tf.variables_initializer(fresh),
        init_fn=restore,
        saver=saver,
        **_ready(),
    )


def _ready():
    """The arguments by which a `tf.train.Scaffold` takes all variables as initialised.

    It would ask each of them, twice, by ops that take seconds to build and to run.
    """
    nothing = tf.constant([], tf.string)
    return {"ready_op": nothing, "ready_for_local_init_op": nothing}


def _resumed_variables(prefix, variables):
    """All variables but the loss scale if a float32 run saved none."""
    optional = tf.global_variables(mixed_precision.LOSS_SCALE_SCOPE + "/")
    missing = {v.op.name for v in compatibility.missing_from(prefix, optional)}
    return {name: variables[name] for name in variables if name not in missing}


def _starting_line(run):
    if not run.cluster.is_chief:
        return "Taking the weights of worker 0; the first step takes the longest"
    if run.inputs.resumed is not None:
        return "Restoring the training state of step %d" % run.first_step
    if run.inputs.initial is not None:
        return "Restoring the initial weights; the first step takes the longest"
    return "Drawing random weights; the first step takes the longest"
