r"""Answers predictions over HTTP, with TensorFlow Serving's REST interface.

  python -m scripts.serve PATH --port=8501
  curl -d '{"instances": [{"text_a": "A text.", "text_b": "Its pair."}]}' \
      http://127.0.0.1:8501/v1/models/NAME:predict

PATH is the --output_dir of a training run, its best/, the prefix of a checkpoint, or an
exported SavedModel. NAME is the last part of PATH.

POST /v1/models/NAME:predict takes "instances" with texts, or "instances" or "inputs"
with input_ids, input_mask and segment_ids as TensorFlow Serving does. GET
/v1/models/NAME and /v1/models/NAME/metadata say what is served; GET /healthz answers
while the server is up; GET /metrics has request counts and latencies for Prometheus.

Anybody who reaches the port can use the model: there are no passwords and no
encryption. SIGTERM and Ctrl-C end the server after all open requests are answered.

Exit status: 0 stopped by a signal; 2 an error that the user can fix, in one line.
"""

import os
import signal
import sys

if not __package__:  # Started by its path.
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from finetuning.utils import early_interrupt, environment

if __name__ == "__main__":
    early_interrupt.report()
    environment.require()

from finetuning.device import backend
from finetuning.utils.console import log
from finetuning.utils.errors import InputError
from scripts import entry


def parse(argv):
    """The flags of a command line as a namespace."""
    parser = entry.Parser(prog="serve.py", description=__doc__)
    parser.add_path("path", metavar="PATH", help="see above")
    parser.add_argument("--port", type=int, default=8501, help="0: any free one")
    parser.add_argument(
        "--host",
        default="127.0.0.1",
        help="address to listen on; 0.0.0.0: all of this machine's (default: only "
        "programs on this machine can connect)",
    )
    parser.add_argument("--name", help="name of the model in the paths")
    parser.add_argument(
        "--max_instances", type=int, default=1000, help="examples of a request"
    )
    parser.add_argument(
        "--max_body_bytes", type=int, default=2**23, help="size of a request's body"
    )
    entry.add_predictor_flags(parser)
    flags = parser.parse_args(argv)
    entry.require_at_least(
        flags, max_instances=1, max_body_bytes=1, **entry.PREDICTOR_MINIMUMS
    )
    if not 0 <= flags.port < 2**16:
        raise InputError("--port=%d: expected 0 to 65535" % flags.port)
    if flags.name is None:
        flags.name = _name(flags.path)
    if not flags.name or "/" in flags.name:
        raise InputError("--name=%s: expected a name without /" % flags.name)
    return flags


def _name(path):
    """The last part of a path; for the version of an export the part before it."""
    first, last = os.path.split(os.path.abspath(path))
    is_version = last.isdigit() and os.path.exists(os.path.join(path, "saved_model.pb"))
    return os.path.basename(first) if is_version else last


def run(argv):
    """Serves a model until a signal ends it."""
    flags = parse(argv)
    backend.start()
    # Imported here, so that --help and a misspelt flag do not wait for TensorFlow.
    from finetuning.serving.application import Application, Limits
    from finetuning.serving.batching import Batcher
    from finetuning.serving.server import Server

    with entry.load_predictor(flags) as predictor:
        batcher = Batcher(predictor.run, flags.batch_size)
        limits = Limits(flags.max_body_bytes, flags.max_instances)
        application = Application(predictor, batcher.run, flags.name, limits)
        server = Server(application, flags.host, flags.port, flags.max_body_bytes)
        log.info(
            "Serving %s at http://%s:%d/v1/models/%s:predict (Ctrl-C stops)",
            flags.path,
            "[%s]" % flags.host if ":" in flags.host else flags.host,
            server.port,
            flags.name,
        )
        server.run()
        batcher.close()
    log.info("Stopped; all open requests were answered")


def main(argv=None):
    """Runs one command line; returns the exit status."""
    return entry.status_of(lambda: run(argv))


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    sys.exit(main())
