"""TCP sockets of the control connection."""

import contextlib
import errno
import ipaddress
import os
import socket
import time
import weakref

from finetuning.utils.errors import InputError

# The kernel of the other machine answers these probes, however busy the process is. A
# connection that is idle is given up after 4 + 3 * 2 seconds without an answer.
_KEEPALIVE = {"TCP_KEEPIDLE": 4, "TCP_KEEPINTVL": 2, "TCP_KEEPCNT": 3}
_UNCONFIRMED_MS = 10000
_CHUNK = 2**18
_BACKLOG = 128
_open = weakref.WeakSet()


def own(sock):
    """Keeps a socket out of child processes; returns it."""
    _open.add(sock)
    return sock


def _close_in_child():
    """Closes a fork's copies, which would hide from the others that a worker died."""
    for sock in list(_open):
        if sock.fileno() >= 0:
            os.close(sock.detach())


os.register_at_fork(after_in_child=_close_in_child)


def prepare(sock, carries_data):
    """Makes a connected socket blocking, and lets the kernel watch the connection.

    Args:
      sock: connected.
      carries_data: whether the other side may be too busy to read what is sent. If not,
        what is not confirmed by its machine ends the connection, too; while anything
        is unconfirmed, the kernel does not probe.
    """
    sock.settimeout(None)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEPALIVE.items():
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    if not carries_data and hasattr(socket, "TCP_USER_TIMEOUT"):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNCONFIRMED_MS)


def bind(addresses):
    """Binds to this worker's own address; worker 0 listens there.

    The other workers hold their port, so that no second copy of one can be started.

    Args:
      addresses: `WorkerAddresses`.

    Returns:
      A socket.

    Raises:
      InputError: the address is in use, or of another machine.
    """
    host, port = addresses.addresses[addresses.index]
    where = "%s: the address of worker %d, %s," % (
        addresses.source,
        addresses.index,
        addresses.text(addresses.index),
    )
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except (OSError, UnicodeError) as error:
        raise InputError(
            "%s cannot be resolved (%s); check the name, or use an IP address"
            % (where, getattr(error, "strerror", error))
        ) from None
    for family, _, _, _, address in found:
        if addresses.index == 0 and _is_loopback(address[0]):
            _require_same_machine(addresses, where, address[0])
        try:
            return _bind_one(family, address, listens=addresses.index == 0)
        except OSError as error:
            problem = error
            if error.errno == errno.EADDRINUSE:
                break
    raise InputError("%s %s" % (where, _bind_problem(problem, found[0][4][0])))


def _require_same_machine(addresses, where, number):
    """Refuses a name that means this machine here, but not on the other machines.

    On Debian, /etc/hosts says so of the name of the machine itself.
    """
    for index, (host, port) in enumerate(addresses.addresses):
        with contextlib.suppress(OSError, UnicodeError):  # Not ours to resolve.
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            if not _is_loopback(found[0][4][0]):
                raise InputError(
                    "%s is %s on this machine, where %s cannot reach it; use the IP "
                    "address, or a name that means it on all machines"
                    % (where, number, addresses.name(index))
                )


def _is_loopback(number):
    return ipaddress.ip_address(number.split("%")[0]).is_loopback


def _bind_one(family, address, listens):
    sock = own(socket.socket(family, socket.SOCK_STREAM))
    try:
        if listens:
            # Connections of a run that has just ended do not matter.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        if listens:
            sock.listen(_BACKLOG)
    except OSError:
        sock.close()
        raise
    return sock


def _bind_problem(error, number):
    if error.errno == errno.EADDRINUSE:
        return (
            "is in use: this worker is running already, or another program uses the "
            "port; stop it, or choose another port"
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return (
            "is of no network interface of this machine (%s); check --workers and "
            "--worker_index" % number
        )
    return "cannot be used (%s); choose another port" % error.strerror


class Deadline:
    """A point in time that limits the operations on a socket."""

    def __init__(self, seconds):
        self._end = time.monotonic() + seconds

    def remaining(self):
        """Seconds; not negative."""
        return max(0.0, self._end - time.monotonic())

    def apply(self, sock):
        """Lets the next operation on a socket last no longer.

        Raises:
          socket.timeout: the time is over.
        """
        remaining = self.remaining()
        if not remaining:
            raise socket.timeout("timed out")
        sock.settimeout(remaining)


def receive(sock, size, deadline=None):
    """Receives exactly `size` bytes.

    Raises:
      EOFError: the other side closed the connection.
      OSError: the connection broke, or `socket.timeout`.
    """
    chunks = []
    while size:
        if deadline is not None:
            deadline.apply(sock)
        chunk = sock.recv(min(size, _CHUNK))
        if not chunk:
            raise EOFError("connection closed")
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def has_input(sock):
    """Whether something was received, or the other side closed the connection."""
    try:
        sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return False
    except OSError:
        pass  # The connection broke.
    return True


def shut_down(sock, how=socket.SHUT_RDWR):
    """Ends a connection, which also wakes a thread that waits for it."""
    with contextlib.suppress(OSError):  # It is closed already.
        sock.shutdown(how)
