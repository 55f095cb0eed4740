"""One run of the program, from the settings to the results."""

import os
import shutil
import sys
import tempfile
from dataclasses import replace

import tensorflow.compat.v1 as tf

from encoder import mixed_precision
from finetuning import classifier
from finetuning.checkpoints import model_files, model_size
from finetuning.checkpoints.output_dir import LOCK_FILE, OutputDir
from finetuning.checks import workers as worker_checks
from finetuning.checks.inputs import check_inputs
from finetuning.data import preparation
from finetuning.device import detect, determinism, failures, self_test
from finetuning.evaluation import choose_weights, evaluate, sanity_checks
from finetuning.report import page
from finetuning.run_info import provenance
from finetuning.run_record import Run
from finetuning.training import loop, plan, train
from finetuning.utils import console, files
from finetuning.utils.console import log
from finetuning.utils.errors import InputError, WorkerError
from finetuning.workers import cluster as workers
from finetuning.workers import collectives, ending


@failures.tensorflow_errors()
@failures.disk_full_errors()
def main(settings, notes, resources):
    """Trains, evaluates and predicts, as the settings say.

    Args:
      settings: `Settings`.
      notes: lines to log about the flags, from `command_line.parse`.
      resources: `contextlib.ExitStack` that keeps the lock and the log file open, so
        that the caller can still log what ended the run.

    Raises:
      InputError: the user's files or flags cannot be used, or training fails.
      signals.Stopped: a signal has ended the training run.
      WorkerError: another worker has ended.
    """
    with workers.from_settings(settings) as cluster:
        try:
            if cluster.is_chief:
                lead(settings, notes, resources, cluster)
            else:
                assist(settings, resources, cluster)
        except tf.errors.OpError as error:
            cluster.check_error(error)
            lost = (tf.errors.AbortedError, tf.errors.UnavailableError)
            if cluster.count > 1 and isinstance(error, lost):
                raise WorkerError(
                    "the connection between TensorFlow's servers broke (%s); %s"
                    % (failures.reason(error), ending.RESUME)
                ) from error
            raise


def lead(settings, notes, resources, cluster):
    """The run of an only worker, or of worker 0, which alone writes files."""
    output_dir = OutputDir(settings.output_dir)
    # Any other directory is locked after the checks: nothing is written before them.
    is_used = os.path.isfile(output_dir.join(LOCK_FILE))
    if settings.do_train and is_used and not settings.check:
        take_lock(output_dir, resources)
    elif settings.do_train:
        output_dir.require_unlocked()
    inputs = check_inputs(settings, output_dir)
    device, compute, device_warnings = choose_device(settings)
    worker_checks.require_same(cluster, settings, inputs, device, compute)
    if not settings.check:
        if not is_used:
            inputs = create_output_dir(settings, output_dir, inputs, resources)
        resources.enter_context(console.log_file(output_dir.path, command=sys.argv))
    seed, seed_source = provenance.choose_seed(settings, output_dir.saved_run)
    first_step = inputs.resumed.step if inputs.resumed else 0
    cluster.broadcast([seed, first_step])
    run = Run(settings, inputs, output_dir, device, compute, seed, first_step, cluster)
    report(run, seed_source, notes, device_warnings)
    run = prepare_data(run, _record_directory(run, resources))
    warn_about_texts(run)
    training_plan = plan.make_plan(run) if settings.do_train else None
    if settings.check:
        report_check(run, training_plan)
        return
    run = connect(run)
    if settings.do_train:
        cluster.broadcast(training_plan.is_finished)
        train.train(run, training_plan)
    if settings.do_eval or settings.do_predict:
        choose_weights.use(run, evaluate_and_predict)
        evaluate.end_assistance(run)


