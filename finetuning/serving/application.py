"""TensorFlow Serving's REST interface to a predictor, as a WSGI application (PEP 3333).

It also takes texts, and answers health checks and Prometheus.
"""

import json
import re
import time
from dataclasses import dataclass, field
from http import HTTPStatus

from finetuning.serving import metrics
from finetuning.serving.predict_request import PredictRequest, TooManyInstancesError
from finetuning.utils.console import log
from finetuning.utils.errors import InputError

_JSON = "application/json"
_MODEL_PATH = re.compile(
    r"/v1/models/(?P<name>[^/]*?)(/versions/(?P<version>\d+))?"
    r"(?P<action>|/metadata|:[^/:]*)\Z"
)
_ACTIONS = {"": "status", "/metadata": "metadata", ":predict": "predict"}
_SIGNATURE_NAME = "serving_default"


class HttpError(Exception):
    """A request that is answered with an error.

    Attributes:
      status: such as 404.
      headers: list of pairs.
    """

    def __init__(self, status, message, headers=()):
        super().__init__(message)
        self.status, self.headers = status, list(headers)


@dataclass
class Response:
    """What is answered: a JSON value, or bytes of another type."""

    content: object
    status: int = 200
    content_type: str = _JSON
    headers: list = field(default_factory=list)

    def body(self):
        if isinstance(self.content, bytes):
            return self.content
        return json.dumps(self.content).encode("ascii") + b"\n"


@dataclass(frozen=True)
class Limits:
    """What a request may have at most.

    Attributes:
      body_bytes: size of the body.
      instances: number of examples.
    """

    body_bytes: int
    instances: int


class Application:
    """The WSGI application; called by several threads at once."""

    def __init__(self, predictor, run, name, limits):
        """Takes what it serves.

        Args:
          predictor: `predictor.Predictor`.
          run: function like `Predictor.run`, such as `Batcher.run`.
          name: the model's name in paths.
          limits: `Limits`.
        """
        self._predictor, self._run = predictor, run
        self._name, self._limits = name, limits
        self._version = predictor.version or "1"
        self._metrics = metrics.Metrics()

    def __call__(self, environ, start_response):
        endpoint = "other"
        try:
            endpoint, methods, answer = self._route(environ)
            _require_method(environ, methods)
            response = answer(environ)
        except HttpError as error:
            response = Response({"error": str(error)}, error.status)
            response.headers = error.headers
        except Exception as error:
            log.error("a request failed: %s", error, exc_info=True)
            response = Response({"error": "internal error: %s" % error}, 500)
        self._metrics.count_request(endpoint, response.status)
        body = response.body()
        status = "%d %s" % (response.status, HTTPStatus(response.status).phrase)
        length = ("Content-Length", str(len(body)))
        headers = [("Content-Type", response.content_type), length]
        start_response(status, headers + response.headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _route(self, environ):
        """The kind of the path, its methods, and the function that answers."""
        path = _decoded_path(environ)
        if path in ("/", "/healthz"):
            return "health", "GET", self._health
        if path == "/metrics":
            return "metrics", "GET", self._show_metrics
        match = _MODEL_PATH.match(path)
        if match is None or match.group("action") not in _ACTIONS:
            raise HttpError(
                404,
                "unknown path %s; expected /v1/models/%s, /v1/models/%s:predict, "
                "/healthz or /metrics" % (path[:200], self._name, self._name),
            )
        if match.group("name") != self._name:
            raise HttpError(
                404,
                "unknown model %s; this server has %s"
                % (match.group("name")[:200], self._name),
            )
        if match.group("version") not in (None, self._version):
            raise HttpError(
                404,
                "unknown version %s; this server has %s"
                % (match.group("version")[:200], self._version),
            )
        endpoint = _ACTIONS[match.group("action")]
        method = "POST" if endpoint == "predict" else "GET"
        return endpoint, method, getattr(self, "_" + endpoint)

    def _health(self, _):
        return Response({"status": "ok", "model": self._name})

    def _show_metrics(self, _):
        text = self._metrics.text().encode("ascii")
        return Response(text, content_type=metrics.CONTENT_TYPE)

    def _status(self, _):
        version = {
            "version": self._version,
            "state": "AVAILABLE",
            "status": {"error_code": "OK", "error_message": ""},
        }
        return Response({"model_version_status": [version]})

    def _metadata(self, _):
        inputs = {
            name: _tensor("DT_INT32", -1, -1)
            for name in ("input_ids", "input_mask", "segment_ids")
        }
        labels = self._predictor.labels
        outputs = {"value": _tensor("DT_FLOAT", -1)}
        if labels:
            names = ("logits", "probabilities")
            outputs = {name: _tensor("DT_FLOAT", -1, len(labels)) for name in names}
        signature = {
            "inputs": inputs,
            "outputs": outputs,
            "method_name": "tensorflow/serving/predict",
        }
        signatures = {"signature_def": {_SIGNATURE_NAME: signature}}
        return Response(
            {
                "model_spec": {
                    "name": self._name,
                    "signature_name": "",
                    "version": self._version,
                },
                "metadata": {"signature_def": signatures},
                "labels": list(labels),
                "max_seq_length": self._predictor.max_seq_length,
                "takes_pairs": self._predictor.takes_pairs,
            }
        )

    def _predict(self, environ):
        started = time.perf_counter()
        body = _read_body(environ, self._limits.body_bytes)
        try:
            request = PredictRequest(body, self._predictor, self._limits.instances)
        except TooManyInstancesError as error:
            raise HttpError(413, str(error)) from None
        except InputError as error:
            raise HttpError(400, str(error)) from None
        content = request.answer(self._run(request.rows))
        seconds = time.perf_counter() - started
        self._metrics.count_prediction(len(request.rows), seconds)
        return Response(content)


def _tensor(dtype, *sizes):
    shape = {"dim": [{"size": str(size), "name": ""} for size in sizes]}
    return {"dtype": dtype, "tensor_shape": dict(shape, unknown_rank=False)}


def _decoded_path(environ):
    """The path; WSGI hands its bytes over as if they were Latin-1."""
    return environ.get("PATH_INFO", "").encode("latin-1").decode("utf-8", "replace")


def _require_method(environ, allowed):
    method = environ["REQUEST_METHOD"]
    if method == allowed or (method == "HEAD" and allowed == "GET"):
        return
    raise HttpError(
        405,
        "the method is %s, expected %s" % (method[:20], allowed),
        [("Allow", "GET, HEAD" if allowed == "GET" else allowed)],
    )


def _read_body(environ, limit):
    length = environ.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        raise HttpError(400, "Content-Length is not a number")
    body = environ["wsgi.input"].read(min(int(length), limit + 1))
    if len(body) > limit:
        raise HttpError(413, too_large(length, limit))
    return body


def too_large(size, limit):
    """The message about a body of `size` bytes, a number or a phrase."""
    message = "the body has %s bytes, expected at most %d; send several requests"
    return message % (size, limit)
