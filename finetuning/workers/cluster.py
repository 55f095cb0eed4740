"""The control connection between the workers of a run.

Worker 0 listens at its address, and the others connect to it. Over these connections
the main threads exchange values and arrays, and a thread per connection notices when
another worker ends. Then this process ends, too, with one line that names that worker:
by an exception if the main thread waits in a method of `Cluster`, otherwise at once,
because nothing else ends a main thread that waits inside TensorFlow.
"""

import contextlib
import json
import logging
import os
import socket
import sys
import threading

from finetuning.utils import exit_status, signals
from finetuning.utils.console import log
from finetuning.utils.errors import InputError, WorkerError, in_one_line
from finetuning.workers import (
    addresses,
    agreement,
    handshake,
    joining,
    messages,
    sockets,
)

# Within this time a lost worker is noticed; see `sockets`.
LOSS_SECONDS = 12.0
# How long the clean-up may take when the process ends at once.
_EXIT_SECONDS = 3.0
_MAX_LINE = 1000
_BYE, _ENDED = "bye", "ended"
_RESUME = "rerun the same command on all workers to resume from the latest checkpoint"


def from_settings(settings):
    """Connects to the other workers that the flags or TF_CONFIG name.

    Args:
      settings: `Settings`.

    Returns:
      `Cluster`, or `Alone` if there is only one worker.

    Raises:
      InputError: the addresses or the secret cannot be used.
      WorkerError: not all workers have connected in time.
    """
    found = addresses.from_settings(settings)
    if found is None:
        return Alone()
    secret = handshake.read_secret(settings.cluster_secret_file)
    return connect(found, secret, settings.connect_timeout)


def connect(found, secret, seconds):
    """Waits until all workers are connected.

    Args:
      found: `WorkerAddresses`.
      secret: bytes.
      seconds: how long worker 0 waits for the others, and they for worker 0.

    Returns:
      `Cluster`.

    Raises:
      InputError, WorkerError: see `from_settings`.
    """
    with contextlib.ExitStack() as stack:
        own_port = stack.enter_context(sockets.bind(found))
        if found.index:
            links, close = {0: joining.join(found, secret, seconds)}, own_port.close
        else:
            reception = joining.Reception(own_port, secret, found)
            links, close = _receive_all(reception, found, seconds), reception.close
        cluster = stack.enter_context(Cluster(found, links, close))
        cluster.broadcast()  # Worker 0 is ready as soon as all have connected.
        stack.pop_all()
    return cluster


def _receive_all(reception, found, seconds):
    links = {}
    try:
        links = reception.wait(seconds)
        missing = [k for k in range(1, len(found.addresses)) if k not in links]
        if missing:
            raise WorkerError(
                "%s did not connect within %d seconds; start it, and check its "
                "--workers and the firewall, or raise --connect_timeout"
                % (found.name(missing[0]), seconds)
            )
    except BaseException as error:
        links = links or reception.wait(0)
        for link in links.values():
            _send_last(link, _ENDED, _ended_line(found, 0, error))
        reception.close()
        raise
    return links


