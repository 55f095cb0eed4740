"""Compares the names and shapes of a checkpoint's variables with the model's."""

from dataclasses import dataclass
from typing import Optional, Tuple

import tensorflow.compat.v1 as tf

import modeling
from encoder import mixed_precision
from finetuning.checkpoints import finding, integrity
from finetuning.utils import files
from finetuning.utils.errors import InputError

HEAD = ("output_weights", "output_bias")
_SLOTS = ("/adam_m", "/adam_v")


@dataclass(frozen=True)
class CheckpointContents:
    """What a checkpoint has of the model's variables.

    Attributes:
      prefix: the checkpoint.
      step: its global step; None if it has none.
      restored: names of the model's variables that it has.
      fresh: names of the model's variables that it lacks; only the head may be missing.
      unused: names of its other variables, without optimiser slots and the step.
      trainable: whether training can resume from it: it has the step and all slots.
    """

    prefix: str
    step: Optional[int]
    restored: Tuple[str, ...]
    fresh: Tuple[str, ...]
    unused: Tuple[str, ...]
    trainable: bool

    def lines(self):
        """Yields lines for the log about what is restored and what is not."""
        yield "%d variables restored from %s" % (len(self.restored), self.prefix)
        if self.fresh:
            yield "not in the checkpoint, newly initialised: %s" % ", ".join(self.fresh)
        if self.unused:
            yield "in the checkpoint but not used: %s" % finding.first_few(self.unused)


class VanishedError(InputError):
    """A checkpoint no longer exists, because a running training process removed it.

    Attributes:
      prefix: the checkpoint.
    """

    def __init__(self, prefix):
        super().__init__("%s no longer exists" % prefix)
        self.prefix = prefix


def read_contents(prefix, config, num_labels):
    """Compares a checkpoint with the model, without building a graph.

    Args:
      prefix: the checkpoint.
      config: `modeling.BertConfig`.
      num_labels: L.

    Returns:
      `CheckpointContents`.

    Raises:
      InputError: it cannot be read, lacks a variable of the encoder, has a variable of
        another shape, or has more layers than the config.
      VanishedError: it no longer exists.
    """
    shapes = _reader(prefix).get_variable_to_shape_map()
    expected = model_shapes(config, num_labels)
    fresh = [name for name in expected if name not in shapes]
    missing = [name for name in fresh if name not in HEAD]
    if missing:
        raise InputError(
            "%s lacks variables of the encoder (%d): %s; does it match "
            "--bert_config_file?" % (prefix, len(missing), finding.first_few(missing))
        )
    for name, shape in expected.items():
        if name in shapes and tuple(shapes[name]) != shape:
            raise InputError(_shape_message(prefix, name, shapes[name], shape))
    unused = [name for name in sorted(shapes) if _is_unused(name, expected)]
    surplus = [name for name in unused if name.startswith("bert/encoder/")]
    if surplus:
        raise InputError(
            "%s has more layers than --bert_config_file: %s; do they match?"
            % (prefix, finding.first_few(surplus))
        )
    slots = [name + slot for name in expected for slot in _SLOTS]
    return CheckpointContents(
        prefix=prefix,
        step=read_step(prefix) if "global_step" in shapes else None,
        restored=tuple(name for name in expected if name in shapes),
        fresh=tuple(fresh),
        unused=tuple(unused),
        trainable=all(name in shapes for name in ["global_step", *slots]),
    )


def read_step(prefix):
    """Returns the global step of a checkpoint as an int."""
    return int(_reader(prefix).get_tensor("global_step"))


def model_shapes(config, num_labels):
    """Returns the names and shapes of the trained variables, without slots.

    Returns:
      Dictionary from name to tuple of ints; the two variables of the head come last.
    """
    shapes = modeling.variable_shapes(config)
    shapes["output_weights"] = (num_labels, config.hidden_size)
    shapes["output_bias"] = (num_labels,)
    return shapes


def restore(saver, session, prefix):
    """Restores variables from a checkpoint that another process may remove.

    Raises:
      VanishedError: it no longer exists.
    """
    try:
        saver.restore(session, prefix)
    except (tf.errors.OpError, ValueError):
        if files.exists(prefix + ".index"):
            raise
        raise VanishedError(prefix) from None


def missing_from(prefix, variables):
    """Returns those of the variables that a checkpoint does not have, as a list."""
    names = _reader(prefix).get_variable_to_shape_map()
    return [variable for variable in variables if variable.op.name not in names]


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


def _shape_message(prefix, name, shape, expected):
    message = "%s: variable %s has shape %s, expected %s" % (
        prefix,
        name,
        list(shape),
        list(expected),
    )
    if name in HEAD:
        return message + (
            ": it was fine-tuned with another number of labels; use a pretrained "
            "checkpoint, or another --output_dir"
        )
    return message + "; does it match --bert_config_file?"


def _is_unused(name, expected):
    is_training_state = name == "global_step" or name.startswith(
        mixed_precision.LOSS_SCALE_SCOPE + "/"
    )
    return not (name in expected or is_training_state or name.endswith(_SLOTS))
