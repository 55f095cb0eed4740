"""The names that a checkpoint has for the encoder, which other programs may change."""

import re

from finetuning.checkpoints import finding
from finetuning.utils.errors import InputError

# The scope of the encoder's variables in the model and in Google's checkpoints.
SCOPE = "bert/"
_WORDS = "embeddings/word_embeddings"
# What checkpoints of other programs are, by names that only these have.
_FOREIGN = {
    r"/\.ATTRIBUTES/|^_CHECKPOINTABLE_OBJECT_GRAPH$": "an object-based checkpoint of "
    "TensorFlow 2 or Keras, which does not save the names of variables; use the "
    "TensorFlow 1 checkpoint of the same model",
    r"/inner_group_\d": "an ALBERT; use a BERT",
    r"/embedding_transformation/": "a MobileBERT; use a BERT",
    r"/embeddings_project/": "an ELECTRA with embeddings narrower than its layers; use "
    "ELECTRA-Base or a BERT",
    r"^model/transformer/": "an XLNet; use a BERT",
    r"^model/h\d+/": "a GPT-2; use a BERT",
}


def find_scope(prefix, shapes, expected):
    """Finds the scope in which a checkpoint has the encoder, such as `module/bert/`.

    Args:
      prefix: the checkpoint, for the message.
      shapes: dictionary from each of its names to the shape, a tuple of ints.
      expected: the same for the encoder's variables in the model.

    Returns:
      The scope, with a slash at its end, or "" if the names have none. It is the
      model's own if the checkpoint has that one or no encoder at all.

    Raises:
      InputError: the encoder fits in two scopes, and neither is the model's.
    """
    scopes = [name[: -len(_WORDS)] for name in shapes if _is_word_table(name)]
    if SCOPE in scopes or not scopes:
        return SCOPE
    fitting = [
        scope
        for scope in sorted(scopes)
        if all(shapes.get(moved(name, scope)) == expected[name] for name in expected)
    ]
    if len(fitting) > 1:
        raise InputError(
            "%s contains %d encoders that fit, %s; use a checkpoint that contains one "
            "of them" % (prefix, len(fitting), " and ".join(map(_shown, fitting)))
        )
    return (fitting or sorted(scopes))[0]


def moved(name, scope):
    """The name in a checkpoint of a variable that the model has below `bert/`."""
    return scope + name[len(SCOPE) :]


def describe(names):
    """Says what a checkpoint that does not fit is and what to use; None: unknown."""
    for pattern, description in _FOREIGN.items():
        if any(re.search(pattern, name) for name in names):
            return "this is " + description
    return None


def names_shown(names):
    """The first few names of a checkpoint, without its optimiser slots."""
    return finding.first_few(sorted(name for name in names if not is_slot(name, names)))


def is_slot(name, names):
    """Whether a variable is an optimiser's slot or a moving average of another one.

    These are named like the other one, with more below: `.../kernel/adam_m`.
    """
    while "/" in name:
        name = name.rpartition("/")[0]
        if name in names:
            return True
    return False


def _is_word_table(name):
    return name == _WORDS or name.endswith("/" + _WORDS)


def _shown(scope):
    return scope + _WORDS
