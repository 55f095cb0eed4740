"""Serves a WSGI application with waitress until a signal ends it."""

import json
import logging
import signal
import socket
import time

import waitress
from waitress import wasyncore
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import BaseWSGIServer
from waitress.task import ErrorTask

from finetuning.serving.application import too_large
from finetuning.utils.errors import InputError

# Requests that wait take a thread each, and are computed together.
_THREADS = 32
_MAX_CONNECTIONS = 1000
# A connection on which nothing comes or goes for so long is closed.
_IDLE_SECONDS = 60
# A body above the application's limit is read so many times the limit, because some
# clients do not see an answer that comes before they have sent everything.
_READ_LIMITS = 4
# How long open requests may take after a signal.
_GRACE_SECONDS = 25
_POLL_SECONDS = 0.25
_STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class _Parser(HTTPRequestParser):
    """Has a path from the start: waitress logs it if a client leaves before the answer.

    A request that it refuses, such as one that is too large, would have none.
    """

    path = ""

    def received(self, data):
        consumed = super().received(data)
        if self.error:  # The answer need not wait for the body.
            self.expect_continue = False
        return consumed


class _JsonError:
    """An error of waitress's in the form of the application's."""

    def __init__(self, error, request):
        self._status = "%d %s" % (error.code, error.reason)
        self._message = str(error.body)
        if error.code == 413:
            read = request.adj.max_request_body_size
            size = request.content_length or "at least %d" % read
            self._message = too_large(size, read // _READ_LIMITS)

    def to_response(self, _=None):
        body = json.dumps({"error": self._message}).encode("ascii") + b"\n"
        return self._status, [("Content-Type", "application/json")], body


class _ErrorTask(ErrorTask):
    def execute(self):
        self.request.error = _JsonError(self.request.error, self.request)
        super().execute()


class _Channel(HTTPChannel):
    parser_class = _Parser
    error_task_class = _ErrorTask


class Server:
    """Listens on a port, and answers with an application.

    Attributes:
      port: the port, also if any free one was asked for.
    """

    def __init__(self, application, host, port, max_body_bytes):
        """Starts to listen.

        Args:
          application: WSGI application that threads may call at once.
          host: name or address of this machine.
          port: 0: any free one.
          max_body_bytes: size of a body that the application accepts.

        Raises:
          InputError: it is not possible to listen there.
        """
        # A queue of requests is no reason to warn.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)
        # The sockets by file descriptor, see `wasyncore.loop`.
        self._sockets = {}
        try:
            self._server = waitress.create_server(
                application,
                map=self._sockets,
                host=host,
                port=port,
                threads=_THREADS,
                connection_limit=_MAX_CONNECTIONS,
                channel_timeout=_IDLE_SECONDS,
                max_request_body_size=_READ_LIMITS * max_body_bytes,
                # Above 0, waitress 2.1 has a known hole (CVE-2024-49768).
                channel_request_lookahead=0,
                log_socket_errors=False,
                ident=None,
            )
        except (OSError, ValueError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                "--host=%s --port=%d: cannot listen there: %s; choose another --port, "
                "or 0 for any free one" % (host, port, str(reason).rstrip("."))
            ) from None
        for listener in self._listeners():
            listener.channel_class = _Channel
        self.port = self._listeners()[0].socket.getsockname()[1]

    def run(self):
        """Answers requests until SIGTERM or SIGINT, then those that are open.

        A second signal ends the process at once.
        """
        received = []

        def stop(number, _):
            received.append(number)
            for each, handler in previous.items():
                signal.signal(each, handler)

        previous = {number: signal.signal(number, stop) for number in _STOP_SIGNALS}
        while not received:
            self._loop(_POLL_SECONDS)
        self._finish()

    def _loop(self, seconds):
        wasyncore.loop(timeout=seconds, map=self._sockets, use_poll=True, count=1)

    def _listeners(self):
        return [s for s in self._sockets.values() if isinstance(s, BaseWSGIServer)]

    def _finish(self):
        listeners = self._listeners()
        # First what came before the signal: each turn accepts one connection.
        for _ in range(max(_THREADS, socket.SOMAXCONN)):
            self._loop(0)
        for listener in listeners:
            wasyncore.dispatcher.close(listener)
        deadline = time.monotonic() + _GRACE_SECONDS
        while self._close_idle() and time.monotonic() < deadline:
            self._loop(_POLL_SECONDS)
        self._server.task_dispatcher.shutdown(timeout=1)
        wasyncore.close_all(self._sockets)

    def _close_idle(self):
        """Closes connections without a request; returns whether there are others."""
        channels = [s for s in self._sockets.values() if isinstance(s, HTTPChannel)]
        is_busy = False
        for channel in channels:
            if channel.requests or channel.request or channel.total_outbufs_len:
                is_busy = True
            else:
                channel.handle_close()
        return is_busy
