"""The control connection between the workers of a run.

Worker 0 listens at its address, and the others connect to it. Over these connections
the main threads exchange values and arrays, and a thread per connection notices when
another worker ends. Then this process ends, too, with one line that names that worker:
by an exception if the main thread waits in a method of `Cluster`, otherwise at once,
because nothing else ends a main thread that waits inside TensorFlow.
"""

import contextlib
import threading

from finetuning.flags import batch_parts
from finetuning.utils import signals
from finetuning.utils.console import log
from finetuning.utils.errors import InputError, WorkerError
from finetuning.workers import (
    addresses,
    agreement,
    ending,
    handshake,
    joining,
    messages,
    sockets,
)


def from_settings(settings):
    """Connects to the other workers that the flags or TF_CONFIG name.

    Args:
      settings: `Settings`.

    Returns:
      `Cluster`, or `Alone` if there is only one worker.

    Raises:
      InputError: the addresses or the secret cannot be used, or the workers cannot
        share a batch.
      WorkerError: not all workers have connected in time.
    """
    found = addresses.from_settings(settings)
    if settings.do_train:
        count = len(found.addresses) if found else 1
        batch_parts.check(settings.train_batch_size, settings.accumulate_steps, count)
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
    count = len(found.addresses)
    log.info("This is %s of %d; connecting", found.name(found.index), count)
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
                "%s did not connect within %d s; start it, and check its "
                "--workers, its secret and the firewall, or raise --connect_timeout"
                % (found.name(missing[0]), seconds)
            )
    except BaseException as error:
        links = links or reception.wait(0)
        for link in links.values():
            line = ending.ended_line(found.name(0), error)
            messages.send_last(link.watch, messages.ENDED, line)
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
        self._ending = ending.Ending()
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
            gathered = [(messages.through_json(value), list(arrays))]
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
            return messages.through_json(value), list(arrays)

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
        self.leave_together()
        if self.index in lines:
            raise InputError(lines[self.index])
        raise WorkerError(lines[min(lines)])

    def on_exit(self, function):
        """Registers a function for the case that the process ends without unwinding.

        It is called from another thread while the main thread waits, and has three
        seconds. If an exception ends the process, it is not called.
        """
        self._ending.on_exit(function)

    def check_error(self, error):
        """Waits whether an error was caused by the loss of a worker.

        TensorFlow may raise an error before the loss is noticed here.

        Args:
          error: the exception; it is the cause of the one that is raised.

        Raises:
          WorkerError: another worker was lost, or has ended with an error. If there is
            none after `ending.LOSS_SECONDS`, the function returns.
        """
        with self._ending.raising(error):
            self._ending.wait()

    def leave(self, error=None):
        """Says goodbye to the other workers. Later calls have no effect.

        To be called before the error is reported to the user, because no thread of this
        object writes to the log afterwards.

        Args:
          error: the exception that ends this worker. The others then end with a line
            that contains its message, unless it is the loss of a worker, which they
            notice themselves, or `signals.Stopped`, which ends all in the same step.
        """
        if not self._ending.leave():
            return
        if error is None or isinstance(error, signals.Stopped):
            last = (messages.BYE, None)
        elif isinstance(error, WorkerError):
            last = None
        else:
            name = self._addresses.name(self.index)
            last = (messages.ENDED, ending.ended_line(name, error))
        for link in self._links.values():
            if last:
                messages.send_last(link.watch, *last)
            sockets.shut_down(link.data)
        self._close()

    def leave_together(self):
        """Says goodbye where all workers are about to raise an error of their own."""
        self.gather()  # Worker 0 would otherwise be the first to end for the others.
        self.leave()

    @contextlib.contextmanager
    def _call(self, name):
        """A call in which all workers take part; gives its name and number."""
        with self._ending.raising():
            self._calls += 1
            try:
                yield [name, self._calls]
            except (OSError, EOFError) as error:
                # Most likely the first sign that a worker was lost.
                self._ending.wait()
                raise WorkerError(
                    "the connection between the workers broke (%s); %s"
                    % (error, ending.RESUME)
                ) from None

    def _watch(self, index, sock):
        """In a thread: waits for the last message of a worker, or for its loss."""
        name = self._addresses.name(index)
        try:
            (kind, line), _ = messages.receive(sock)
        except (EOFError, ConnectionResetError, BrokenPipeError):
            reason = "its process has ended without a message"
            self._fail(index, ending.lost_line(name, reason))
        except OSError as error:
            reason = "no answer over the network (%s)" % error.strerror
            self._fail(index, ending.lost_line(name, reason))
        else:
            if kind == messages.ENDED:
                self._fail(index, line)

    def _fail(self, index, line):
        def tell():
            for other, link in self._links.items():
                if other != index:
                    messages.send_last(link.watch, messages.ENDED, line)

        if self._ending.fail(line, tell):
            # Wakes the main thread.
            for link in self._links.values():
                sockets.shut_down(link.data)


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
        return messages.through_json(value), list(arrays)

    def agree(self, facts, optional=()):
        pass

    def on_exit(self, function):
        pass

    def check_error(self, error):
        pass

    def leave(self, error=None):
        pass

    def leave_together(self):
        pass


def _receive(sock, call):
    (received, value), arrays = messages.receive(sock)
    if received != call:
        raise RuntimeError("expected the message of %s, got %s" % (call, received))
    return value, arrays