class Cluster:
    """This worker and its connections to the others.

    The methods are called from the main thread, by all workers in the same order.

    Example:
      with cluster.from_settings(settings) as workers:
          workers.agree({"--learning_rate": settings.learning_rate})
          results = workers.gather({"examples": 17}, [predictions])

    Attributes:
      index: which worker this process is.
      count: number of workers.
      is_chief: whether it is worker 0.
    """

    def __init__(self, found, links, close):
        """Starts the threads that watch the other workers.

        Args:
          found: `WorkerAddresses`.
          links: dictionary from the index of a worker to its `joining.Link`.
          close: function that gives back this worker's port.
        """
        self.index, self.count = found.index, len(found.addresses)
        self.is_chief = self.index == 0
        self._addresses = found
        self._links = links
        self._close = close
        self._calls = 0
        self._exit_functions = []
        self._condition = threading.Condition()
        # The end of the process, see `_fail`. All under the condition:
        self._failure = None  # what another worker has done to this run
        self._is_waiting = False  # the main thread is in a call that can raise it
        self._is_over = False  # the main thread has raised it, or leaves
        for index, link in links.items():
            arguments = (index, link.watch)
            threading.Thread(target=self._watch, args=arguments, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        self.leave(error)

    def address_of(self, index):
        """Host and port of a worker, as they were given: str and int."""
        return self._addresses.addresses[index]

    def gather(self, value=None, arrays=()):
        """Brings something from each worker to worker 0.

        Args:
          value: a JSON value.
          arrays: sequence of NumPy arrays of any shapes, of NumPy's own types.

        Returns:
          On worker 0, a list of pairs of a value (as JSON gives it back) and a list of
          arrays, in the order of the workers. None on the others.

        Raises:
          WorkerError: another worker was lost, or has ended with an error.
        """
        with self._call("gather") as call:
            if not self.is_chief:
                messages.send(self._links[0].data, [call, value], arrays)
                return None
            gathered = [(_through_json(value), list(arrays))]
            for index in range(1, self.count):
                gathered.append(_receive(self._links[index].data, call))
            return gathered

    def broadcast(self, value=None, arrays=()):
        """Brings something from worker 0 to all.

        Args:
          value: a JSON value; that of worker 0 is sent.
          arrays: as those of `gather`.

        Returns:
          The value and the list of arrays of worker 0, on all workers.

        Raises:
          WorkerError: another worker was lost, or has ended with an error.
        """
        with self._call("broadcast") as call:
            if not self.is_chief:
                return _receive(self._links[0].data, call)
            for index in range(1, self.count):
                messages.send(self._links[index].data, [call, value], arrays)
            return _through_json(value), list(arrays)

    def agree(self, facts, optional=()):
        """Checks that all workers are about to do the same.

        Args:
          facts: dictionary from a label, such as "--learning_rate" or "the content of
            the training file", to a JSON value. What explains most comes first.
          optional: labels that are not compared with a worker where they are None.

        Raises:
          InputError: this worker differs from worker 0; the line says in what.
          WorkerError: another worker does.
        """
        gathered = self.gather(list(facts.items()))
        lines = {}
        if self.is_chief:
            pairs = [value for value, _ in gathered]
            lines = agreement.differences(pairs, self._addresses, optional)
        lines, _ = self.broadcast(lines)
        lines = {int(index): line for index, line in lines.items()}
        if not lines:
            return
        self.leave()  # All raise their own error.
        if self.index in lines:
            raise InputError(lines[self.index])
        raise WorkerError(lines[min(lines)])

    def on_exit(self, function):
        """Registers a function for the case that the process ends without unwinding.

        It is called from another thread while the main thread waits, and has three
        seconds. If an exception ends the process, it is not called.
        """
        self._exit_functions.append(function)

    def check_error(self, error):
        """Waits whether an error was caused by the loss of a worker.

        TensorFlow may raise an error before the loss is noticed here.

        Args:
          error: the exception; it is the cause of the one that is raised.

        Raises:
          WorkerError: another worker was lost, or has ended with an error. If there is
            none after `LOSS_SECONDS`, the function returns.
        """
        with self._raising(error):
            self._wait_for_failure()

    def leave(self, error=None):
        """Says goodbye to the other workers. Later calls have no effect.

        To be called before the error is reported to the user, because no thread of this
        object writes to the log afterwards.

        Args:
          error: the exception that ends this worker. The others then end with a line
            that contains its message, unless it is the loss of a worker, which they
            notice themselves, or `signals.Stopped`, which ends all in the same step.
        """
        if not self._end():
            return
        if error is None or isinstance(error, signals.Stopped):
            last = (_BYE, None)
        elif isinstance(error, WorkerError):
            last = None
        else:
            last = (_ENDED, _ended_line(self._addresses, self.index, error))
        for link in self._links.values():
            if last:
                _send_last(link, *last)
            sockets.shut_down(link.data)
        self._close()

    # ---- The main thread ----

    @contextlib.contextmanager
    def _call(self, name):
        """A call in which all workers take part; gives its name and number."""
        with self._raising():
            self._calls += 1
            try:
                yield [name, self._calls]
            except (OSError, EOFError) as error:
                # Most likely the first sign that a worker was lost.
                self._wait_for_failure()
                raise WorkerError(
                    "the connection between the workers broke (%s); %s"
                    % (error, _RESUME)
                ) from None

    @contextlib.contextmanager
    def _raising(self, cause=None):
        """Within it, a failure is raised at its end; it is the main thread's."""
        with self._condition:
            self._leave_end_to_watcher()
            self._is_waiting = True
        try:
            yield
        finally:
            with self._condition:
                self._is_waiting = False
                if self._failure is not None:
                    self._is_over = True
                    raise self._failure from cause

    def _wait_for_failure(self):
        with self._condition:
            self._condition.wait_for(lambda: self._failure is not None, LOSS_SECONDS)

    def _end(self):
        """Lets the main thread decide how the process ends; False: it has already."""
        with self._condition:
            self._leave_end_to_watcher()
            was_over, self._is_over = self._is_over, True
        return not was_over

    def _leave_end_to_watcher(self):
        """Does not return if another thread is ending the process."""
        while self._failure is not None and not self._is_over:
            self._condition.wait()

    # ---- The threads that watch ----

    def _watch(self, index, sock):
        """Waits for the last message of a worker, or for its loss."""
        name = self._addresses.name(index)
        try:
            (kind, line), _ = messages.receive(sock)
        except (EOFError, ConnectionResetError, BrokenPipeError):
            self._fail(index, _lost(name, "its process has ended without a message"))
        except OSError as error:
            reason = "no answer over the network (%s)" % error.strerror
            self._fail(index, _lost(name, reason))
        else:
            if kind == _ENDED:
                self._fail(index, line)

    def _fail(self, index, line):
        """Ends the process, because of worker `index`."""
        with self._condition:
            if self._failure is not None or self._is_over:
                return
            # Before this process ends, which would look like the cause to the others.
            for other, link in self._links.items():
                if other != index:
                    _send_last(link, _ENDED, line)
            self._failure = WorkerError(line)
            is_raised = self._is_waiting
            self._condition.notify_all()
        if not is_raised:
            self._exit()
        for link in self._links.values():
            sockets.shut_down(link.data)

    def _exit(self):
        """Ends the process while its main thread does something else."""
        timer = threading.Timer(_EXIT_SECONDS, os._exit, [exit_status.FAILURE])
        timer.daemon = True
        timer.start()
        try:
            log.error("%s", self._failure)
            for function in reversed(self._exit_functions):
                with contextlib.suppress(Exception):
                    function()
            logging.shutdown()
            for stream in (sys.stdout, sys.stderr):
                with contextlib.suppress(Exception):
                    stream.flush()
        finally:
            os._exit(exit_status.FAILURE)


class Alone:
    """A run without other workers, with the methods of `Cluster`."""

    index, count, is_chief = 0, 1, True

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        pass

    def gather(self, value=None, arrays=()):
        return [self.broadcast(value, arrays)]

    def broadcast(self, value=None, arrays=()):
        return _through_json(value), list(arrays)

    def agree(self, facts, optional=()):
        pass

    def on_exit(self, function):
        pass

    def check_error(self, error):
        pass

    def leave(self, error=None):
        pass


def _receive(sock, call):
    (received, value), arrays = messages.receive(sock)
    if received != call:
        raise RuntimeError("expected the message of %s, got %s" % (call, received))
    return value, arrays


def _through_json(value):
    return json.loads(messages.as_json(value))


def _send_last(link, kind, line):
    with contextlib.suppress(OSError):
        messages.send(link.watch, [kind, line])
        sockets.shut_down(link.watch, socket.SHUT_WR)


def _ended_line(found, index, error):
    line = in_one_line(" ".join(str(error).split())) or type(error).__name__
    if len(line) > _MAX_LINE:
        line = line[: _MAX_LINE - 3] + "..."
    return "%s has ended: %s" % (found.name(index), line)


def _lost(name, reason):
    return "%s was lost: %s; %s" % (name, reason, _RESUME)
