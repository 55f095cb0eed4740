"""What the server answers, request by request, without a network."""

import io
import json

import pytest

from finetuning.predictor import Predictor
from finetuning.serving.application import Application, Limits

TEXTS = {"text_a": "anna paid ben .", "text_b": "ben was paid by anna ."}
FEATURES = {"input_ids": [2, 9, 3], "input_mask": [1, 1, 1], "segment_ids": [0, 0, 0]}
PREDICT = "/v1/models/name:predict"


class Client:
    def __init__(self, predictor, name="name", run=None):
        limits = Limits(body_bytes=20000, instances=20)
        self._application = Application(predictor, run or predictor.run, name, limits)

    def request(self, path, body=b"", method=None, **environ):
        """Returns the status, the headers and the body."""
        answers = []
        environ = {
            "REQUEST_METHOD": method or ("POST" if body else "GET"),
            "PATH_INFO": path.encode("utf-8").decode("latin-1"),
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": io.BytesIO(body),
            **environ,
        }
        parts = self._application(environ, lambda *arguments: answers.append(arguments))
        ((status, headers),) = answers
        return int(status.split()[0]), dict(headers), b"".join(parts)

    def predict(self, content):
        status, _, body = self.request(PREDICT, json.dumps(content).encode())
        return status, json.loads(body.decode())


@pytest.fixture(scope="module")
def predictor(finished_run):
    with Predictor(finished_run.directory) as loaded:
        yield loaded


@pytest.fixture(scope="module")
def client(predictor):
    return Client(predictor)


def test_texts(client, predictor):
    long = {"text_a": "anna " * 20, "text_b": "ben"}
    status, answer = client.predict({"instances": [TEXTS, long]})
    expected = predictor.predict([list(TEXTS.values()), list(long.values())])
    assert status == 200
    assert answer == {"predictions": [p.as_json() for p in expected]}
    assert [p["truncated"] for p in answer["predictions"]] == [False, True]


def test_features_by_rows_and_by_columns(client, predictor):
    """As TensorFlow Serving answers them; rows may have different lengths."""
    shorter = {name: values[:2] for name, values in FEATURES.items()}
    status, answer = client.predict(
        {"signature_name": "serving_default", "instances": [FEATURES, shorter]}
    )
    assert status == 200
    first, second = answer["predictions"]
    assert set(first) == {"logits", "probabilities"}
    assert sum(first["probabilities"]) == pytest.approx(1)
    columns = {name: [FEATURES[name]] for name in FEATURES}
    assert first["probabilities"] == pytest.approx(
        predictor.probabilities(**columns)[0].tolist(), abs=1e-6
    )
    status, answer = client.predict({"inputs": columns})
    assert status == 200
    assert answer["outputs"]["logits"][0] == pytest.approx(first["logits"], abs=1e-6)


def test_a_regression(evaluated_run):
    with Predictor(evaluated_run.directory) as regression:
        client = Client(regression)
        (expected,) = regression.predict([list(TEXTS.values())])
        _, answer = client.predict({"instances": [TEXTS]})
        assert answer["predictions"][0]["value"] == pytest.approx(expected.value)
        _, answer = client.predict({"instances": [FEATURES]})
        assert isinstance(answer["predictions"][0], float)
        columns = {name: [FEATURES[name]] for name in FEATURES}
        _, by_columns = client.predict({"inputs": columns})
        assert by_columns["outputs"] == pytest.approx(answer["predictions"])
        _, _, body = client.request("/v1/models/name/metadata")
        signature = json.loads(body.decode())["metadata"]["signature_def"]
        outputs = signature["signature_def"]["serving_default"]["outputs"]
        assert list(outputs) == ["value"]


BAD = {
    b"": "not JSON",
    b"[]": "not an object",
    b"\xff": "not UTF-8",
    b"{": "not JSON",
    b"null": "not an object",
    b'{"a": 1}': "unknown key: 'a'",
    b"{}": "expected either",
    b'{"instances": [], "inputs": {}}': "expected either",
    b'{"instances": []}': "is empty",
    b'{"instances": {}}': "is not a list",
    b'{"instances": [[]]}': "[0]: expected an object",
    b'{"instances": [1]}': "[0]: expected an object",
    b'{"instances": [{}]}': "with text_a and text_b, or with input_ids",
    b'{"instances": ["a text"]}': "with text_a and text_b, or with input_ids",
    b'{"instances": [{"text_b": "b"}]}': "there is no text_a",
    b'{"instances": [{"input_ids": [2]}]}': "[0]: there is no input_mask",
    b'{"instances": [{"text_a": 1, "text_b": "b"}]}': "expected a text or a pair",
    b'{"instances": [{"text_a": "a"}]}': "trained on pairs",
    b'{"instances": [{"text_a": "a", "text_b": null}]}': "expected a text or a pair",
    b'{"instances": [{"text_a": "a", "text": "b"}]}': "unknown key: 'text'",
    b'{"inputs": {}}': "there is no input_ids",
    b'{"inputs": []}': "expected an object",
    b'{"inputs": {"input_ids": [[2]], "input_mask": [], "segment_ids": []}}': "1, 0",
    b'{"inputs": {"input_ids": 2, "input_mask": 1, "segment_ids": 0}}': "list of lists",
    b'{"inputs": {"input_ids": [2], "input_mask": [1], "segment_ids": [0]}}': "list of",
    b'{"instances": [{"input_ids": 2, "input_mask": 1, "segment_ids": 0}]}': "list of",
    b'{"instances": [{"input_ids": [99999], "input_mask": [1], "segment_ids": [0]}]}': (
        "instances[0]: input_ids[0] is 99999, expected 0 to 17"
    ),
    b'{"instances": [{"input_ids": [NaN], "input_mask": [1], "segment_ids": [0]}]}': (
        "NaN is not a number"
    ),
    b'{"instances": ' + b"9" * 9999 + b"}": "a number has 9999 digits",
    b'{"instances": [{"text_a": "a", "text_a": "b"}]}': "appears twice",
    b"[" * 20000: "nested too deeply",
    b'{"instances": ' + b"[" * 9000 + b"]" * 9000 + b"}": "",
    b'{"instances": [{}], "signature_name": "other"}': "signature_name",
}


