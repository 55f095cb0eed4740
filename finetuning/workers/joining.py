"""How the workers find each other: worker 0 listens, the others connect to it."""

import socket
import threading
import time
from typing import NamedTuple

from finetuning.utils.console import log
from finetuning.utils.errors import InputError, WorkerError
from finetuning.workers import handshake, sockets

_RETRY_SECONDS = 0.2
# Strangers that are examined at the same time; what exceeds it must try again.
_MAX_EXAMINED = 64


class Link(NamedTuple):
    """Two connections to one worker, both authenticated.

    Attributes:
      data: the messages of the main threads.
      watch: idle, apart from a last message. Because nothing waits in it, the kernel's
        probes tell a lost machine from a process that is busy or stopped.
    """

    data: socket.socket
    watch: socket.socket


class Reception:
    """Worker 0's side: lets in the other workers, and nobody else.

    It answers during the whole run, so that whoever comes too late is told so.
    """

    def __init__(self, listener, secret, addresses):
        """Starts to listen.

        Args:
          listener: a listening socket.
          secret: bytes.
          addresses: `WorkerAddresses`.
        """
        self._listener = listener
        self._secret = secret
        self._digest = handshake.digest(addresses)
        self._count = len(addresses.addresses)
        self._condition = threading.Condition()
        self._joined = {}
        self._started = False
        self._examined = threading.BoundedSemaphore(_MAX_EXAMINED)
        threading.Thread(target=self._accept, daemon=True).start()

    def wait(self, seconds):
        """Waits for all workers, and lets in none from then on.

        Returns:
          Dictionary from the index of a worker to its `Link`. Some are missing if they
          have not connected in time.
        """
        with self._condition:
            self._condition.wait_for(
                lambda: len(self._links()) == self._count - 1, seconds
            )
            self._started = True
            return self._links()

    def _links(self):
        """The links of the workers that are connected and have not ended since."""
        links = {}
        for index in range(1, self._count):
            keys = [(index, handshake.DATA), (index, handshake.WATCH)]
            socks = [self._joined[key] for key in keys if key in self._joined]
            if len(socks) == len(keys) and not sockets.has_input(socks[1]):
                links[index] = Link(*socks)
        return links

    def close(self):
        sockets.shut_down(self._listener)
        self._listener.close()

    def _accept(self):
        while True:
            try:
                sock, (host, port, *_) = self._listener.accept()
            except OSError:
                if self._listener.fileno() < 0:
                    return
                time.sleep(_RETRY_SECONDS)  # For example out of file descriptors.
                continue
            sockets.own(sock)
            if not self._examined.acquire(blocking=False):
                sock.close()
                continue
            arguments = (sock, "%s, port %d" % (host, port))
            threading.Thread(target=self._examine, args=arguments, daemon=True).start()

    def _examine(self, sock, peer):
        try:
            claim, reply = handshake.examine(sock, self._secret)
            self._admit(sock, claim, reply, peer)
        except handshake.StrangerError as error:
            log.warning("Refused a connection from %s: %s", peer, error)
            sock.close()
        except OSError:
            sock.close()  # A worker that left; it comes again, or is missed.
        finally:
            self._examined.release()

    def _admit(self, sock, claim, reply, peer):
        if claim.digest != self._digest or not 0 < claim.index < self._count:
            log.warning("Refused worker %d at %s: other --workers", claim.index, peer)
            reply(handshake.OTHER_WORKERS)
            sock.close()
            return
        with self._condition:
            if self._started:
                reply(handshake.STARTED)
                sock.close()
                return
            sockets.prepare(sock, claim.purpose == handshake.DATA)
            reply(handshake.ACCEPTED)
            key = (claim.index, claim.purpose)
            # A worker that was started again replaces the one that failed.
            if key in self._joined:
                self._joined[key].close()
            self._joined[key] = sock
            self._condition.notify_all()


def join(addresses, secret, seconds):
    """Connects to worker 0, again and again until it answers.

    Args:
      addresses: `WorkerAddresses`.
      secret: bytes.
      seconds: how long to try.

    Returns:
      `Link`.

    Raises:
      InputError: what answers is another program, or refuses this worker.
      WorkerError: worker 0 does not answer in time.
    """
    deadline = sockets.Deadline(seconds)
    return Link(
        *(
            _join(addresses, secret, purpose, deadline, seconds)
            for purpose in (handshake.DATA, handshake.WATCH)
        )
    )


def _join(addresses, secret, purpose, deadline, seconds):
    claim = handshake.Claim(addresses.index, purpose, handshake.digest(addresses))
    problem = "timed out"
    while True:
        try:
            return _try(addresses, secret, claim, deadline)
        except handshake.NotReadyError as error:
            problem = str(error)
        except handshake.StrangerError as error:
            raise InputError(
                "%s cannot be used: %s; check %s and --cluster_secret_file, which must "
                "be the same on all workers"
                % (addresses.name(0), error, addresses.source)
            ) from None
        if deadline.remaining() < _RETRY_SECONDS:
            raise WorkerError(
                "%s cannot be reached within %d s: %s; start it, and check its "
                "address and the firewall, or raise --connect_timeout"
                % (addresses.name(0), seconds, problem)
            )
        time.sleep(_RETRY_SECONDS)


def _try(addresses, secret, claim, deadline):
    seconds = max(_RETRY_SECONDS, min(deadline.remaining(), handshake.SECONDS))
    try:
        sock = socket.create_connection(addresses.addresses[0], seconds)
    except (OSError, UnicodeError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise handshake.NotReadyError(text.lower()) from None
    sockets.own(sock)
    try:
        answer = handshake.introduce(sock, secret, claim)
        if answer == handshake.ACCEPTED:
            sockets.prepare(sock, claim.purpose == handshake.DATA)
            return sock
    except BaseException:
        sock.close()
        raise
    sock.close()
    if answer == handshake.OTHER_WORKERS:
        raise InputError(
            "%s has other workers in its list; give %s the same addresses in the same "
            "order on all workers" % (addresses.name(0), addresses.source)
        )
    raise InputError(
        "%s is in a run that has started without this worker; stop it, and start all "
        "workers again" % addresses.name(0)
    )
