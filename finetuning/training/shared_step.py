"""What the workers of a run exchange at each step: gradients, and requests to stop."""

import tensorflow.compat.v1 as tf

from finetuning.utils import signals


class SharedStep(tf.train.SessionRunHook):
    """Averages gradients and loss over the workers, and makes all stop at one step.

    A signal may reach only some of the workers, or each at another step. It travels as
    a number in the sums of the next step, so all of them learn of it after that step.

    Attributes:
      combine: see `optimization.create_train_step`; None in an ordinary run.
      received: float32 tensor [signals], the requests of all workers; None until
        `combine` has been called, and in an ordinary run.
      fetch: the tensor that this hook fetches, which must be set, and whose last
        elements must be those of `received`.
      stop: `signals.StopRequest` that becomes true on all workers after the same step;
        in an ordinary run the one of this process.
    """

    def __init__(self, run, request):
        """Takes `run_record.Run` and the `signals.StopRequest` of this process."""
        self._collectives, self._cluster = run.collectives, run.cluster
        self._request = request
        is_alone = run.cluster.count == 1
        self.combine = None if is_alone else self._combine
        self.stop = request if is_alone else signals.StopRequest()
        self._sent = self.received = self.fetch = None

    def _combine(self, gradients, loss):
        self._sent = tf.placeholder(tf.float32, [len(signals.NAMES)])
        sums = self._collectives.mean([*gradients, loss, self._sent])
        *gradients, loss, self.received = sums
        return gradients, loss

    def before_run(self, run_context):
        del run_context
        sent = [float(name == self._request.name) for name in signals.NAMES]
        return tf.train.SessionRunArgs(self.fetch, {self._sent: sent})

    def after_run(self, run_context, run_values):
        del run_context
        shares = run_values.results[-len(signals.NAMES) :]
        for name, share in zip(signals.NAMES, shares):
            if share and not self.stop:
                self.stop.record(name)

    def settle(self):
        """Makes all workers learn of a signal that came after the last step."""
        gathered = self._cluster.gather(self._request.name)
        names = [name for name, _ in gathered or () if name]
        name, _ = self._cluster.broadcast(names[0] if names else None)
        if name and not self.stop:
            self.stop.record(name)
