"""Compares the variables of a checkpoint with the model's: names, shapes and types."""

import contextlib
import re
from dataclasses import dataclass, field
from typing import Dict, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

import modeling
from encoder import mixed_precision
from finetuning.checkpoints import finding, integrity, naming, restoring
from finetuning.utils.errors import InputError

HEAD = ("output_weights", "output_bias")
POOLER = ("bert/pooler/dense/kernel", "bert/pooler/dense/bias")
_SLOTS = ("/adam_m", "/adam_v")
# Types that are cast to the model's float32 when they are restored.
_FLOATS = (tf.float16, tf.bfloat16, tf.float32, tf.float64)
_MATCHES = "does it match --bert_config_file?"


@dataclass(frozen=True)
class CheckpointContents:
    """What a checkpoint has of the model's variables.

    Attributes:
      prefix: the checkpoint.
      step: its global step; None if it has none.
      restored: dictionary from the names of the model's variables that are restored
        from it to their names in the checkpoint.
      fresh: names of the model's other variables: of the head or, if a training run is
        to start from it, of the pooler.
      unused: names of its other variables, without optimiser slots and the step.
      trainable: whether training can resume from it: it has the step and all slots.
      label_order: the order in which the rows of its head are restored, because it has
        the task's labels in another one; None: as they are.
      file_states: `integrity.file_states` when it was read.
    """

    prefix: str
    step: Optional[int]
    restored: Dict[str, str]
    fresh: Tuple[str, ...]
    unused: Tuple[str, ...]
    trainable: bool
    label_order: Optional[Tuple[int, ...]] = None
    file_states: tuple = field(default=(), repr=False, compare=False)

    def is_unchanged(self):
        """Whether none of its files was replaced since; they may have been removed."""
        before = {name: state for name, *state in self.file_states}
        return all(
            before.get(name, state) == state
            for name, *state in integrity.file_states(self.prefix)
        )

    @contextlib.contextmanager
    def restoring(self):
        """A context in which the weights are restored that were read.

        Raises:
          VanishedError: another process has removed them before they were restored.
          ReplacedError: another process has replaced them.
        """
        try:
            yield
        except (tf.errors.OpError, ValueError, KeyError, RuntimeError):
            if not integrity.exists(self.prefix):
                raise VanishedError(self.prefix) from None
            self._require_unchanged()
            raise
        self._require_unchanged()

    def _require_unchanged(self):
        if not self.is_unchanged():
            raise ReplacedError(self.prefix) from None

    def restorer(self, variables):
        """Adds the ops to the graph that restore the weights.

        Args:
          variables: dictionary from the names of `restored` to the model's variables.

        Returns:
          `restoring.Restorer`.
        """
        rows = {self.restored.get(name): self.label_order for name in HEAD}
        return restoring.Restorer(
            self.prefix,
            {source: variables[name] for name, source in self.restored.items()},
            None if self.label_order is None else rows,
        )

    def lines(self):
        """Yields lines for the log about what is restored and what is not."""
        yield "%d variables restored from %s" % (len(self.restored), self.prefix)
        if self.fresh:
            yield "newly initialised: %s" % ", ".join(self.fresh)
        if self.unused:
            yield "in the checkpoint but not used: %s" % finding.first_few(self.unused)

    def notes(self):
        """Yields a line if it has other names for the model's variables."""
        for name, source in self.restored.items():
            if name != source:
                yield "%s has the encoder under other names: %s is %s there" % (
                    self.prefix,
                    name,
                    source,
                )
                return

    def warnings(self):
        """Yields lines about a training run that starts from it."""
        missing = [name for name in self.fresh if name in POOLER]
        if missing:
            yield "%s has no pooler (%s): training starts with a random one" % (
                self.prefix,
                " and ".join(missing),
            )


class VanishedError(InputError):
    """A checkpoint no longer exists, because a running training process removed it.

    Attributes:
      prefix: the checkpoint.
      problem: what happened to it.
    """

    problem, advice = "no longer exists", ""

    def __init__(self, prefix):
        super().__init__("%s %s%s" % (prefix, self.problem, self.advice))
        self.prefix = prefix


