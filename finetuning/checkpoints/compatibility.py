"""Finding checkpoints, and judging from their names and shapes what fits the model."""

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
            yield "left unused in it: %s" % finding.first_few(self.unused)


def read_contents(prefix, config, num_labels):
    """Compares a checkpoint with the model, before a graph is built.

    Args:
      prefix: the checkpoint.
      config: `modeling.BertConfig`.
      num_labels: L.

    Returns:
      `compatibility.CheckpointContents`.

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
            "belongs to --bert_config_file?"
            % (prefix, len(missing), finding.first_few(missing))
        )
    for name, shape in wanted.items():
        if name in shapes and tuple(shapes[name]) != shape:
            raise InputError(_shape_message(prefix, name, shapes[name], shape))
    unused = [name for name in sorted(shapes) if _is_unused(name, wanted)]
    surplus = [name for name in unused if name.startswith("bert/encoder/")]
    if surplus:
        raise InputError(
            "%s has more layers than --bert_config_file asks for: %s"
            % (prefix, finding.first_few(surplus))
        )
    return CheckpointContents(
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
    shapes = modeling.variable_shapes(config)
    shapes["output_weights"] = (num_labels, config.hidden_size)
    shapes["output_bias"] = (num_labels,)
    return shapes


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
    of_training = name == "global_step" or name.startswith(
        mixed_precision.LOSS_SCALE_SCOPE + "/"
    )
    return not (name in wanted or of_training or name.endswith(_SLOTS))


def lacking(prefix, variables):
    """The variables that a checkpoint does not hold, as a list."""
    names = {name for name, _ in tf.train.list_variables(prefix)}
    return [variable for variable in variables if variable.op.name not in names]
