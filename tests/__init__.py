"""The test suite; importing it imports TensorFlow without its start-up messages.

pytest would print them after its summary.
"""

import os

from finetuning.device import backend

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
with backend.muted_native_stderr():
    import tensorflow  # noqa: F401