class ReplacedError(VanishedError):
    """Another process has written a checkpoint of the same name since it was read."""

    problem = "was replaced after it was checked"
    advice = "; rerun the same command"


class _Variables(NamedTuple):
    """The variables of a checkpoint: dictionaries from their names."""

    prefix: str
    shapes: Dict[str, Tuple[int, ...]]
    types: Dict[str, tf.DType]


def read_contents(prefix, config, num_labels, starts_training=False, fresh_head=False):
    """Compares a checkpoint with the model, without building a graph.

    Args:
      prefix: the checkpoint.
      config: `modeling.BertConfig`.
      num_labels: L.
      starts_training: whether a new training run starts from it, which needs neither a
        head nor a pooler.
      fresh_head: whether to leave out its head.

    Returns:
      `CheckpointContents`.

    Raises:
      InputError: it cannot be read, lacks a variable of the encoder, has a variable of
        another shape or type, or has more layers than the config.
      VanishedError: it no longer exists.
    """
    file_states = integrity.file_states(prefix)
    found = _read_variables(prefix)
    expected = model_shapes(config, num_labels)
    encoder = {name: expected[name] for name in expected if name not in HEAD + POOLER}
    scope = naming.find_scope(prefix, found.shapes, encoder)
    sources = {name: _source(name, scope, found.shapes) for name in expected}
    restored = {
        name: source
        for name, source in sources.items()
        if source in found.shapes and not (fresh_head and name in HEAD)
    }
    missing = [sources[name] for name in encoder if name not in restored]
    _require_encoder(found, missing, len(encoder))
    no_pooler = [name for name in POOLER if name not in restored]
    if len(no_pooler) == 1:  # It is damaged, and not only an encoder without pooler.
        _require_encoder(found, no_pooler, len(encoder))
    if not starts_training:
        _require_pooler(prefix, no_pooler)
    for name, source in restored.items():
        _require_same(found, name, source, expected[name], starts_training)
    unused = _unused(found.shapes, restored.values())
    _require_known(found, unused, scope + "encoder/", config.num_hidden_layers)
    return CheckpointContents(
        prefix=prefix,
        step=read_step(prefix) if "global_step" in found.shapes else None,
        restored=restored,
        fresh=tuple(name for name in expected if name not in restored),
        unused=unused,
        trainable=_has_training_state(found, expected),
        file_states=file_states,
    )


def _read_variables(prefix):
    with _reader(prefix) as reader:
        shapes = reader.get_variable_to_shape_map()
        types = reader.get_variable_to_dtype_map()
    shapes = {name: tuple(shape) for name, shape in shapes.items()}
    return _Variables(prefix, shapes, types)


def _source(name, scope, names):
    """The name in a checkpoint of a variable of the model."""
    if name not in HEAD:
        return naming.moved(name, scope)
    # The model may have been built in an outer scope, as below `module/`.
    outer = scope[: -len(naming.SCOPE)] if scope.endswith(naming.SCOPE) else ""
    return outer + name if outer + name in names else name


def _require_encoder(found, missing, count):
    """Refuses a checkpoint that lacks variables of the encoder, which has `count`."""
    if len(missing) == count:
        raise InputError(
            "%s does not have the encoder's names, such as %s; it has %s; %s"
            % (
                found.prefix,
                missing[0],
                naming.names_shown(found.shapes),
                naming.describe(found.shapes) or "is it a checkpoint of BERT?",
            )
        )
    if missing:
        raise InputError(
            "%s lacks variables of the encoder (%d): %s; %s"
            % (
                found.prefix,
                len(missing),
                finding.first_few(missing),
                naming.describe(found.shapes) or _MATCHES,
            )
        )


def _require_pooler(prefix, missing):
    if missing:
        raise InputError(
            "%s has no pooler (%s), so only a new training run can start from it: pass "
            "it as --init_checkpoint with --do_train=true and a new --output_dir"
            % (prefix, " and ".join(missing))
        )


