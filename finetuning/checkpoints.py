"""Finding checkpoints, and judging from their names and shapes what fits the model."""

import os
import re
from dataclasses import dataclass
from typing import Optional, Tuple

import tensorflow.compat.v1 as tf

from finetuning import files, integrity, loss_scaling, recorded
from finetuning.errors import InputError

# Where below a training's directory its best weights lie.
BEST = "best"
# It names a directory's checkpoints, the newest first.
STATE_FILE = "checkpoint"
HEAD = ("output_weights", "output_bias")
_SLOTS = ("/adam_m", "/adam_v")
_NAMES_SHOWN = 5
_NEWEST_SHOWN = 2
# What the files of one checkpoint are called behind its prefix.
_PART = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")
_OF_TRAINING = re.compile(r"model\.ckpt-(\d+)\.index$")


@dataclass(frozen=True)
class Contents:
    """What of a checkpoint the model takes.

    Attributes:
      prefix: the checkpoint.
      step: its global step; None where it has none.
      restored: names of the model's variables that come from it.
      fresh: names of the model's variables that it lacks: of the head, or none.
      unused: names in it that the model lacks, optimiser slots and step left out.
      trainable: whether it holds the step and all slots, so that training can go on.
    """

    prefix: str
    step: Optional[int]
    restored: Tuple[str, ...]
    fresh: Tuple[str, ...]
    unused: Tuple[str, ...]
    trainable: bool

    def lines(self):
        """What was restored and what was not, for people."""
        yield "%d variables restored from %s" % (len(self.restored), self.prefix)
        if self.fresh:
            yield "not in it, starting fresh: %s" % ", ".join(self.fresh)
        if self.unused:
            yield "left unused in it: %s" % _some(self.unused)


def resolve(path, flag):
    """The prefix of a checkpoint that is named by prefix, file or directory.

    Args:
      path: `.../model.ckpt-12`, that with `.index`, `.meta` or `.data-...` behind it,
        or a directory with one checkpoint, or with a `checkpoint` file that names the
        newest.
      flag: name of the flag that gave the path, for the message.

    Raises:
      InputError: there is no checkpoint.
    """
    if files.is_directory(path):
        return _resolve_directory(path, flag)
    for prefix in (path, _PART.sub("", path)):
        if files.exists(prefix + ".index"):
            return prefix
    raise InputError(
        "--%s=%s: no checkpoint there (%s.index is missing); give the prefix of one, "
        "such as .../bert_model.ckpt" % (flag, path, path)
    )


def _resolve_directory(path, flag):
    newest = newest_in(path)
    if newest:
        return newest
    found = [
        name[: -len(".index")]
        for name in files.list_directory(path)
        if name.endswith(".index")
    ]
    if len(found) == 1:
        return os.path.join(path, found[0])
    raise InputError(
        "--%s=%s: the directory holds %s; give the prefix of one, such as "
        ".../bert_model.ckpt" % (flag, path, _some(found) if found else "no checkpoint")
    )


def all_in(directory):
    """Prefixes of a training's checkpoints, the newest last, as `find_newest` sees it.

    Those that the `checkpoint` file lists, or where it is damaged those that lie there;
    without the damaged ones that are newer than the newest intact one. Only what stands
    in the directory itself: the file may still hold the paths of the place that it was
    copied from, and those checkpoints are not this training's.
    """
    listed = _listed(directory)
    found = _candidates(directory, listed)
    if listed:
        found = [each for each in found if os.path.basename(each) in listed]
    damaged = [prefix for prefix, _ in find_newest(directory).damaged]
    return [each for each in found[::-1] if each not in damaged]


@dataclass(frozen=True)
class Newest:
    """What a look for the newest checkpoint of a training directory has found.

    Attributes:
      prefix: the newest that is intact; None: there is none.
      damaged: pairs of the prefix and the damage of those that are newer.
    """

    prefix: Optional[str]
    damaged: Tuple[Tuple[str, str], ...] = ()

    def lines(self):
        """What was passed over, for people."""
        use = "using %s instead" % self.prefix if self.prefix else "it is not used"
        for prefix, reason in self.damaged:
            yield "DAMAGED CHECKPOINT %s (%s): %s" % (prefix, reason, use)


def find_newest(directory):
    """Looks for the newest intact checkpoint of a training directory.

    The `checkpoint` file names it; a directory that was moved or copied since is
    understood too. Where what that file names is damaged, or the file itself is, the
    others that lie there are looked at, the highest step first: but those that the file
    does not list only where a training of this program lies (it has saved its
    settings), which writes no others under such names.

    Returns:
      `Newest`.
    """
    while True:
        listed = _listed(directory)
        newest = _first_intact(directory, listed)
        # Else a training that runs there has removed them, and written newer ones.
        if not newest.damaged or listed == _listed(directory):
            return newest


