"""The start: ports, strangers, secrets, and workers that are missing."""

import contextlib
import http.server
import os
import socket
import threading

import numpy as np
import pytest

from finetuning.utils.errors import InputError
from finetuning.workers import handshake, joining, messages
from finetuning.workers.addresses import WorkerAddresses
from tests.support.worker_processes import Worker, end_within, free_addresses, started

STAY = "workers.broadcast(); log.info('ready'); time.sleep(60)"


@contextlib.contextmanager
def worker(*arguments, **settings):
    """One worker that is killed at the end."""
    one = Worker(*arguments, **settings)
    try:
        yield one
    finally:
        one.kill()
        one.wait()


def connect(address):
    host, port = address.split(":")
    return socket.create_connection((host, int(port)), 10)


def alone(addresses, index, **settings):
    """The status and the error of a worker that does not come far."""
    with worker("", addresses, index, **settings) as one:
        return one.wait(), one.err


def connect_when_up(address):
    while True:
        with contextlib.suppress(ConnectionRefusedError):
            return connect(address)


def join(addresses, index, secret=b""):
    """Connects to worker 0 from this process."""
    pairs = [
        (address.split(":")[0], int(address.split(":")[1])) for address in addresses
    ]
    found = WorkerAddresses(tuple(pairs), index, "--workers")
    return joining.join(found, secret, 10)


@pytest.fixture
def secret(tmp_path):
    def write(content, name="secret"):
        path = tmp_path / name
        path.write_bytes(content)
        path.chmod(0o600)
        return str(path)

    return write


# ---- Addresses ----


@pytest.mark.parametrize("index", [0, 1])
def test_a_second_copy_of_a_worker(index):
    addresses = free_addresses(2)
    with started(STAY, 2, addresses) as workers:
        workers[0].has_logged("ready")
        status, line = alone(addresses, index)
    assert status == 2
    assert line == (
        "ERROR: --workers: the address of worker %d, %s, is in use: this worker is "
        "running already, or another program uses the port; stop it, or choose another "
        "port\n" % (index, addresses[index])
    )


@pytest.mark.parametrize(
    "address, says",
    [
        ("192.0.2.1:7000", "is of no network interface of this machine (192.0.2.1)"),
        ("no-such-host.invalid:7000", "cannot be resolved ("),
        ("a..b:7000", "cannot be resolved ("),
    ],
)
@pytest.mark.parametrize("index", [0, 1])
def test_an_address_of_another_machine(address, says, index):
    addresses = free_addresses(1)
    addresses.insert(index, address)
    status, line = alone(addresses, index)
    assert status == 2
    assert (
        "--workers: the address of worker %d, %s, %s" % (index, address, says) in line
    )
    assert line.count("\n") == 1


def test_a_name_that_other_machines_cannot_reach():
    status, line = alone(["localhost:7000", "192.0.2.1:7000"], 0)
    assert status == 2
    assert "worker 0, localhost:7000, is " in line
    assert "where worker 1 (192.0.2.1:7000) cannot reach it" in line


@pytest.mark.parametrize("host", ["localhost", "[::1]"])
def test_names_and_ipv6(host):
    try:
        socket.socket(socket.AF_INET6).bind(("::1", 0))
    except OSError:
        pytest.skip("needs IPv6 on this machine")
    ports = [address.split(":")[1] for address in free_addresses(2)]
    with started("", 2, ["%s:%s" % (host, port) for port in ports]) as workers:
        assert end_within(workers) == [0, 0], [one.err for one in workers]


def test_the_port_is_free_after_the_run():
    addresses = free_addresses(2)
    for _ in range(3):
        with started("", 2, addresses) as workers:
            assert end_within(workers) == [0, 0], [one.err for one in workers]


# ---- Workers that are missing or wrong ----


def test_worker_0_is_missing():
    addresses = free_addresses(2)
    status, line = alone(addresses, 1, connect_timeout=1)
    assert status == 1
    assert line.startswith(
        "ERROR: worker 0 (%s) cannot be reached within 1 s: connection refused; "
        "start it" % addresses[0]
    )


def test_another_worker_is_missing():
    addresses = free_addresses(3)
    with started(["", ""], 2, addresses, connect_timeout=2) as workers:
        assert end_within(workers) == [1, 1]
        assert "worker 2 (%s) did not connect" % addresses[2] in workers[0].err
        assert "worker 2 (%s) did not connect" % addresses[2] in workers[1].err
        assert [one.err.count("\n") for one in workers] == [1, 1]


def test_a_worker_that_is_started_again_before_the_run():
    addresses = free_addresses(3)
    with worker(STAY, addresses, 0) as chief:
        for sock in join(addresses, 1):
            sock.close()
        with worker(STAY, addresses, 1) as again, worker(STAY, addresses, 2) as last:
            for one in (chief, again, last):
                one.has_logged("ready")
            again.kill()
            assert end_within([chief, last]) == [1, 1]