def _require_same(found, name, source, shape, starts_training):
    """Checks the shape and the type of a variable that would be restored."""
    variable = "%s: variable %s has " % (found.prefix, source)
    if found.types[source] not in _FLOATS:
        raise InputError(
            "%stype %s, expected float32 or another floating-point type; use another "
            "checkpoint" % (variable, found.types[source].name)
        )
    if found.shapes[source] == shape:
        return
    if name not in HEAD:
        remedy = "; " + (naming.describe(found.shapes) or _MATCHES)
    elif starts_training:
        remedy = (
            ": it was fine-tuned with another number of labels; pass --fresh_head=true "
            "to train a new classifier on its encoder"
        )
    else:
        remedy = (
            ": it was fine-tuned with another number of labels; use a checkpoint of "
            "this task, or another --output_dir"
        )
    shapes = "shape %s, expected %s" % (list(found.shapes[source]), list(shape))
    raise InputError(variable + shapes + remedy)


def _unused(names, used):
    """The other names of a checkpoint, without slots and the state of the training."""
    used = {"global_step", *used}
    return tuple(
        name
        for name in sorted(names)
        if name not in used
        and not name.startswith(mixed_precision.LOSS_SCALE_SCOPE + "/")
        and not naming.is_slot(name, names)
    )


def _require_known(found, unused, scope, num_layers):
    """Refuses variables in the encoder that the model would have to compute with."""
    unknown = [name for name in unused if name.startswith(scope)]
    surplus = [name for name in unknown if _layer(name[len(scope) :]) >= num_layers]
    if surplus:
        raise InputError(
            "%s has more layers than --bert_config_file: %s; do they match?"
            % (found.prefix, finding.first_few(surplus))
        )
    if unknown:
        raise InputError(
            "%s has variables in its encoder that BERT does not have: %s; %s"
            % (
                found.prefix,
                finding.first_few(unknown),
                naming.describe(found.shapes) or "use a checkpoint of BERT",
            )
        )


def _layer(name):
    """The number of the layer that a variable of the encoder belongs to, or -1."""
    match = re.match(r"layer_(\d+)/", name)
    return int(match.group(1)) if match else -1


def _has_training_state(found, expected):
    """Whether a checkpoint has the step and all slots, in shapes that fit."""
    slots = {name + slot: expected[name] for name in expected for slot in _SLOTS}
    return "global_step" in found.shapes and all(
        found.shapes.get(name) == shape and found.types[name] in _FLOATS
        for name, shape in slots.items()
    )


def read_step(prefix):
    """Returns the global step of a checkpoint as an int.

    Raises:
      InputError: the checkpoint cannot be read, or its step is not an integer.
    """
    with _reader(prefix) as reader:
        step = np.asarray(reader.get_tensor("global_step"))
    if step.shape or not np.issubdtype(step.dtype, np.integer):
        raise InputError(
            "%s: variable global_step has type %s and shape %s, expected one integer"
            % (prefix, step.dtype, list(step.shape))
        )
    return int(step)


def model_shapes(config, num_labels):
    """Returns the names and shapes of the trained variables, without slots.

    Returns:
      Dictionary from name to tuple of ints; the two variables of the head come last.
    """
    shapes = modeling.variable_shapes(config)
    shapes["output_weights"] = (num_labels, config.hidden_size)
    shapes["output_bias"] = (num_labels,)
    return shapes


def missing_from(prefix, variables):
    """Returns those of the variables that a checkpoint does not have, as a list."""
    with _reader(prefix) as reader:
        names = reader.get_variable_to_shape_map()
    return [variable for variable in variables if variable.op.name not in names]


@contextlib.contextmanager
def _reader(prefix):
    """Yields a reader of a checkpoint that is intact."""
    reason = integrity.damage(prefix)
    if reason is None:
        try:
            with restoring.open_reader(prefix) as reader:
                yield reader
            return
        except (tf.errors.OpError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
    if not integrity.exists(prefix):
        raise VanishedError(prefix)
    raise InputError(
        "%s cannot be read as a checkpoint: %s; restore it from a copy, or download it "
        "again" % (prefix, reason)
    )
