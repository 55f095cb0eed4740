"""A prediction request and its answer, as in TensorFlow Serving's REST interface.

https://www.tensorflow.org/tfx/serving/api_rest#predict_api
"""

from finetuning.utils import json_files
from finetuning.utils.errors import InputError

_FEATURES = ("input_ids", "input_mask", "segment_ids")
_TEXTS = ("text_a", "text_b")
_SIGNATURE = "serving_default"
_KEYS = ("instances", "inputs", "signature_name")


class TooManyInstancesError(InputError):
    """The request has more examples than the server accepts."""


class PredictRequest:
    """A request whose examples fit the model.

    Attributes:
      rows: list of arrays for `Predictor.run`, one for each example.
    """

    def __init__(self, body, predictor, max_instances):
        """Parses a request.

        Args:
          body: bytes.
          predictor: `predictor.Predictor`.
          max_instances: how many examples are accepted.

        Raises:
          TooManyInstancesError: there are more.
          InputError: the body is not such a request, or does not fit the model.
        """
        self._predictor = predictor
        content = _parse(body)
        self._by_columns = "inputs" in content
        if self._by_columns:
            examples = _rows_of_columns(content["inputs"])
        else:
            examples = content["instances"]
            if not isinstance(examples, list):
                raise InputError('"instances" is not a list')
        name = "inputs" if self._by_columns else "instances"
        if not examples:
            raise InputError('"%s" is empty, expected at least one example' % name)
        if len(examples) > max_instances:
            raise TooManyInstancesError(
                "the request has %d examples, expected at most %d; send several "
                "requests" % (len(examples), max_instances)
            )
        first = examples[0] if isinstance(examples[0], dict) else {}
        if not set(first) & {*_FEATURES, *_TEXTS}:
            raise InputError(
                "%s[0]: expected an object with %s, or with %s"
                % (name, " and ".join(_TEXTS), ", ".join(_FEATURES))
            )
        self._are_texts = not set(first).isdisjoint(_TEXTS)
        read = self._encode_text if self._are_texts else self._read_features
        self._encoded = []
        for index, example in enumerate(examples):
            try:
                self._encoded.append(read(example))
            except InputError as error:
                raise InputError("%s[%d]: %s" % (name, index, error)) from None
        self.rows = [row for row, _ in self._encoded]

    def _encode_text(self, example):
        _require_keys(example, ["text_a"], _TEXTS)
        texts = [example[name] for name in _TEXTS if name in example]
        return self._predictor.encode(texts)

    def _read_features(self, example):
        _require_keys(example, _FEATURES, _FEATURES)
        values = [example[name] for name in _FEATURES]
        for name, value in zip(_FEATURES, values):
            if not isinstance(value, list):
                raise InputError("%s is not a list of integers" % name)
        return self._predictor.features(*values), None

    def answer(self, outputs):
        """The content of the response.

        Args:
          outputs: what `Predictor.run` returned for `rows`.
        """
        if self._are_texts:
            predictions = self._predictor.predictions(outputs, self._encoded)
            return {"predictions": [each.as_json() for each in predictions]}
        columns = {name: values.tolist() for name, values in outputs.items()}
        only = next(iter(columns.values())) if len(columns) == 1 else None
        if self._by_columns:
            return {"outputs": columns if only is None else only}
        if only is not None:
            return {"predictions": only}
        rows = zip(*columns.values())
        return {"predictions": [dict(zip(columns, row)) for row in rows]}


def _parse(body):
    try:
        content = json_files.parse_text(body.decode("utf-8"))
    except UnicodeDecodeError:
        raise InputError("the body is not UTF-8") from None
    except ValueError as error:
        raise InputError("the body is not JSON: %s" % error) from None
    if not isinstance(content, dict):
        raise InputError('the body is not an object such as {"instances": [...]}')
    _require_keys(content, [], _KEYS)
    if ("instances" in content) == ("inputs" in content):
        raise InputError('expected either "instances" or "inputs"')
    if content.get("signature_name", _SIGNATURE) != _SIGNATURE:
        raise InputError('expected no other "signature_name" than %r' % _SIGNATURE)
    return content


def _rows_of_columns(columns):
    _require_keys(columns, _FEATURES, _FEATURES)
    values = [columns[name] for name in _FEATURES]
    if not all(isinstance(value, list) for value in values):
        raise InputError("expected a list of lists of integers as each of the inputs")
    if len({len(value) for value in values}) > 1:
        raise InputError(
            "the inputs have %d, %d and %d examples, expected the same"
            % tuple(map(len, values))
        )
    return [dict(zip(_FEATURES, row)) for row in zip(*values)]


def _require_keys(content, needed, known):
    if not isinstance(content, dict):
        raise InputError("expected an object with %s" % " and ".join(known))
    missing = [name for name in needed if name not in content]
    unknown = [name for name in content if name not in known]
    if missing or unknown:
        raise InputError(
            "%s %s; expected an object with %s"
            % (
                "there is no" if missing else "unknown key:",
                (missing or [repr(unknown[0])[:60]])[0],
                " and ".join(known),
            )
        )