def assist(settings, resources, cluster):
    """The run of every worker but the first.

    It computes its share of each step, with the weights of worker 0, and writes nothing
    but a log.
    """
    directory = resources.enter_context(tempfile.TemporaryDirectory())
    cluster.on_exit(lambda: shutil.rmtree(directory, ignore_errors=True))
    log_directory = settings.output_dir
    if settings.do_train:  # It is worker 0 that may resume a run.
        settings = replace(settings, output_dir=directory)
    output_dir = OutputDir(settings.output_dir)
    inputs = check_inputs(settings, output_dir, needs_weights=False)
    device, compute, device_warnings = choose_device(settings)
    worker_checks.require_same(cluster, settings, inputs, device, compute)
    if not settings.check:
        files.make_directory(log_directory)
        name = console.WORKER_LOG_FILE % cluster.index
        resources.enter_context(console.log_file(log_directory, name, sys.argv))
        log.info("Worker 0 shows the run; details: %s/%s", log_directory, name)
    (seed, first_step), _ = cluster.broadcast()
    run = Run(settings, inputs, output_dir, device, compute, seed, first_step, cluster)
    # With many workers on one screen, what all of them say is said once.
    with console.only_warnings():
        log.info("Device: %s", device.line())
        for line in device_warnings:
            log.warning(line)
        run = prepare_data(run, None if settings.check else directory)
        training_plan = plan.make_plan(run) if settings.do_train else None
        if not settings.check:
            share_work(run, training_plan)
            return
    log.info("CHECKED: this worker can start. Nothing was written")


def share_work(run, training_plan):
    """Computes this worker's share of the training, the evaluation and the prediction.

    Args:
      run: `Run` of another worker than the first.
      training_plan: `plan.TrainingPlan`; None if the run does not train.
    """
    run = connect(run)
    if run.settings.do_train:
        is_finished, _ = run.cluster.broadcast()
        if not is_finished:
            with run.memory_errors("training", "train_batch_size"):
                loop.train(run, training_plan)
    if run.settings.do_eval or run.settings.do_predict:
        evaluate.assist(run)


def connect(run):
    """Starts what several workers compute together; returns `Run`."""
    if run.cluster.count == 1:
        return run
    server = collectives.Collectives(run.cluster, run.device.kind, run.session_config)
    return replace(run, collectives=server)


def evaluate_and_predict(run, weights):
    """Evaluates, predicts and reports with the weights of one checkpoint."""
    if run.settings.do_eval:
        evaluate.evaluate(run, weights)
    if run.settings.do_predict:
        evaluate.predict(run, weights)
    if run.settings.report:
        page.write(run.output_dir.path)
    if not run.settings.do_train:
        _complete_directory(run, weights)


def _complete_directory(run, weights):
    """Saves what the weights need for their use, if they are in the output directory.

    A training run does so itself. One of an earlier version or of the original did not,
    and if this run reads text in another way than that one did, it is not known how.
    """
    contents, directory, _ = weights
    is_initial = contents is run.inputs.initial
    if is_initial or run.output_dir.lock_holder() is not None:
        return
    if sanity_checks.reading_warnings(
        contents, directory, run.settings, run.inputs.fingerprints
    ):
        return
    where = os.path.dirname(contents.prefix)
    written = model_files.complete(where, run)
    if written:
        log.info("Saved next to the weights, for their use: %s", ", ".join(written))


def take_lock(output_dir, resources):
    """Keeps other training runs out of the directory."""
    lock_file = output_dir.lock()
    if lock_file is not None:
        resources.enter_context(lock_file)


def choose_device(settings):
    """Finds and tests the device.

    Returns:
      `detect.Device`, `classifier.ComputeOptions`, and warnings about the device.

    Raises:
      InputError: the device is not what the settings require, or computes wrongly.
    """
    device = detect.find_device(settings.num_threads)
    if settings.require_gpu and device.kind != "GPU":
        raise InputError(
            "--require_gpu=true: TensorFlow finds no GPU, only %s; set "
            "TF_CPP_MIN_LOG_LEVEL=0 in the environment to see why" % device.line()
        )
    compute = choose_compute_options(settings, device)
    types = dict.fromkeys(("float32", compute.precision.dtype.name))
    return device, compute, self_test.check_device(device, types, settings.num_threads)


