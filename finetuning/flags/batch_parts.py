"""The parts in which a training batch is computed: --accumulate_steps."""

from finetuning.utils.errors import InputError


def check(batch_size, accumulate_steps, num_workers=1):
    """Checks that a batch can be divided into equal parts.

    Args:
      batch_size: examples in a batch of all workers together.
      accumulate_steps: parts in which each worker computes its share.
      num_workers: how many workers share each batch.

    Raises:
      InputError: it cannot; the message lists the values that are possible.
    """
    if batch_size % (accumulate_steps * num_workers) == 0:
        return
    given = "--train_batch_size=%d" % batch_size
    workers = "" if num_workers == 1 else " for each of %d workers" % num_workers
    possible = _possible(batch_size, num_workers)
    if not possible:
        raise InputError(
            "%s cannot be divided among %d workers; use a multiple of %d"
            % (given, num_workers, num_workers)
        )
    raise InputError(
        "--accumulate_steps=%d: %s cannot be divided into that many equal parts%s; use "
        "one of %s, or another --train_batch_size"
        % (accumulate_steps, given, workers, ", ".join(map(str, possible)))
    )


def next_larger(batch_size, accumulate_steps, num_workers=1):
    """The next larger number of parts that is possible, or None; see `check`."""
    possible = _possible(batch_size, num_workers)
    return next((count for count in possible if count > accumulate_steps), None)


def _possible(batch_size, num_workers):
    """The values of --accumulate_steps that `check` accepts, in ascending order."""
    if batch_size % num_workers:
        return []
    share = batch_size // num_workers
    small = [count for count in range(1, int(share**0.5) + 1) if share % count == 0]
    return sorted({*small, *(share // count for count in small)})
