"""Several calls at a time, whose results are taken as they come."""

from concurrent import futures


def results(call, at_once):
    """Calls a function again and again, in threads, until it returns None.

    When the iteration ends, by itself, by an exception or because the generator is
    closed, no call is running any more.

    Args:
      call: function without arguments. Once it has returned None, calls that were begun
        meanwhile may still return something else.
      at_once: the number of calls that run at the same time.

    Yields:
      What the calls returned but None, in the order in which they finished.

    Raises:
      Exception: what a call has raised.
    """
    with futures.ThreadPoolExecutor(at_once) as pool:
        running = {pool.submit(call) for _ in range(at_once)}
        while running:
            finished, running = futures.wait(running, None, futures.FIRST_COMPLETED)
            for future in finished:
                result = future.result()
                if result is not None:
                    running.add(pool.submit(call))
                    yield result
