"""Which weights an evaluation or prediction uses."""

from typing import NamedTuple

from finetuning.checkpoints import compatibility
from finetuning.checkpoints.output_dir import OutputDir
from finetuning.data import label_map
from finetuning.evaluation import sanity_checks
from finetuning.utils.console import log
from finetuning.utils.errors import InputError

# How many checkpoints in a row may be removed before they can be restored.
_MAX_VANISHED = 5


class Weights(NamedTuple):
    """The weights that an evaluation or prediction uses.

    Attributes:
      contents: `compatibility.CheckpointContents`.
      directory: `OutputDir` of the run that trained them.
      warnings: lines that results from these weights carry.
    """

    contents: compatibility.CheckpointContents
    directory: OutputDir
    warnings: list


def use(run, action):
    """Calls `action(run, weights)` with the weights to use.

    If a training run in the same directory removes or replaces that checkpoint before
    it is restored, the action is repeated with the latest one.

    Args:
      run: `run_record.Run`.
      action: function of the run and `Weights`.

    Raises:
      InputError: the checkpoints are removed faster than they can be read.
    """
    for tries_left in reversed(range(_MAX_VANISHED)):
        try:
            action(run, find(run))
            return
        except compatibility.VanishedError as error:
            run.output_dir.refresh()
            latest = _latest(run)
            is_replaced = isinstance(error, compatibility.ReplacedError)
            if not is_replaced and latest.prefix == error.prefix:
                raise
            if latest.prefix is None:
                raise
            if not tries_left:
                raise InputError(
                    "%s: a training run there changes its checkpoints faster than they "
                    "can be read; run it with a higher --keep_checkpoint_max or "
                    "--save_checkpoints_steps, or wait until it ends" % latest.directory
                ) from None
            log.info(
                "%s %s: training continues there; using its latest checkpoint",
                error.prefix,
                error.problem,
            )


def find(run):
    """Reads which weights to use, and logs warnings about them.

    They are the best or the latest weights in the output directory, or else those of
    the initial checkpoint; `checks.inputs` has made sure that one of them exists. The
    best may still be missing if the run trains, but has nothing left to train.

    Args:
      run: `run_record.Run`.

    Returns:
      `Weights`.

    Raises:
      InputError: --keep_best is given, and there are no best weights; or the weights
        were trained with other labels.
    """
    if not run.settings.do_train and run.output_dir.lock_holder() is not None:
        # Training has continued there while the data was read.
        run.output_dir.refresh()
    if run.settings.keep_best:
        run.output_dir.require_best()
    latest = _latest(run)
    prefix = latest.intact_prefix()
    contents = run.inputs.initial if prefix is None else _read(run, prefix)
    for line in latest.warnings():
        log.warning(line)
    if prefix is not None and run.settings.keep_best:
        log.info("Using the best weights, from step %d: %s", contents.step, prefix)
    elif prefix is not None:
        _mention_best(run.output_dir, contents.step)
    directory = OutputDir.of_checkpoint(contents.prefix)
    if directory.path == run.output_dir.path:
        directory = run.output_dir
    if prefix is not None:  # Another training run may have started since the checks.
        label_map.require_same(directory.path, directory.labels, run.task)
    warnings = sanity_checks.weight_warnings(
        contents, directory, run.settings, run.inputs.fingerprints
    )
    for line in warnings:
        log.warning(line)
    return Weights(contents, directory, warnings)


def _latest(run):
    return run.output_dir.best if run.settings.keep_best else run.output_dir.latest


def _read(run, prefix):
    resumed = run.inputs.resumed
    if resumed is not None and resumed.prefix == prefix and resumed.is_unchanged():
        return resumed
    return compatibility.read_contents(prefix, run.inputs.config, run.task.num_outputs)


def _mention_best(output_dir, step):
    best = output_dir.best.prefix
    if best is None:
        return
    best_step = compatibility.read_step(best)
    if best_step != step:
        log.info(
            "Using the latest weights, from step %s; --keep_best=true uses the best, "
            "from step %d",
            step,
            best_step,
        )
