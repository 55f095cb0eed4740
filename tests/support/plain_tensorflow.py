"""Runs a SavedModel with TensorFlow alone, without this program.

  python plain_tensorflow.py DIR INPUTS.npz OUTPUTS.npz

The inputs are arrays called NAME.NUMBER, those of one NUMBER for one call; so are the
outputs. A call that TensorFlow refuses has the output `error.NUMBER`, a text.
"""

import sys

import numpy as np
import tensorflow as tf

InvalidArgument = tf.errors.InvalidArgumentError


def load(directory):
    """Returns a function from named arrays to named arrays."""
    if tf.__version__.startswith("1."):
        session = tf.Session(graph=tf.Graph())
        model = tf.saved_model.load(session, ["serve"], directory)
        signature = model.signature_def["serving_default"]

        def predict(**inputs):
            feed = {signature.inputs[name].name: inputs[name] for name in inputs}
            outputs = {name: out.name for name, out in signature.outputs.items()}
            return session.run(outputs, feed)

        return predict

    signature = tf.saved_model.load(directory).signatures["serving_default"]

    def predict_eagerly(**inputs):
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        return {name: out.numpy() for name, out in signature(**tensors).items()}

    return predict_eagerly


def main(directory, inputs, outputs):
    predict, calls, found = load(directory), {}, {}
    with np.load(inputs) as arrays:
        for key in arrays.files:
            name, number = key.split(".")
            calls.setdefault(number, {})[name] = arrays[key]
    for number, call in calls.items():
        try:
            for name, value in predict(**call).items():
                found["%s.%s" % (name, number)] = value
        except InvalidArgument as error:
            found["error." + number] = error.message
    np.savez(outputs, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
