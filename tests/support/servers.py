"""An HTTP server on this machine that answers as it is told to, rightly or wrongly."""

import http.server
import threading


class Server:
    """Serves on 127.0.0.1 until `close`.

    Attributes:
      url: its address.
      answers: path -> list of functions of the request's handler; each request takes
        the next, and the last one stays.
      asked: the paths asked for, in order.
    """

    def __init__(self):
        self.answers = {}
        self.asked = []
        self.closing = threading.Event()
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append(self.path)
                left = outer.answers.get(self.path, [status(404)])
                answer = left.pop(0) if len(left) > 1 else left[0]
                answer(self)

            def log_message(self, *arguments):
                pass

            closing = self.closing

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
    """Sends bytes, announcing as many or, if given, another number; -1 for none."""

    def answer(handler):
        handler.send_response(200)
        if announced != -1:
            length = len(body) if announced is None else announced
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def status(code):
    return lambda handler: handler.send_error(code)


def redirect(path):
    def answer(handler):
        handler.send_response(302)
        handler.send_header("Location", path)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def hang(begun=b""):
    """Announces much, sends a little, and then nothing until the server is closed."""

    def answer(handler):
        if begun:
            handler.send_response(200)
            handler.send_header("Content-Length", "1000000")
            handler.end_headers()
            handler.wfile.write(begun)
            handler.wfile.flush()
        handler.closing.wait()

    return answer
