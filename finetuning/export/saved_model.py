"""A SavedModel, which TensorFlow Serving and any TensorFlow from 1.14 on load.

An export of either TensorFlow loads in the other: its variables are of the old kind,
nothing in it is random, and attributes that TensorFlow 1 does not know are left out.
"""

import contextlib
import os
import re
import shlex
from typing import Any, Dict, NamedTuple

import numpy as np
import tensorflow.compat.v1 as tf

from finetuning import classifier
from finetuning.checkpoints import model_files, restoring
from finetuning.device import failures
from finetuning.export import output, warmup
from finetuning.utils import files
from finetuning.utils.errors import InputError

SIGNATURE = "serving_default"
INPUTS = ("input_ids", "input_mask", "segment_ids")
# What a classifier returns, and what a regression returns.
PROBABILITIES, LOGITS, VALUE = "probabilities", "logits", "value"
# What a model that is looked at returns, too.
ATTENTION = "attention"
# The folder of `model_files.NAMES` in an export.
ASSETS = "assets"
_GRAPH = "saved_model.pb"
# What TensorFlow raises for files that are damaged or missing, beside its own errors.
_LOAD_ERRORS = (OSError, ValueError, RuntimeError, KeyError)
_MAX_VERSION = 2**63 - 1


@failures.tensorflow_errors(only_files=True)
def export(model, path, version=None):
    """Writes `path`/`version`/, as TensorFlow Serving expects it.

    The signature is called `serving_default`. It takes `input_ids`, `input_mask` and
    `segment_ids`, int32 [B, S] with any B and S, and returns float32 `probabilities`
    and `logits` [B, L]; or for a regression `value` [B]. Inputs outside the model are
    refused with tf.errors.InvalidArgumentError.

    Args:
      model: `trained_model.TrainedModel`.
      path: the directory of all versions; it may exist.
      version: int that must be new there; None: the highest one and 1.

    Returns:
      Lines of Python that use it.

    Raises:
      InputError: the version exists or is no version, `path` is a file, or the disk is
        full.
      VanishedError: the checkpoint was removed or replaced since it was read.
      OSError: the directory cannot be written.
    """
    target = os.path.join(path, str(_new_version(path, version)))
    with output.new_directory(target) as directory:
        _save_graph(model, directory)
        assets = os.path.join(directory, ASSETS)
        os.makedirs(assets)
        for name in model_files.NAMES:
            files.copy(os.path.join(model.directory, name), os.path.join(assets, name))
        warmup.write(directory, _longest_example(model))
        for folder, _, names in os.walk(directory):
            for name in names:
                files.sync(os.path.join(folder, name))
            files.sync_directory(folder)
    return [
        "docker run --rm -p 8501:8501 -v %s:/models/model tensorflow/serving"
        % shlex.quote(os.path.abspath(path)),
        "tf.saved_model.load(%r).signatures[%r]  # In Python" % (target, SIGNATURE),
    ]


def _new_version(path, version):
    """The number of a version that does not exist in a directory."""
    output.require_local(path)
    restoring.refuse_pattern(path)
    if os.path.lexists(path) and not os.path.isdir(path):
        raise InputError("--output=%s is a file, expected a directory" % path)
    existing = _versions(path)
    free = max(existing, default=0) + 1
    if version is None:
        return free
    if not 0 <= version <= _MAX_VERSION:
        raise InputError(
            "--version=%d: expected a whole number from 0 to %d"
            % (version, _MAX_VERSION)
        )
    if version in existing:
        raise InputError(
            "--version=%d: %s exists; it was not changed: leave --version out, which "
            "means %d, or use another one"
            % (version, os.path.join(path, existing[version]), free)
        )
    return version


def _versions(path):
    """Dictionary from the numbers of the versions in a directory to their names."""
    names = os.listdir(path) if os.path.isdir(path) else []
    return {int(name): name for name in names if re.match(r"[0-9]+\Z", name)}


def _save_graph(model, directory):
    """Writes the graph with its signature, and the variables."""
    with tf.Graph().as_default():
        inputs, outputs = build_graph(model)
        signature = tf.saved_model.predict_signature_def(inputs, outputs)
        config = tf.ConfigProto(device_count={"GPU": 0})
        with tf.Session(config=config) as session:
            load_weights(model, session)
            builder = tf.saved_model.Builder(directory)
            builder.add_meta_graph_and_variables(
                session,
                [tf.saved_model.SERVING],
                {SIGNATURE: signature},
                strip_default_attrs=True,
            )
            builder.save()


def build_graph(model, with_attention=False):
    """Adds a model to the default graph.

    Args:
      model: `trained_model.TrainedModel`.
      with_attention: whether the outputs include `attention`, float32
        [B, layers, N, S, S]: see `modeling.BertModel.get_attention_probs`.

    Returns:
      Dictionaries of the tensors described at `export`, the inputs and the outputs.
    """
    inputs = {name: tf.placeholder(tf.int32, [None, None], name) for name in INPUTS}
    with tf.variable_scope("", use_resource=False, custom_getter=_without_values):
        checked = _checked(inputs, model.config)
        outputs, encoder = _outputs(model, checked)
    if with_attention:
        outputs[ATTENTION] = tf.stack(encoder.get_attention_probs(), axis=1)
    return inputs, outputs