def choose_compute_options(settings, device):
    """Chooses how the graph computes on a device: `classifier.ComputeOptions`.

    Raises:
      InputError: the device does not support what the settings require.
    """
    precision = mixed_precision.FLOAT32
    if settings.precision == "mixed":
        precision = mixed_precision.get_precision(detect.short_type(device))
    if settings.xla:
        self_test.check_xla(device, settings.num_threads)
    on_gpu = device.kind == "GPU"
    # XLA fuses the norms itself.
    fuses_norm = (
        on_gpu
        and not settings.xla
        and self_test.has_row_norm(device, settings.num_threads)
    )
    return classifier.ComputeOptions(
        precision,
        xla=settings.xla,
        few_ops=on_gpu,
        fused_norm=fuses_norm,
    )


def create_output_dir(settings, output_dir, inputs, resources):
    """Creates the output directory if it is missing; a training run also locks it.

    Returns:
      `Inputs`, of new checks if another run has saved a checkpoint there meanwhile.
    """
    files.make_directory(output_dir.path)
    if settings.do_train:
        checked = output_dir.latest.prefix
        take_lock(output_dir, resources)
        output_dir.refresh()
        if output_dir.latest.prefix != checked:
            return check_inputs(settings, output_dir)
    return inputs


def report(run, seed_source, notes, device_warnings):
    """Logs the device, the task, the seed and whatever is unusual about the run."""
    log.info("Device: %s", run.device.line())
    for line in device_warnings:
        log.warning(line)
    log.info("Reproducibility: %s", determinism.brief(run.device.determinism))
    precision = run.compute.precision
    if precision.is_16_bit:
        log.info(
            "Matrix products in %s, everything else in float32", precision.dtype.name
        )
    log.info("Task: %s, results in %s", run.task.name, run.output_dir.path)
    log.info("Model: %s", model_size.line(run.inputs.config, run.task.num_outputs))
    for note in (*notes, *run.inputs.notes):
        log.info(note)
    for line in run.inputs.warnings:
        log.warning(line)
    if run.settings.do_train:
        log.info("Random seed: %d, %s", run.seed, seed_source)


def prepare_data(run, directory):
    """Reads all examples and writes the record files.

    Args:
      run: `Run`.
      directory: where to write them; None: nowhere.

    Returns:
      `Run` with its datasets.
    """
    datasets = preparation.prepare(run.settings, run.inputs, directory)
    return replace(run, datasets=datasets)


def warn_about_texts(run):
    """Warns where many texts are truncated or have unknown words."""
    for line in sanity_checks.text_warnings(
        run.datasets, run.settings, run.inputs.config
    ):
        log.warning(line)


def _record_directory(run, resources):
    """Where to write record files: not where a training run is reading its own.

    Returns:
      A directory; None for `--check`, which writes none.
    """
    if run.settings.check:
        return None
    if not run.settings.do_train:
        holder = run.output_dir.lock_holder()
        if holder is not None:
            log.info(
                "A training run is writing to %s (%s)", run.output_dir.path, holder
            )
            return resources.enter_context(tempfile.TemporaryDirectory())
    return run.output_dir.path


def report_check(run, training_plan):
    """Logs the result of --check."""
    if run.settings.do_train:
        if training_plan.is_finished:
            log.info("CHECKED: no problems found. Nothing was written")
            return
        train.report_start(run)
    else:
        saved = choose_weights.find(run).directory.saved_run
        for line in sanity_checks.training_set_warnings(
            run.datasets_for("dev"), saved, run.inputs.data_digests
        ):
            log.warning(line)
    log.info("CHECKED: this run can start. Nothing was written")
