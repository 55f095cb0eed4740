"""Fine-tunes BERT on a GLUE task, evaluates it, predicts with it.

  python run_classifier.py --help

The door alone: flags become settings here, and `finetuning` does the rest. The names
that BERT code in the wild imports from this module stay importable.
"""

import contextlib
import sys

from finetuning.data.features import (
    InputExample,
    InputFeatures,
    convert_examples_to_features,
    convert_single_example,
)
from finetuning.device import backend, detect
from finetuning.flags import command_line
from finetuning.utils import console, exit_status, signals
from finetuning.utils.console import log
from finetuning.utils.errors import InputError

__all__ = [
    "InputExample",
    "InputFeatures",
    "convert_examples_to_features",
    "convert_single_example",
    "create_model",
    "main",
]


def create_model(*args, **kwargs):
    """See `classifier.create_model`, which this is."""
    # Imported here, so that --help and a misspelt flag do not wait for TensorFlow.
    from finetuning import classifier

    return classifier.create_model(*args, **kwargs)


def main(argv=None):
    """Runs one command line; returns the exit status."""
    argv = sys.argv if argv is None else argv
    if command_line.has_help_flag(argv):
        print(command_line.help_text(argv[0]))
        return 0
    debug = command_line.has_debug_flag(argv)
    with contextlib.ExitStack() as logs:
        logs.enter_context(console.screen(debug))
        logs.enter_context(signals.handling_signals())
        try:
            chosen, without_effect = command_line.parse(argv)
            backend.start()
            _run(chosen, without_effect, logs)
        except (Exception, KeyboardInterrupt) as error:
            return exit_status.report(error, debug)
    return exit_status.SUCCESS


def _run(chosen, without_effect, logs):
    """Checks, then executes; a log file that it opens stays open in `logs`."""
    from finetuning import phases, run
    from finetuning.checks.inputs import check as check_inputs
    from finetuning.device import failures, self_test
    from finetuning.run_info import provenance
    from finetuning.utils import files

    device = detect.find_device(chosen.num_threads)
    if chosen.require_gpu and device.kind != "GPU":
        raise InputError(
            "--require_gpu: TensorFlow finds no GPU; %s; TF_CPP_MIN_LOG_LEVEL=0 in the "
            "environment shows why" % device.line()
        )
    compute = run.choose_compute_options(chosen, device)
    types = dict.fromkeys(("float32", compute.precision.dtype.name))
    warnings = self_test.check_device(device, types, chosen.num_threads)
    with failures.tensorflow_errors(of_files_alone=True):
        inputs = check_inputs(chosen)
    if not chosen.check:
        files.make_directory(chosen.output_dir)
        if chosen.do_train:
            inputs = _alone(chosen, inputs, logs)
        logs.enter_context(console.log_file(chosen.output_dir))
    log.info("Device: %s", device.line())
    for line in warnings:
        log.warning(line)
    log.info("Reproducibility: %s", device.determinism)
    if compute.precision.is_short:
        log.info("Products in %s, all else in float32", compute.precision.dtype.name)
    log.info("Task: %s, results in %s", inputs.task.name, chosen.output_dir)
    for name in without_effect:
        log.info("--%s has no effect: it served TPUs", name)
    for note in inputs.notes:
        log.info(note)
    seed = provenance.choose_seed(chosen)
    with failures.tensorflow_errors(), failures.disk_full_errors():
        start = phases.check if chosen.check else phases.execute
        start(run.Run(chosen, inputs, device, seed, compute))


def _alone(chosen, inputs, logs):
    """Locks the output directory as long as `logs` lasts; the inputs as of then."""
    from finetuning import phases
    from finetuning.checkpoints import finding
    from finetuning.checks.inputs import check as check_inputs

    lock = phases.take_lock(chosen)
    if lock is not None:
        logs.enter_context(lock)
    resumed = inputs.resumed and inputs.resumed.prefix
    if finding.find_newest(chosen.output_dir).prefix == resumed:
        return inputs
    # Another training has come to its end since they were looked at.
    return check_inputs(chosen)


if __name__ == "__main__":
    sys.exit(main())