def test_a_worker_that_comes_too_late_or_of_another_run():
    addresses = free_addresses(2)
    with started(STAY, 2, addresses) as workers:
        workers[0].has_logged("ready")
        with pytest.raises(InputError, match="in a run that has started without this"):
            join(addresses, 1)
        with pytest.raises(InputError, match="has other workers in its list"):
            join([addresses[0], "127.0.0.1:1"], 1)
        workers[0].has_logged("Refused worker 1 at 127.0.0.1, port ")
        assert workers[1].process.poll() is None


# ---- Strangers ----


def test_strangers_are_refused_and_the_worker_is_let_in(secret):
    addresses = free_addresses(2)
    path = secret(b"right\n")
    with contextlib.ExitStack() as stack:
        chief = stack.enter_context(
            worker(STAY, addresses, 0, cluster_secret_file=path)
        )
        silent = stack.enter_context(connect_when_up(addresses[0]))
        browser = stack.enter_context(connect(addresses[0]))
        browser.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        refused = "WARNING: Refused a connection from 127.0.0.1, port %d: it is another"
        chief.has_logged(refused % browser.getsockname()[1])
        for wrong in (b"wrong", b""):
            with pytest.raises(InputError, match="did not accept the secret"):
                join(addresses, 1, wrong)
        chief.has_logged("it has another --cluster_secret_file")
        other = stack.enter_context(
            worker(STAY, addresses, 1, cluster_secret_file=path)
        )
        chief.has_logged("ready")
        other.has_logged("ready")
        silent.sendall(b"x" * 16)
        chief.has_logged(refused % silent.getsockname()[1])
        assert chief.out.count("WARNING") == 4
        assert (chief.err, other.err) == ("", "")


def test_a_stranger_that_says_nothing(monkeypatch):
    monkeypatch.setattr(handshake, "SECONDS", 0.2)
    ours, other = socket.socketpair()
    other.sendall(b"bert")
    with ours, other, pytest.raises(handshake.StrangerError, match="said nothing for"):
        handshake.examine(ours, b"")


def test_what_is_said_about_a_worker_is_authenticated():
    """A stranger between the two must not turn one worker into another."""
    claim = handshake.Claim(1, handshake.DATA, b"d" * 32)
    ours, outer = socket.socketpair()
    inner, other = socket.socketpair()

    def relay():
        outer.sendall(inner.recv(1000))
        inner.sendall(outer.recv(1000))
        content = bytearray(inner.recv(1000))
        content[3] = 2
        outer.sendall(content)

    def introduce():
        with contextlib.suppress(handshake.StrangerError):
            handshake.introduce(other, b"secret", claim)

    with ours, outer, inner, other:
        for target in (relay, introduce):
            threading.Thread(target=target, daemon=True).start()
        with pytest.raises(handshake.StrangerError, match="another --cluster_secret"):
            handshake.examine(ours, b"secret")


def test_a_false_worker_0_does_not_learn_the_secret():
    """It accepts whatever the worker answers, but cannot prove that it knows it."""
    ours, other = socket.socketpair()

    def accept():
        hello = other.recv(1000)
        other.sendall(hello)
        proof = other.recv(1000)[-32:]
        other.sendall(b"\0" + proof)

    with ours, other:
        threading.Thread(target=accept, daemon=True).start()
        with pytest.raises(handshake.StrangerError, match="does not know the secret"):
            handshake.introduce(ours, b"x", handshake.Claim(1, 0, b"d" * 32))


def test_another_server_at_the_address_of_worker_0():
    server = http.server.HTTPServer(
        ("127.0.0.1", 0), http.server.BaseHTTPRequestHandler
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = "127.0.0.1:%d" % server.server_port
    status, line = alone([address, *free_addresses(1)], 1)
    server.shutdown()
    server.server_close()
    assert status == 2
    assert line.startswith(
        "ERROR: worker 0 (%s) cannot be used: another program answers there" % address
    )
    assert line.count("\n") == 1


def test_a_silent_server_at_the_address_of_worker_0():
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(5)
        address = "127.0.0.1:%d" % server.getsockname()[1]
        status, line = alone([address, *free_addresses(1)], 1, connect_timeout=1)
    assert status == 1
    assert "it accepts connections, but does not answer" in line


# ---- The secret and the messages ----


def test_the_secret_is_read_without_blanks(secret):
    assert handshake.read_secret(secret(b" a b\xff\r\n")) == b"a b\xff"
    assert handshake.read_secret(None) == b""


def test_a_secret_file_that_cannot_be_used(secret, tmp_path):
    with pytest.raises(InputError, match="--cluster_secret_file=.*is empty; write a"):
        handshake.read_secret(secret(b" \n"))
    with pytest.raises(InputError, match="--cluster_secret_file=.*missing"):
        handshake.read_secret(str(tmp_path / "missing"))


def test_a_secret_that_others_can_read(secret, caplog):
    path = secret(b"x")
    handshake.read_secret(path)
    assert not caplog.records
    os.chmod(path, 0o644)
    handshake.read_secret(path)
    assert "can be read by all users" in caplog.text


def test_no_objects_are_sent():
    ours, other = socket.socketpair()
    with ours, other, pytest.raises(ValueError, match="allow_pickle"):
        messages.send(ours, None, [np.array([{}])])
