"""A request that TensorFlow Serving runs before it accepts others.

The first request to a model is slow. TensorFlow Serving first runs those that it finds
in the model's folder: a TFRecord file of `PredictionLog` messages. They are defined in
https://github.com/tensorflow/serving/tree/master/tensorflow_serving/apis, which is a
package of its own; as all fields that are needed here are messages or strings, one
function encodes them.
"""

import os

import tensorflow.compat.v1 as tf

_PATH = os.path.join("assets.extra", "tf_serving_warmup_requests")
# The numbers of the fields in prediction_log.proto and predict.proto.
_PREDICT_LOG, _REQUEST, _INPUTS = 6, 1, 2
_MAP_KEY, _MAP_VALUE = 1, 2
_LENGTH_DELIMITED = 2


def write(directory, inputs):
    """Writes one request into the directory of a SavedModel.

    Args:
      directory: the directory.
      inputs: dictionary from the names of the inputs to nested lists of ints.
    """
    path = os.path.join(directory, _PATH)
    os.makedirs(os.path.dirname(path))
    with tf.io.TFRecordWriter(path) as writer:
        writer.write(_prediction_log(inputs))


def _prediction_log(inputs):
    request = b""
    for name, value in inputs.items():
        tensor = tf.make_tensor_proto(value, tf.int32).SerializeToString()
        entry = _field(_MAP_KEY, name.encode("utf-8")) + _field(_MAP_VALUE, tensor)
        request += _field(_INPUTS, entry)
    return _field(_PREDICT_LOG, _field(_REQUEST, request))


def _field(number, content):
    """A field of type string, bytes or message.

    See https://protobuf.dev/programming-guides/encoding: its number and type, its
    length as a varint, and its content.
    """
    length, varint = len(content), bytearray()
    while length > 0x7F:
        varint.append(length & 0x7F | 0x80)
        length >>= 7
    varint.append(length)
    return bytes([number << 3 | _LENGTH_DELIMITED]) + bytes(varint) + content
