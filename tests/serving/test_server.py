"""scripts/serve.py as a process: clients, limits, bad clients, and how it ends."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from waitress.channel import ClientDisconnected

from finetuning.predictor import Predictor
from finetuning.serving import server as serving_server
from tests.support.corpus import NAMES
from tests.support.paths import ROOT
from tests.support.running import ONE_THREAD

SCRIPT = os.path.join(ROOT, "scripts", "serve.py")
PAIRS = [("%s paid ben ." % name, "emma " * count) for count, name in enumerate(NAMES)]


class Server:
    """A server in a process of its own."""

    def __init__(self, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, SCRIPT, *arguments, "--port=0"],
            env=dict(os.environ, **ONE_THREAD),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            universal_newlines=True,
        )
        self.line = self.process.stdout.readline()
        match = re.search(r"http://127.0.0.1:(\d+)(/v1/models/.*:predict)", self.line)
        assert match, self.line + self.process.stderr.read()
        self.port, self.path = int(match.group(1)), match.group(2)

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def socket(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def predict(self, pairs, connection=None):
        body = {"instances": [{"text_a": a, "text_b": b} for a, b in pairs]}
        return self.post(json.dumps(body), connection)

    def post(self, body, connection=None):
        """Returns the status and the content of the answer."""
        with contextlib.ExitStack() as stack:
            if connection is None:
                connection = stack.enter_context(contextlib.closing(self.connect()))
            connection.request("POST", self.path, body)
            response = connection.getresponse()
            return response.status, json.loads(response.read().decode())

    def stop(self, number=signal.SIGTERM):
        """Ends it and returns its exit status and all that it has written."""
        self.process.send_signal(number)
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@contextlib.contextmanager
def _running(*arguments):
    server = Server(*arguments)
    try:
        yield server
    finally:
        server.process.kill()
        server.process.communicate()


@pytest.fixture(scope="module")
def server(finished_run):
    with _running(finished_run.directory) as running:
        yield running
        assert running.process.poll() is None, running.process.stderr.read()
        assert running.predict(PAIRS)[0] == 200
        status, _, err = running.stop()
        assert (status, err) == (0, "")


def test_the_name_is_the_last_part_of_the_path(server):
    assert server.path == "/v1/models/out:predict"


def test_eight_clients(server, finished_run):
    """Each answer equals that of the example alone."""
    with Predictor(finished_run.directory) as predictor:
        expected = [predictor.predict([pair])[0].as_json() for pair in PAIRS]

    def client(number):
        worst = 0.0
        with contextlib.closing(server.connect()) as connection:
            for turn in range(50):
                at = (number + turn) % len(PAIRS)
                status, answer = server.predict([PAIRS[at]], connection)
                assert status == 200, answer
                (found,) = answer["predictions"]
                assert found["label"] == expected[at]["label"]
                assert found["truncated"] == expected[at]["truncated"]
                for label, value in expected[at]["probabilities"].items():
                    worst = max(worst, abs(found["probabilities"][label] - value))
        return worst

    with ThreadPoolExecutor(8) as pool:
        assert max(pool.map(client, range(8))) < 1e-6


def test_a_second_request_is_much_faster_than_a_command(server, finished_run):
    server.predict(PAIRS[:1])
    started = time.perf_counter()
    server.predict(PAIRS[:1])
    request = time.perf_counter() - started
    command = [sys.executable, os.path.join(ROOT, "scripts", "predict.py")]
    started = time.perf_counter()
    subprocess.run([*command, finished_run.directory, *PAIRS[0]], check=True)
    assert time.perf_counter() - started > 10 * request


def test_large_requests_are_answered(server):
    """Read to a bound, so that the client sees the answer, not a reset connection."""
    status, answer = server.post("x" * 10**7)
    assert status == 413 and "expected at most 8388608" in answer["error"]
    status, answer = server.predict(PAIRS[:1] * 10000)
    assert status == 413 and "10000 examples, expected at most 1000" in answer["error"]
    with contextlib.closing(server.connect()) as connection:
        chunks = iter([b"x" * 10**6] * 9)
        connection.request(
            "POST",
            server.path,
            chunks,
            encode_chunked=True,
            headers={"Transfer-Encoding": "chunked"},
        )
        assert connection.getresponse().status == 413


def answer_to(server, request):
    """Sends bytes; returns the status and the JSON that come back."""
    answer = b""
    with server.socket() as client:
        client.sendall(request)
        with contextlib.suppress(ConnectionResetError):  # Not all of it was read.
            for part in iter(lambda: client.recv(10000), b""):
                answer += part
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Content-Type: application/json" in head
    return int(head.split()[1]), json.loads(body.decode())["error"]


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
def test_a_body_that_is_announced_to_be_huge_is_not_waited_for(server, expect):
    head = b"POST %s HTTP/1.1\r\n%sContent-Length: 1000000000000\r\n\r\n"
    status, error = answer_to(server, head % (server.path.encode(), expect))
    assert status == 413
    assert "has 1000000000000 bytes, expected at most 8388608" in error


def test_a_body_of_unknown_length_is_read_to_a_bound(server):
    head = b"POST %s HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"100000\r\n" + b"x" * 2**20 + b"\r\n"
    status, error = answer_to(server, head % server.path.encode() + 32 * chunk)
    assert status == 413
    assert "at least 33554432 bytes, expected at most 8388608" in error


def test_bad_clients_do_not_disturb_others(server):
    slow = [server.socket() for _ in range(40)]
    for client in slow:
        client.sendall(b"POST /v1/models/out:predict HTTP/1.1\r\nContent-Length: 9\r\n")
    body = json.dumps({"instances": [dict(zip(["text_a", "text_b"], PAIRS[0]))] * 500})
    for _ in range(10):  # They do not wait for their answer.
        client = server.socket()
        request = "POST %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (
            server.path,
            len(body),
        )
        client.sendall((request + body).encode())
        client.close()
    for start in (b"", b"\0\1\2\xff\r\n\r\n", b"GET\r\n\r\n", b"POST / HTTP/9\r\n\r\n"):
        with server.socket() as client:
            client.sendall(start)
    assert server.predict(PAIRS[:2])[0] == 200
    for client in slow:
        client.close()


def test_broken_http_is_answered(server):
    requests = [
        b"nonsense\r\n\r\n",
        b"POST /v1/models/out:predict HTTP/1.1\r\nContent-Length: -5\r\n\r\n",
        b"POST /v1/models/out:predict HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"A: " + b"a" * 300000 + b"\r\n\r\n",
    ]
    for request in requests:
        status, error = answer_to(server, request)
        assert 400 <= status < 500 and error, request[:60]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_lets_open_requests_finish(finished_run, number):
    with _running(finished_run.directory, "--name=model") as server:
        idle = server.connect()
        server.predict(PAIRS, idle)  # Keeps its connection open.
        late = server.socket()
        body = json.dumps({"instances": [dict(zip(["text_a", "text_b"], PAIRS[0]))]})
        late.sendall(
            b"POST /v1/models/model:predict HTTP/1.1\r\nContent-Length: %d\r\n\r\n"
            % len(body)
        )
        answers = []

        def ask():
            answers.append(server.predict(PAIRS * 160)[0])

        clients = [threading.Thread(target=ask) for _ in range(4)]
        for client in clients:
            client.start()
        time.sleep(0.1)
        server.process.send_signal(number)
        time.sleep(0.5)
        late.sendall(body.encode())
        assert late.recv(1000).startswith(b"HTTP/1.1 200 OK")
        out, err = server.process.communicate(timeout=60)
        for client in clients:
            client.join()
        assert answers == [200] * 4
        assert (server.process.returncode, err) == (0, "")
        assert "all open requests were answered" in out


def test_a_port_in_use(server, finished_run):
    command = [sys.executable, SCRIPT, finished_run.directory]
    done = subprocess.run(
        [*command, "--port=%d" % server.port],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "ERROR: --host=127.0.0.1 --port=%d: cannot listen there: Address already in "
        "use; choose another --port, or 0 for any free one\n" % server.port
    )


class DisconnectedTask:
    wrote_header = close_on_finish = False

    def __init__(self, _, request):
        self.request = request

    def service(self):
        raise ClientDisconnected


def test_a_client_leaves_before_its_refused_request_is_answered():
    """waitress logs the path, which a refused request does not have."""
    listener = serving_server.Server(print, "127.0.0.1", 0, 100)._server
    ours, theirs = socket.socketpair()
    with contextlib.closing(listener), contextlib.closing(theirs):
        channel = listener.channel_class(listener, ours, ("", 0), listener.adj, {})
        channel.error_task_class = DisconnectedTask
        request = channel.parser_class(listener.adj)
        request.error = "the body is too large"
        channel.requests = [request]
        channel.service()
        assert channel.close_when_flushed
        channel.handle_close()
