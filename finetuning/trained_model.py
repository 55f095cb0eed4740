"""A trained model as its users need it, read from a directory of weights alone."""

import os
from dataclasses import dataclass

import modeling
import tokenization
from finetuning.checkpoints import compatibility, finding, model_files
from finetuning.checks import model as model_checks
from finetuning.data import label_map, tasks
from finetuning.device import failures
from finetuning.flags import text_settings
from finetuning.flags.settings import Settings
from finetuning.utils import files, huggingface
from finetuning.utils.errors import InputError


@dataclass(frozen=True)
class ModelFiles:
    """How a trained model reads text, and what its answers mean.

    Attributes:
      directory: where it was read from: an output directory, its `best/`, or the
        assets of an export.
      config: `modeling.BertConfig`.
      tokenizer: `tokenization.FullTokenizer`.
      labels: the labels in the order of their ids; empty for a regression.
      settings: `settings.Settings` with the flags that decide how text is read,
        `vocab_file` and `bert_config_file`; the others have their defaults.
    """

    directory: str
    config: modeling.BertConfig
    tokenizer: tokenization.FullTokenizer
    labels: tuple
    settings: Settings

    @property
    def num_outputs(self):
        """L: the number of labels, or 1 for a regression."""
        return len(self.labels) or 1

    @property
    def is_regression(self):
        return not self.labels

    @property
    def takes_pairs(self):
        """Whether it was trained on pairs of texts; False: on single texts."""
        if self.settings.is_custom:
            return self.settings.text_b_column is not None
        task = tasks.find_task(self.settings.task_name)
        return (task.train or task.test)[0].text_b is not None


@dataclass(frozen=True)
class TrainedModel(ModelFiles):
    """A trained model: its weights, and how it reads text.

    Attributes:
      contents: `compatibility.CheckpointContents` of the weights.
    """

    contents: compatibility.CheckpointContents


@failures.tensorflow_errors(only_files=True)
def load(path):
    """Reads a trained model; its weights are only compared with the config.

    Args:
      path: an output directory, whose latest checkpoint is used; its `best/`; or the
        prefix of a checkpoint in one of these.

    Returns:
      `TrainedModel`.

    Raises:
      InputError: there is no such directory or checkpoint, it lacks a file that using
        the model needs or a trained classifier, or these files do not fit together.

    Example:
      model = load("/tmp/mrpc_output/best")
      model.labels  # ("0", "1")
    """
    prefix = finding.resolve(path)
    directory = os.path.dirname(prefix) or os.curdir
    remedy = (
        "predict once with --output_dir=%s and all flags of the training run, which "
        "adds what is missing" % directory
    )
    if huggingface.is_weights(prefix):
        remedy = (
            "a Hugging Face model does not say how text was read: pass it to "
            "run_classifier.py as --init_checkpoint"
        )
    model = load_files(directory, remedy)
    contents = compatibility.read_contents(prefix, model.config, model.num_outputs)
    if contents.fresh:
        raise InputError(
            "%s lacks %s: it was not fine-tuned; use the --output_dir of a training run"
            % (prefix, ", ".join(contents.fresh))
        )
    return TrainedModel(**vars(model), contents=contents)


def load_files(directory, remedy):
    """Reads the files next to weights.

    Args:
      directory: that of the weights, or a copy of the files next to them.
      remedy: what the message says if a file is missing.

    Returns:
      `ModelFiles`.

    Raises:
      InputError: a file is missing, or they do not fit together.
    """
    missing = [
        name
        for name in model_files.NAMES
        if not files.exists(os.path.join(directory, name))
    ]
    if missing:
        raise InputError(
            "%s lacks %s, which the use of its weights needs; %s"
            % (directory, ", ".join(missing), remedy)
        )
    copies = dict(model_files.copies(directory))
    settings = Settings(**text_settings.load(directory), **copies)
    config, tokenizer, _, _ = model_checks.read(settings, has_weights=True)
    labels = label_map.load(directory)
    return ModelFiles(directory, config, tokenizer, labels, settings)