def _first_intact(directory, listed):
    found, damaged = _candidates(directory, listed), []
    if found and not listed:
        damaged.append((os.path.join(directory, STATE_FILE), "missing or unreadable"))
    elif found and os.path.basename(found[0]) != listed[0]:
        missing = os.path.join(directory, listed[0])
        damaged.append((missing, "none of its files is there"))
    for prefix in found:
        reason = integrity.damage(prefix)
        if reason is None:
            return Newest(prefix, tuple(damaged))
        damaged.append((prefix, reason))
    return Newest(None, tuple(damaged))


def newest_in(directory):
    """Prefix of the newest intact checkpoint of a training directory, or None.

    Raises:
      InputError: there are checkpoints, all of them damaged.
    """
    newest = find_newest(directory)
    if newest.prefix is None and newest.damaged:
        shown = ["%s: %s" % pair for pair in newest.damaged[:_NEWEST_SHOWN]]
        raise InputError(
            "%s holds no checkpoint that is intact (%s); restore one from a copy, or "
            "give another directory" % (directory, "; ".join(shown))
        )
    return newest.prefix


def _listed(directory):
    """Names in the `checkpoint` file, the newest first; none where it is damaged."""
    path = os.path.join(directory, STATE_FILE)
    if not files.is_remote(path) and os.path.exists(path):
        files.refuse_special(path)
    try:
        state = tf.train.get_checkpoint_state(directory)
    except (ValueError, tf.errors.OpError):  # ValueError: empty, or no UTF-8.
        state = None
    if state is None:
        return []
    paths = [state.model_checkpoint_path] + list(state.all_model_checkpoint_paths)[::-1]
    return list(dict.fromkeys(os.path.basename(path) for path in paths))


def _candidates(directory, listed):
    """Prefixes of which any file is there, in the order in which to try them."""
    names = files.list_directory(directory) if files.is_directory(directory) else []
    there = {part_of(name) for name in names}
    # The one named first may be older than others, by the user's own hand.
    first = [name for name in listed[:1] if name in there]
    others = {name for name in listed[1:] if name in there}
    if is_of_training(directory):
        others |= {name[: -len(".index")] for name in names if _OF_TRAINING.match(name)}
    others.difference_update(first)
    in_order = sorted(others, key=lambda name: (step_in_name(name), name), reverse=True)
    return [os.path.join(directory, name) for name in first + in_order]


def part_of(name):
    """The name of the checkpoint that a file is part of, or None."""
    return _PART.sub("", name) if _PART.search(name) else None


def step_in_name(prefix):
    """The step that a checkpoint's name tells; -1 where it tells none."""
    digits = prefix.rpartition("-")[2]
    return int(digits) if digits.isdigit() else -1


def is_of_training(directory):
    """Whether a training of this program writes there, its newest or its best."""
    directory = directory.rstrip("/")
    if os.path.basename(directory) == BEST:
        directory = os.path.dirname(directory)
    return files.exists(os.path.join(directory, recorded.SETTINGS_FILE))


def training_directory(prefix):
    """The output directory of the training that wrote a checkpoint, newest or best."""
    directory = os.path.dirname(prefix)
    if os.path.basename(directory) == BEST:
        return os.path.dirname(directory)
    return directory


def read_contents(prefix, config, num_labels):
    """Compares a checkpoint with the model, before a graph is built.

    Args:
      prefix: the checkpoint.
      config: `modeling.BertConfig`.
      num_labels: L.

    Returns:
      `Contents`.

    Raises:
      InputError: it cannot be read, a variable of the encoder is missing or has
        another shape, the head has another, or it has more layers than the config.
    """
    shapes = _reader(prefix).get_variable_to_shape_map()
    wanted = model_shapes(config, num_labels)
    fresh = [name for name in wanted if name not in shapes]
    missing = [name for name in fresh if name not in HEAD]
    if missing:
        raise InputError(
            "%s lacks %d of the encoder's variables: %s; is it the checkpoint that "
            "belongs to --bert_config_file?" % (prefix, len(missing), _some(missing))
        )
    for name, shape in wanted.items():
        if name in shapes and tuple(shapes[name]) != shape:
            raise InputError(_shape_message(prefix, name, shapes[name], shape))
    unused = [name for name in sorted(shapes) if _is_unused(name, wanted)]
    surplus = [name for name in unused if name.startswith("bert/encoder/")]
    if surplus:
        raise InputError(
            "%s has more layers than --bert_config_file asks for: %s"
            % (prefix, _some(surplus))
        )
    return Contents(
        prefix=prefix,
        step=read_step(prefix) if "global_step" in shapes else None,
        restored=tuple(name for name in wanted if name in shapes),
        fresh=tuple(fresh),
        unused=tuple(unused),
        trainable=all(
            name in shapes
            for name in ["global_step"] + [v + slot for v in wanted for slot in _SLOTS]
        ),
    )


