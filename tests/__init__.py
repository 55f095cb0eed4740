"""The test suite; importing it imports TensorFlow without its start-up messages.

pytest would print them after its summary.
"""

import os

from finetuning.device import backend

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# As the programs do, so that a run in this process computes as one in its own.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
with backend.muted_native_stderr():
    import tensorflow  # noqa: F401
