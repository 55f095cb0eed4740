"""An HTTP server on this machine that gives the answers it was told to give."""

import http.server
import threading


class Server:
    """Serves on 127.0.0.1 until `close`.

    Attributes:
      url: its address.
      answers: maps a path to a list of functions of the request handler. Each request
        takes the next one, and the last one stays.
      requested: the requested paths, in order.
      was_asked: an event, set by the first request.
      closing: an event, set by `close`.
    """

    def __init__(self):
        self.answers = {}
        self.requested = []
        self.was_asked = threading.Event()
        self.closing = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            closing = outer.closing

            def do_GET(self):
                outer.requested.append(self.path)
                outer.was_asked.set()
                answers = outer.answers.get(self.path, [status(404)])
                answer = answers.pop(0) if len(answers) > 1 else answers[0]
                answer(self)

            def log_message(self, *arguments):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = "http://127.0.0.1:%d" % self._server.server_port
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self):
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def send(body, announced=None):
    """Sends bytes; `announced` replaces their Content-Length, and -1 omits it."""

    def answer(handler):
        handler.send_response(200)
        if announced != -1:
            length = len(body) if announced is None else announced
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def status(code):
    """Sends an error status."""
    return lambda handler: handler.send_error(code)


def raw(head, body=b""):
    """Sends the lines of a status and headers, as they are, and a body."""

    def answer(handler):
        handler.wfile.write("\r\n".join([*head, "", ""]).encode("latin-1"))
        handler.wfile.write(body)

    return answer


def hang(body=b"", announced=10**6):
    """Announces many bytes, sends a few, then nothing until the server is closed."""

    def answer(handler):
        if body:
            handler.send_response(200)
            handler.send_header("Content-Length", str(announced))
            handler.end_headers()
            handler.wfile.write(body)
            handler.wfile.flush()
        handler.closing.wait()

    return answer