def read_step(prefix):
    """The global step that a checkpoint was written at, as an int."""
    return int(_reader(prefix).get_tensor("global_step"))


def model_shapes(config, num_labels):
    """Names and shapes of the variables that training makes, slots left out.

    Returns:
      Dictionary from name to tuple of ints; the head's two come last.
    """
    hidden = config.hidden_size
    shapes = {
        "bert/embeddings/word_embeddings": (config.vocab_size, hidden),
        "bert/embeddings/token_type_embeddings": (config.type_vocab_size, hidden),
        "bert/embeddings/position_embeddings": (config.max_position_embeddings, hidden),
    }
    shapes.update(_norm_shapes("bert/embeddings", hidden))
    for index in range(config.num_hidden_layers):
        layer = "bert/encoder/layer_%d" % index
        shapes.update(_layer_shapes(layer, hidden, config.intermediate_size))
    shapes.update(_dense_shapes("bert/pooler/dense", hidden, hidden))
    shapes["output_weights"] = (num_labels, hidden)
    shapes["output_bias"] = (num_labels,)
    return shapes


def _layer_shapes(layer, hidden, intermediate):
    shapes = {}
    for name in ("query", "key", "value"):
        name = "%s/attention/self/%s" % (layer, name)
        shapes.update(_dense_shapes(name, hidden, hidden))
    shapes.update(_dense_shapes(layer + "/attention/output/dense", hidden, hidden))
    shapes.update(_norm_shapes(layer + "/attention/output", hidden))
    shapes.update(_dense_shapes(layer + "/intermediate/dense", hidden, intermediate))
    shapes.update(_dense_shapes(layer + "/output/dense", intermediate, hidden))
    shapes.update(_norm_shapes(layer + "/output", hidden))
    return shapes


def _dense_shapes(name, inputs, outputs):
    return {name + "/kernel": (inputs, outputs), name + "/bias": (outputs,)}


def _norm_shapes(scope, width):
    return {
        scope + "/LayerNorm/beta": (width,),
        scope + "/LayerNorm/gamma": (width,),
    }


class VanishedError(InputError):
    """A checkpoint that was there is gone: a training that runs there removed it.

    Attributes:
      prefix: the checkpoint.
    """

    def __init__(self, prefix):
        super().__init__("%s is no longer there" % prefix)
        self.prefix = prefix


def _reader(prefix):
    reason = integrity.damage(prefix)
    if reason is None:
        try:
            return tf.train.NewCheckpointReader(prefix)
        except (tf.errors.OpError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
    if not files.exists(prefix + ".index"):
        raise VanishedError(prefix)
    raise InputError(
        "%s cannot be read as a checkpoint: %s; restore it from a copy, or download it "
        "again" % (prefix, reason)
    )


def restore(saver, session, prefix):
    """Restores variables from a checkpoint that another process may remove meanwhile.

    Raises:
      VanishedError: it did.
    """
    try:
        saver.restore(session, prefix)
    except (tf.errors.OpError, ValueError):
        if files.exists(prefix + ".index"):
            raise
        raise VanishedError(prefix) from None


def _shape_message(prefix, name, found, wanted):
    message = "%s: variable %s has shape %s, expected %s" % (
        prefix,
        name,
        list(found),
        list(wanted),
    )
    if name in HEAD:
        return message + (
            ": it was fine-tuned for other labels; give a checkpoint of the encoder "
            "alone, or another --output_dir"
        )
    return message + "; is it the checkpoint that belongs to --bert_config_file?"


def _is_unused(name, wanted):
    of_training = name == "global_step" or name.startswith(loss_scaling.SCOPE + "/")
    return not (name in wanted or of_training or name.endswith(_SLOTS))


def _some(names):
    shown = ", ".join(names[:_NAMES_SHOWN])
    left = len(names) - _NAMES_SHOWN
    return shown + (" and %d more" % left if left > 0 else "")


def lacking(prefix, variables):
    """The variables that a checkpoint does not hold, as a list."""
    names = {name for name, _ in tf.train.list_variables(prefix)}
    return [variable for variable in variables if variable.op.name not in names]