def load_weights(model, session):
    """Sets the variables of `build_graph` in a session.

    No ops are added to the graph, which would be exported with it.

    Args:
      model: `trained_model.TrainedModel`.
      session: `tf.Session` of the graph.

    Raises:
      VanishedError: the checkpoint was removed or replaced since it was read.
    """
    contents = model.contents
    with session.graph.as_default():
        variables = {variable.op.name: variable for variable in tf.global_variables()}
    with contents.restoring(), restoring.open_reader(contents.prefix) as reader:
        for name, source in contents.restored.items():
            value = reader.get_tensor(source).astype(np.float32, copy=False)
            assign = variables[name].initializer
            session.run(assign, {assign.inputs[1]: value})


def _without_values(getter, *arguments, **options):
    """Makes a variable that is not initialised at random, as all are restored."""
    options["initializer"] = tf.zeros_initializer()
    return getter(*arguments, **options)


def _outputs(model, inputs):
    """The output tensors by name, from those of `INPUTS`; and the encoder."""
    logits, encoder = classifier.create_logits(
        model.config, False, *inputs, model.num_outputs
    )
    if model.is_regression:
        return {VALUE: tf.squeeze(logits, axis=1, name=VALUE)}, encoder
    outputs = {
        PROBABILITIES: tf.nn.softmax(logits, name=PROBABILITIES),
        LOGITS: tf.identity(logits, name=LOGITS),
    }
    return outputs, encoder


def _checked(inputs, config):
    """The tensors of `INPUTS`, whose use fails if they are outside the model.

    On GPUs an id without a row in a table would be a row of zeros, and masks of another
    shape would select other tokens.
    """
    ids, mask, segments = (inputs[name] for name in INPUTS)
    vocab, types, longest = (
        config.vocab_size,
        config.type_vocab_size,
        config.max_position_embeddings,
    )
    with tf.device("/cpu:0"):
        shape = tf.shape(ids)
        requirements = [
            (shape > 0, "input_ids is empty"),
            (shape[1] <= longest, "input_ids has more than %d tokens" % longest),
            (tf.equal(tf.shape(mask), shape), "input_mask is shaped unlike input_ids"),
            (
                tf.equal(tf.shape(segments), shape),
                "segment_ids is shaped unlike input_ids",
            ),
            (_is_below(ids, vocab), "input_ids must be 0 to %d" % (vocab - 1)),
            (_is_below(segments, types), "segment_ids must be 0 to %d" % (types - 1)),
        ]
        asserts = [tf.Assert(tf.reduce_all(ok), [text]) for ok, text in requirements]
        with tf.control_dependencies(asserts):
            return [tf.identity(tensor) for tensor in (ids, mask, segments)]


def _is_below(tensor, limit):
    return tf.logical_and(tensor >= 0, tensor < limit)


def _longest_example(model):
    """Inputs of the maximum length, whose content does not matter."""
    vocab, length = model.tokenizer.vocab, model.settings.max_seq_length
    ids = [vocab["[CLS]"]] + [vocab["[SEP]"]] * (length - 1)
    return dict(zip(INPUTS, ([ids], [[1] * length], [[0] * length])))


class Loaded(NamedTuple):
    """An export in a session, which the caller closes.

    Attributes:
      session: `tf.Session`.
      inputs: dictionary from the names of `INPUTS` to what a session can be fed.
      outputs: dictionary from the names of the outputs to what it can fetch.
    """

    session: Any
    inputs: Dict[str, str]
    outputs: Dict[str, str]


def find(path):
    """The directory of an export, given itself or the directory of its versions.

    Args:
      path: what was `export`ed to, whose highest version is taken; or a version.

    Returns:
      A path; None if there is no export.
    """
    versions = _versions(path)
    candidates = [path]
    if versions:
        candidates.append(os.path.join(path, versions[max(versions)]))
    for directory in candidates:
        if os.path.exists(os.path.join(directory, _GRAPH)):
            return directory
    return None


def load(directory, session_config=None):
    """Loads an export into a session of its own.

    Args:
      directory: what `find` returned.
      session_config: `tf.ConfigProto`; None: TensorFlow's defaults.

    Returns:
      `Loaded`.

    Raises:
      InputError: it is damaged.

    Example:
      loaded = load("/tmp/export/1")
      feed = {loaded.inputs[name]: features[name] for name in INPUTS}
      loaded.session.run(loaded.outputs[PROBABILITIES], feed)
    """
    restoring.refuse_pattern(directory)
    session = tf.Session(graph=tf.Graph(), config=session_config)
    with contextlib.ExitStack() as on_error:
        on_error.callback(session.close)
        try:
            graph = tf.saved_model.load(session, [tf.saved_model.SERVING], directory)
            signature = graph.signature_def[SIGNATURE]
        except (*_LOAD_ERRORS, tf.errors.OpError) as error:
            raise InputError(
                "%s cannot be loaded as a SavedModel: %s; export it again"
                % (directory, failures.reason(error))
            ) from None
        on_error.pop_all()
    return Loaded(session, _names(signature.inputs), _names(signature.outputs))


def _names(tensors):
    return {name: tensors[name].name for name in tensors}