@pytest.mark.parametrize("body", list(BAD), ids=lambda body: repr(body[:40]))
def test_bad_requests(client, body):
    status, headers, answer = client.request(PREDICT, body, method="POST")
    content = json.loads(answer.decode())
    assert status == 400 and list(content) == ["error"], content
    assert BAD[body] in content["error"] and len(content["error"]) < 300
    assert headers["Content-Type"] == "application/json"
    assert client.predict({"instances": [TEXTS]})[0] == 200


def test_text_that_is_no_text(client):
    """Half of a surrogate pair is valid JSON, and no character."""
    body = b'{"instances": [{"text_a": "anna \\ud800 \\u0000", "text_b": ""}]}'
    assert client.request(PREDICT, body)[0] == 200


def test_limits(client):
    status, answer = client.predict({"instances": [TEXTS] * 21})
    assert status == 413 and "21 examples, expected at most 20" in answer["error"]
    status, _, body = client.request(PREDICT, b"x" * 20001)
    assert status == 413 and b"20001 bytes, expected at most 20000" in body
    columns = {name: [FEATURES[name]] * 21 for name in FEATURES}
    assert client.predict({"inputs": columns})[0] == 413
    assert client.request(PREDICT, b"x", CONTENT_LENGTH="-1")[0] == 400


@pytest.mark.parametrize(
    "method, path, status",
    [
        ("GET", "/", 200),
        ("HEAD", "/healthz", 200),
        ("GET", "/v1/models/name", 200),
        ("GET", "/v1/models/name/versions/1", 200),
        ("GET", "/v1/models/name/versions/1/metadata", 200),
        ("GET", "/v1/models/name/versions/2", 404),
        ("GET", "/v1/models/other", 404),
        ("POST", "/v1/models/other:predict", 404),
        ("POST", "/v1/models/name:classify", 404),
        ("GET", "/v1/models/name/", 404),
        ("GET", "/v1/models/é\n", 404),
        ("GET", "/favicon.ico", 404),
        ("GET", PREDICT, 405),
        ("PUT", PREDICT, 405),
        ("DELETE", "/v1/models/name", 405),
        ("POST", "/healthz", 405),
        ("POST", "/metrics", 405),
    ],
)
def test_paths_and_methods(client, method, path, status):
    found, headers, body = client.request(path, method=method)
    assert found == status
    if status != 200:
        assert list(json.loads(body.decode())) == ["error"]
    if status == 405:
        assert headers["Allow"] in ("POST", "GET, HEAD")
    assert (body == b"") == (method == "HEAD")


def test_status_and_other_names(predictor):
    client = Client(predictor, name="a b.ü")
    status, _, body = client.request("/v1/models/a b.ü")
    assert status == 200
    (version,) = json.loads(body.decode())["model_version_status"]
    assert version["state"] == "AVAILABLE" and version["version"] == "1"


def test_metrics(predictor):
    client = Client(predictor)
    client.predict({"instances": [TEXTS, TEXTS]})
    client.predict({})
    client.request("/nothing")
    _, headers, body = client.request("/metrics")
    lines = body.decode().splitlines()
    assert 'finetuning_requests_total{endpoint="predict",status="200"} 1' in lines
    assert 'finetuning_requests_total{endpoint="predict",status="400"} 1' in lines
    assert 'finetuning_requests_total{endpoint="other",status="404"} 1' in lines
    assert "finetuning_instances_total 2" in lines
    assert "finetuning_predict_seconds_count 1" in lines
    assert 'finetuning_predict_seconds_bucket{le="+Inf"} 1' in lines
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")


def test_a_failure_is_answered_and_logged(predictor, caplog):
    def fail(_):
        raise MemoryError("no memory left")

    client = Client(predictor, run=fail)
    status, answer = client.predict({"instances": [TEXTS]})
    assert status == 500 and answer == {"error": "internal error: no memory left"}
    assert "no memory left" in caplog.text
