"""A trained model that is loaded once and used often, from any Python program.

  from finetuning.predictor import Predictor

  predictor = Predictor("/tmp/mrpc_output")
  predictor.predict([("A first text.", "Its pair."), ("Another text.", "Its pair.")])

The host program keeps its settings: nothing is printed, and no logging, signal handler,
environment variable, random seed or option of TensorFlow's is changed.
"""

import os
from typing import Dict, NamedTuple, Optional

import numpy as np

from finetuning.data import features
from finetuning.data.tasks import InputExample
from finetuning.device import backend
from finetuning.utils import files
from finetuning.utils.errors import InputError

_INPUTS = ("input_ids", "input_mask", "segment_ids")


class Prediction(NamedTuple):
    """What a model says about one example.

    Attributes:
      label: the most probable label; None for a regression.
      probabilities: dictionary from each label, in the order of their ids, to its
        probability; empty for a regression.
      truncated: whether tokens were removed to fit the maximum length.
      value: the number that a regression predicts; None for a classifier.
    """

    label: Optional[str]
    probabilities: Dict[str, float]
    truncated: bool
    value: Optional[float] = None

    def as_json(self):
        """The attributes that the model has, as a dictionary."""
        if self.value is not None:
            return {"value": self.value, "truncated": self.truncated}
        return {
            "label": self.label,
            "probabilities": self.probabilities,
            "truncated": self.truncated,
        }


