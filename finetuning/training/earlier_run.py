"""What an earlier training run left in an output directory without its checkpoints.

A run that starts from scratch there must not take another run's best weights and
evaluations for its own, nor overwrite what the user may still need.
"""

import os

from finetuning.checkpoints import finding, model_files
from finetuning.evaluation import history, result_files
from finetuning.flags import flag_file
from finetuning.run_info import saved_run
from finetuning.utils import files

_FOLDER = "earlier_run_%d"
_EVENTS = "events.out.tfevents."
# Every run rewrites these, so they are worth keeping only together with the rest.
_DESCRIPTION = (*model_files.NAMES, flag_file.FILE, saved_run.SETTINGS_FILE)


def set_aside(output_dir):
    """Moves the files of an earlier training run to a folder, and no others.

    Args:
      output_dir: `OutputDir` without a checkpoint.

    Returns:
      The folder, and the names of the moved files; (None, []) if there were none.
    """
    best = _names(output_dir, finding.BEST, _is_best_weights)
    if output_dir.has_run_in_best or not any(map(finding.part_of, best)):
        best = []
    evaluations = _names(output_dir, "", history.is_history)
    results = _names(output_dir, "", result_files.all_names().__contains__)
    results += _names(output_dir, "eval", _is_events)
    is_of_training = output_dir.saved_run.exists or best or evaluations
    if not is_of_training or not (best or evaluations or results):
        return None, []
    results += _names(output_dir, "", _is_events)
    description = _names(output_dir, "", _DESCRIPTION.__contains__)
    # The description is last: without it, what is left would not be recognised if the
    # program were killed here.
    moved = results + evaluations + best + description
    folder = _new_folder(output_dir)
    for name in moved:
        target = os.path.join(folder, name)
        files.make_directory(os.path.dirname(target))
        files.rename(output_dir.join(name), target)
    output_dir.refresh()
    return folder, moved


def _names(output_dir, folder, is_wanted):
    """The names of files in a folder, relative to the output directory."""
    directory = output_dir.join(folder)
    names = files.list_directory(directory) if files.is_directory(directory) else []
    return [
        os.path.join(folder, name)
        for name in names
        if is_wanted(name) and not files.is_directory(os.path.join(directory, name))
    ]


def _is_best_weights(name):
    is_part = name.startswith("model.ckpt-") and finding.part_of(name) is not None
    return is_part or name in (finding.STATE_FILE, *model_files.NAMES)


def _is_events(name):
    return name.startswith(_EVENTS)


def _new_folder(output_dir):
    number = 1
    while files.exists(output_dir.join(_FOLDER % number)):
        number += 1
    return output_dir.join(_FOLDER % number)
