"""Checks of a model in Hugging Face format that a run starts from or uses."""

import dataclasses
import os

import modeling
from finetuning.checkpoints import compatibility
from finetuning.data import label_map
from finetuning.utils import huggingface
from finetuning.utils.errors import InputError

_MULTI_LABEL = "multi_label_classification"


def require_bert(weights_path):
    """Checks that weights are those of a model that this program computes.

    Args:
      weights_path: what `finding.resolve` returned.

    Raises:
      InputError: the config beside them says otherwise.
    """
    if not huggingface.is_weights(weights_path):
        return
    content = huggingface.read_config(weights_path)
    path = _config_path(weights_path)
    model_type = content.get("model_type")
    if model_type not in (None, huggingface.MODEL_TYPE):
        raise InputError(
            "%s: model_type is %r, expected %r; use a BERT"
            % (path, model_type, huggingface.MODEL_TYPE)
        )
    if "vocab_size" in content:
        try:
            modeling.BertConfig.from_dict(content)
        except ValueError as error:
            raise InputError("%s: %s" % (path, error)) from None


def match_labels(contents, task):
    """Compares the labels of a classifier with those of the task.

    Args:
      contents: `compatibility.CheckpointContents` of a checkpoint of any format.
      task: `tasks.Task`.

    Returns:
      The contents, with the order of the labels if it is another one, and notes.

    Raises:
      InputError: the labels are not the task's, or are no alternatives.
    """
    is_known = huggingface.is_weights(contents.prefix)
    if not is_known or compatibility.HEAD[0] not in contents.restored:
        return contents, []
    config, path = (
        huggingface.read_config(contents.prefix),
        _config_path(contents.prefix),
    )
    if config.get("problem_type") == _MULTI_LABEL:
        raise InputError(
            "%s: problem_type is %s, and only one label per text is supported; train a "
            "new classifier on its encoder with --do_train=true and --fresh_head=true"
            % (path, _MULTI_LABEL)
        )
    labels = label_map.load(os.path.dirname(contents.prefix))
    if labels == task.labels:
        return contents, []
    if labels is None:
        shown = ", ".join("%d is %s" % pair for pair in enumerate(task.labels))
        return contents, [
            "%s does not name the labels; they are taken in the order of the task: %s"
            % (path, shown)
        ]
    if sorted(labels) != sorted(task.labels):
        raise InputError(
            "%s: its classifier has the labels %s, and this run has %s; rename them in "
            "id2label there, or train a new classifier with --fresh_head=true"
            % (path, label_map.as_text(labels), label_map.as_text(task.labels))
        )
    order = tuple(labels.index(label) for label in task.labels)
    return dataclasses.replace(contents, label_order=order), [
        "%s: its classifier has the labels in the order %s; they are put into that of "
        "the task" % (path, label_map.as_text(labels))
    ]


def tokenizer_warnings(weights_path, do_lower_case):
    """Warns if a model's own tokenizer would split texts differently.

    Args:
      weights_path: what `finding.resolve` returned.
      do_lower_case: whether texts are lower-cased.

    Returns:
      List of lines.
    """
    if not huggingface.is_weights(weights_path):
        return []
    directory = os.path.dirname(weights_path)
    content = huggingface.tokenizer_config(directory)
    # What this program does, by the keys of transformers' BertTokenizer.
    ours = {
        "do_lower_case": do_lower_case,
        "strip_accents": do_lower_case,
        "tokenize_chinese_chars": True,
    }
    return [
        "%s: %s is %s there, and %s in this run: texts become other tokens than those "
        "that the model was trained with"
        % (
            os.path.join(directory, huggingface.TOKENIZER_CONFIG_FILE),
            key,
            str(content[key]).lower(),
            str(value).lower(),
        )
        for key, value in ours.items()
        if content.get(key) not in (None, value)
    ]


def _config_path(weights_path):
    return os.path.join(os.path.dirname(weights_path), huggingface.CONFIG_FILE)
