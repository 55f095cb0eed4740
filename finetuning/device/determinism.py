"""Which promise holds that a run gives the same numbers twice, in words.

All of them are about the same command on the same machine with the same versions.
"""

EXACT = "bit for bit"
NOT_PROMISED = "not promised"
_MEASURED = "all runs measured on 2 threads were equal bit for bit"


def guarantee(kind, threads, tensorflow, ops_are_deterministic):
    """What holds of a run, for people.

    Args:
      kind: "GPU" or "CPU".
      threads: CPU threads that one operation may use.
      tensorflow: its version.
      ops_are_deterministic: whether TensorFlow was told to have every operation give
        the same result each time; for whole sessions such as this program's it promises
        nothing then either
        (https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_op_determinism).

    Returns:
      A line that begins with `EXACT` or `NOT_PROMISED`.
    """
    if kind == "CPU" and threads == 1:
        return "%s (CPU, one thread)" % EXACT
    where = kind if kind == "GPU" else "CPU, %d threads" % threads
    ops = "deterministic operations" if ops_are_deterministic else "no such switch"
    line = "%s (%s, TensorFlow %s: %s)" % (NOT_PROMISED, where, tensorflow, ops)
    if kind == "GPU":
        return line + "; not measured on a GPU yet"
    return "%s; %s; --num_threads=1 promises it" % (line, _MEASURED)


def of_training(before, step, now, same_versions=True):
    """What holds of weights whose training was begun in another run.

    Args:
      before: what held until then; None: it is not known.
      step: the step at which this run goes on; 0: it begins.
      now: what holds of this run.
      same_versions: whether both were made with the same libraries.
    """
    if not step or (before == now and same_versions):
        return now
    if not same_versions:
        before = "%s, under other versions" % (before or "not known")
    return "until step %d: %s; from there on: %s" % (step, before or "not known", now)
