"""Whether the same command produces the same numbers again, bit for bit.

Every statement is about the same command on the same machine with the same versions.
"""

EXACT = "bit for bit"
NOT_GUARANTEED = "not guaranteed"
_ONE_THREAD = "--num_threads=1"


def guarantee(kind, threads, tensorflow, ops_are_deterministic):
    """Returns what is guaranteed for one run, as a line.

    Args:
      kind: "GPU" or "CPU".
      threads: CPU threads that one operation may use.
      tensorflow: its version.
      ops_are_deterministic: whether TensorFlow uses deterministic ops. Even
        then it guarantees nothing for a session that runs on several threads
        (https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_op_determinism).

    Returns:
      A line that begins with `EXACT` or `NOT_GUARANTEED`.
    """
    if kind == "CPU" and threads == 1:
        return "%s (CPU, one thread)" % EXACT
    device = kind if kind == "GPU" else "CPU, %d threads" % threads
    ops = "with" if ops_are_deterministic else "without"
    line = "%s (%s, TensorFlow %s %s deterministic ops)" % (
        NOT_GUARANTEED,
        device,
        tensorflow,
        ops,
    )
    if kind == "GPU":
        return line + "; not measured on GPUs"
    return line + (
        "; measured runs on 2 threads were identical bit for bit; %s guarantees it"
        % _ONE_THREAD
    )


def brief(line):
    """The beginning of what `guarantee` returned, and what would guarantee more."""
    begin, _, rest = line.partition(" (")
    return begin + ("; %s guarantees it" % _ONE_THREAD if _ONE_THREAD in rest else "")


def of_training(before, step, now):
    """Describes a training run that may have been resumed on another device.

    Args:
      before: the saved settings of the run that is resumed; empty for a new run, or if
        nothing was saved.
      step: the global step at which this process starts to train.
      now: what `provenance.describe` returned of this process.

    Returns:
      Dictionary with `determinism`, one line, and `determinism_history`, a
      list of dictionaries with `from_step`, `deterministic` (None: unknown),
      `guarantee`, `versions` and, if a batch is computed in several parts,
      `num_workers` and `accumulate_steps`, one for each part of the run that differs.
    """
    history = [part for part in _history(before) if part["from_step"] < step]
    current = _part(step, now)
    if not history or dict(history[-1], from_step=step) != current:
        history.append(current)
    line = current["guarantee"]
    if len(history) > 1:
        steps = ", ".join(str(part["from_step"]) for part in history[1:])
        line = (
            "%s: device, versions or the parts of a batch changed at step %s, see "
            "determinism_history" % (NOT_GUARANTEED, steps)
        )
    return {"determinism": line, "determinism_history": history}


def _history(saved):
    """The parts of a saved run; older versions of this program saved only the line."""
    return saved.get("determinism_history") or [_part(0, saved)]


def _part(step, description):
    line = description.get("determinism")
    counts = {
        "num_workers": description.get("num_workers", 1),
        "accumulate_steps": description.get("settings", {}).get("accumulate_steps", 1),
    }
    return {
        # Those of earlier versions, which had one part, do not have the counts.
        **(counts if max(counts.values()) > 1 else {}),
        "from_step": step,
        "deterministic": None if line is None else line.startswith(EXACT),
        "guarantee": line or "unknown",
        "versions": description.get("versions"),
    }
