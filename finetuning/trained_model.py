"""A trained model as its users need it, read from a directory of weights alone."""

import os
from dataclasses import dataclass

import modeling
import tokenization
from finetuning.checkpoints import compatibility, finding, model_files
from finetuning.checks.inputs import read_model
from finetuning.data import label_map
from finetuning.device import failures
from finetuning.flags import text_settings
from finetuning.flags.settings import Settings
from finetuning.utils import files
from finetuning.utils.errors import InputError


@dataclass(frozen=True)
class TrainedModel:
    """A trained model: its weights, and how it reads text.

    Attributes:
      directory: where it was read from: an output directory, or its `best/`.
      contents: `compatibility.CheckpointContents` of the weights.
      config: `modeling.BertConfig`.
      tokenizer: `tokenization.FullTokenizer`.
      labels: the labels in the order of their ids; empty for a regression.
      settings: `settings.Settings` with the flags that decide how text is read,
        `vocab_file` and `bert_config_file`; the others have their defaults.
    """

    directory: str
    contents: compatibility.CheckpointContents
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
        the model needs, or these files do not fit together.

    Example:
      model = load("/tmp/mrpc_output/best")
      model.labels  # ("0", "1")
    """
    prefix = finding.resolve(path)
    directory = os.path.dirname(prefix) or os.curdir
    missing = [
        name
        for name in model_files.NAMES
        if not files.exists(os.path.join(directory, name))
    ]
    if missing:
        raise InputError(
            "%s lacks %s, which the use of its weights needs; predict once with "
            "--output_dir=%s and all flags of the training run, which adds what is "
            "missing" % (directory, ", ".join(missing), directory)
        )
    copies = {
        flag: os.path.join(directory, name)
        for flag, name in text_settings.COPIES.items()
    }
    settings = Settings(**text_settings.load(directory), **copies)
    config, tokenizer, _, _ = read_model(settings, has_weights=True)
    labels = label_map.load(directory)
    contents = compatibility.read_contents(prefix, config, len(labels) or 1)
    return TrainedModel(directory, contents, config, tokenizer, labels, settings)