class Predictor:
    """A trained model that predicts; may be used by several threads at once.

    Attributes:
      task_name: the task that it was trained on, such as "mrpc"; or "custom".
      labels: the labels in the order of their ids; empty for a regression.
      max_seq_length: the length in tokens to which texts are truncated.
      takes_pairs: whether an example is a pair of texts; False: a single text.
      version: that of an export; None for other models.

    Example:
      with Predictor("/tmp/mrpc_output/best") as predictor:
          prediction = predictor.predict([("A text.", "Another one.")])[0]
          print(prediction.label, prediction.probabilities["1"])
    """

    def __init__(self, path, batch_size=32, num_threads=0):
        """Loads the model.

        Args:
          path: an output directory, whose latest checkpoint is used; its `best/`; the
            prefix of a checkpoint; or an exported SavedModel, DIR or DIR/N.
          batch_size: how many examples of `max_seq_length` tokens are computed at once.
          num_threads: CPU threads of one op; 0: as many as TensorFlow chooses.

        Raises:
          InputError: there is no such model, it cannot be used, or a number is too low.
        """
        # TensorFlow ends the process for a number of threads that is negative.
        for name, value, least in (
            ("batch_size", batch_size, 1),
            ("num_threads", num_threads, 0),
        ):
            if value < least:
                raise InputError("%s=%d: expected at least %d" % (name, value, least))
        with backend.silent_tensorflow():
            # Imported here, because importing this module should not print anything.
            from finetuning import model_session, trained_model
            from finetuning.export import saved_model

            export = None if files.is_remote(path) else saved_model.find(path)
            if export is None:
                model = trained_model.load(path)
                load, source = model_session.from_checkpoint, model
            else:
                assets = os.path.join(export, saved_model.ASSETS)
                model = trained_model.load_files(assets, "export the model again")
                load, source = model_session.from_export, export
            batch_tokens = batch_size * model.settings.max_seq_length
            self._session = load(source, batch_tokens, num_threads)
            self._model = model
            self.task_name = model.settings.task_name
            self.labels = model.labels
            self.max_seq_length = model.settings.max_seq_length
            self.takes_pairs = model.takes_pairs
            version = os.path.basename(os.path.normpath(export or ""))
            self.version = version if version.isdigit() else None
            # TensorFlow optimises the graph in its first run.
            example = ("", "") if self.takes_pairs else ""
            self.predict([example])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Frees the memory of the model, which cannot be used afterwards."""
        self._session.close()

    def predict(self, examples):
        """Predicts the labels of texts.

        Args:
          examples: iterable of texts; or of pairs of texts (tuples or lists), if the
            model was trained on pairs.

        Returns:
          List of `Prediction`, in the same order.

        Raises:
          InputError: an example is not what the model was trained on.
        """
        encoded = [self.encode(example) for example in examples]
        if not encoded:
            return []
        return self.predictions(self.run([row for row, _ in encoded]), encoded)

    def encode(self, example):
        """Encodes one example for `run`.

        Returns:
          Int32 array [3, S]: `input_ids`, `input_mask` and `segment_ids`, without
          padding; and whether tokens were removed.

        Raises:
          InputError: see `predict`.
        """
        text_a, text_b = self._texts(example)
        encoded = features.encode_example(
            InputExample("", text_a, text_b, label=self._any_label),
            self.labels,
            self.max_seq_length,
            self._model.tokenizer,
        )
        length = len(encoded.token_ids)
        row = np.ones((3, length), np.int32)
        row[0] = encoded.token_ids
        row[2, : encoded.first_segment] = 0
        return row, encoded.truncated

    @property
    def _any_label(self):
        return self.labels[0] if self.labels else "0"

    def _texts(self, example):
        texts = [example] if isinstance(example, str) else example
        if not isinstance(texts, (list, tuple)) or not all(
            isinstance(text, str) for text in texts
        ):
            raise InputError(
                "expected a text or a pair of texts, found %s" % _shortened(example)
            )
        if len(texts) != 1 + self.takes_pairs:
            raise InputError(
                "the model was trained on %s, found %d: %s"
                % (
                    "pairs of texts" if self.takes_pairs else "single texts",
                    len(texts),
                    _shortened(example),
                )
            )
        return texts[0], texts[1] if self.takes_pairs else None

    def features(self, input_ids, input_mask, segment_ids):
        """Checks the features of one example, and returns them for `run`.

        Args:
          input_ids: S ints, S from 1 to the model's `max_position_embeddings`.
          input_mask: S ints, 1 for tokens and 0 for padding.
          segment_ids: S ints.

        Returns:
          Int32 array [3, S].

        Raises:
          InputError: the lengths differ, or a number is outside the model.
        """
        lists, config = (input_ids, input_mask, segment_ids), self._model.config
        lengths = [len(values) for values in lists]
        if len(set(lengths)) > 1:
            raise InputError(
                "the lengths of %s are %d, %d and %d, expected the same"
                % (", ".join(_INPUTS), *lengths)
            )
        if not 1 <= lengths[0] <= config.max_position_embeddings:
            raise InputError(
                "there are %d input_ids, expected 1 to %d"
                % (lengths[0], config.max_position_embeddings)
            )
        ends = (config.vocab_size, 2, config.type_vocab_size)
        for name, values, end in zip(_INPUTS, lists, ends):
            for place, value in enumerate(values):
                if type(value) is not int or not 0 <= value < end:
                    raise InputError(
                        "%s[%d] is %s, expected 0 to %d"
                        % (name, place, _shortened(value), end - 1)
                    )
        row = np.array(lists, np.int32)
        if not row[1].any():
            raise InputError("input_mask has no 1, expected at least one token")
        return row

    def run(self, rows):
        """Computes the outputs of the model.

        Args:
          rows: non-empty list of arrays from `encode` or `features`.

        Returns:
          Dictionary of float32 arrays: `probabilities` and `logits` [rows, L], or for a
          regression `value` [rows].

        Raises:
          InputError: the numbers are not finite, because the training has failed.
        """
        outputs = self._session.run(rows)
        if not all(np.isfinite(values).all() for values in outputs.values()):
            raise InputError(
                "the model produces numbers that are not finite: its training has "
                "failed; use another checkpoint"
            )
        return outputs

    def probabilities(self, input_ids, input_mask, segment_ids):
        """Computes probabilities from features.

        Args:
          input_ids: ints [B, S], B at least 1.
          input_mask: ints [B, S].
          segment_ids: ints [B, S].

        Returns:
          Float32 array [B, L]; for a regression [B], the predicted numbers.

        Raises:
          InputError: see `features`.
        """
        columns = [np.asarray(a).tolist() for a in (input_ids, input_mask, segment_ids)]
        sizes = [len(column) for column in columns]
        if len(set(sizes)) > 1 or not sizes[0]:
            raise InputError(
                "%s have %d, %d and %d examples, expected the same number of at least 1"
                % (", ".join(_INPUTS), *sizes)
            )
        outputs = self.run([self.features(*row) for row in zip(*columns)])
        return outputs["probabilities" if self.labels else "value"]

    def predictions(self, outputs, encoded):
        """The `Prediction`s of examples.

        Args:
          outputs: what `run` returned for their rows.
          encoded: what `encode` returned for each of them.
        """
        if not self.labels:
            return [
                Prediction(None, {}, truncated, value)
                for value, (_, truncated) in zip(outputs["value"].tolist(), encoded)
            ]
        probabilities = outputs["probabilities"]
        best = probabilities.argmax(axis=1)
        return [
            Prediction(self.labels[index], dict(zip(self.labels, row)), truncated)
            for index, row, (_, truncated) in zip(best, probabilities.tolist(), encoded)
        ]


def _shortened(value):
    text = repr(value)
    return text if len(text) <= 60 else text[:60] + "…"
