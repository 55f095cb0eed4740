"""A checkpoint of the weights alone, a third of the size of one to resume from."""

import os
import shlex

import tensorflow.compat.v1 as tf

from finetuning.checkpoints import compatibility, model_files, saving
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
    with output.new_directory(path) as directory:
        _save_weights(model, os.path.join(directory, _NAME))
        for name in model_files.NAMES:
            files.copy(
                os.path.join(model.directory, name), os.path.join(directory, name)
            )
    return [
        "python run_classifier.py --do_predict=true --data_dir=DIR --output_dir=%s"
        % shlex.quote(path)
    ]


def _save_weights(model, path):
    contents = model.contents
    shapes = compatibility.model_shapes(model.config, model.num_outputs)
    with tf.Graph().as_default():
        variables = {
            name: tf.get_variable(name, shape, initializer=tf.zeros_initializer())
            for name, shape in shapes.items()
        }
        saved = list(variables.values())
        with contents.restoring():
            restorer = contents.restorer(variables)
        if contents.step is not None:
            saved.append(tf.train.get_or_create_global_step())
        saver = saving.Saver(saved, keep=1)
        config = tf.ConfigProto(device_count={"GPU": 0})
        with tf.Session(config=config) as session:
            if contents.step is not None:
                saved[-1].load(contents.step, session)
            with contents.restoring():
                restorer.restore(session)
            saver.save(session, path, contents.step, write_meta_graph=False)
