"""A checkpoint of the weights alone, a third of the size of one to resume from."""

import contextlib
import os
import shlex

import tensorflow.compat.v1 as tf

from finetuning.checkpoints import finding, model_files, restoring
from finetuning.device import failures
from finetuning.export import output
from finetuning.utils import files

_NAME = "model.ckpt"


@failures.tensorflow_errors(only_files=True)
def export(model, path):
    """Writes the weights under Google's names, and the files that their use needs.

    The directory is one that every command takes for --output_dir or --init_checkpoint,
    like `best/`. There is no optimiser state, and all weights are float32.

    Args:
      model: `trained_model.TrainedModel`.
      path: the directory to write, which must be new or empty.

    Returns:
      Lines that say how to use it.

    Raises:
      InputError: something is at `path`, or the disk is full.
      VanishedError: the checkpoint was removed or replaced since it was read.
      OSError: the directory cannot be written.
    """
    contents = model.contents
    name = _NAME if contents.step is None else "%s-%d" % (_NAME, contents.step)
    with output.new_directory(path) as directory:
        with contents.restoring():
            _copy_weights(contents, os.path.join(directory, name))
        files.write_text(
            os.path.join(directory, finding.STATE_FILE),
            'model_checkpoint_path: "%s"\n' % name,
        )
        for file in model_files.NAMES:
            files.copy(
                os.path.join(model.directory, file), os.path.join(directory, file)
            )
    return [
        "python run_classifier.py --do_predict=true --data_dir=DIR --output_dir=%s"
        % shlex.quote(path)
    ]


def _copy_weights(contents, prefix):
    """Saves the weights, cast to float32, and the step without building a model."""
    names = {name: name for name in ["global_step"] if contents.step is not None}
    names.update(contents.restored)
    with restoring.open_reader(contents.prefix) as reader:
        types = reader.get_variable_to_dtype_map()
    with contextlib.ExitStack() as stack:
        stack.enter_context(tf.Graph().as_default())
        stack.enter_context(tf.device("/cpu:0"))
        values = tf.raw_ops.RestoreV2(
            prefix=stack.enter_context(restoring.exact_prefix(contents.prefix)),
            tensor_names=list(names.values()),
            shape_and_slices=[""] * len(names),
            dtypes=[types[name] for name in names.values()],
        )
        save = tf.raw_ops.SaveV2(
            prefix=prefix,
            tensor_names=list(names),
            shape_and_slices=[""] * len(names),
            tensors=[
                tf.cast(value, tf.float32) if value.dtype.is_floating else value
                for value in values
            ],
        )
        config = tf.ConfigProto(device_count={"GPU": 0})
        stack.enter_context(tf.Session(config=config)).run(save)
