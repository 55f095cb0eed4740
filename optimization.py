"""BERT's optimiser: Adam with decoupled weight decay, and its learning rate.

Kingma and Ba 2014, https://arxiv.org/abs/1412.6980, algorithm 1, by default without the
bias correction; the decay of Loshchilov and Hutter 2017,
https://arxiv.org/abs/1711.05101, algorithm 2.
"""

import re
from typing import Any, NamedTuple

import tensorflow.compat.v1 as tf

from encoder.compiling import compiled_gradients, gradients_of
from encoder.gradients import (
    Flat,
    PartSums,
    merge_rows,
    multiply,
    to_dense,
    to_dense_on_device,
)

MAX_GRADIENT_NORM = 1.0
WEIGHT_DECAY_RATE = 0.01
NOT_DECAYED = ("LayerNorm", "layer_norm", "bias")


class TrainStep(NamedTuple):
    """The tensors of one training step.

    If the batch is computed in K parts, `accumulate_op` must be run K - 1 times, each
    time on the next part, and then `train_op` on the last; the tensors must be fetched
    together with `train_op`.

    Attributes:
      loss: float32 scalar, before the update; the mean over all parts.
      train_op: op that updates the variables, then increments the global step.
      learning_rate: float32 scalar, the rate of this step.
      gradient_norm: float32 scalar, the global norm before clipping.
      skipped_steps: int64 scalar, how many steps so far have changed no weight because
        their gradients overflowed; None without a loss scale.
      accumulate_op: op that adds the gradients and the loss of a part to their sums;
        None if the batch is one part.
      num_rows: int32 scalar, the rows that XLA compiled the step for, on the host; None
        if it is not compiled.
    """

    loss: Any
    train_op: Any
    learning_rate: Any
    gradient_norm: Any
    skipped_steps: Any
    accumulate_op: Any = None
    num_rows: Any = None


def create_optimizer(loss, init_lr, num_train_steps, num_warmup_steps, use_tpu):
    """Adds a training step to the graph and returns its op, see `create_train_step`.

    Raises:
      ValueError: `use_tpu` is true.
    """
    if use_tpu:
        raise ValueError("use_tpu: TPUs are not supported")
    step = create_train_step(loss, init_lr, num_train_steps, num_warmup_steps)
    return step.train_op


def create_train_step(
    loss,
    init_lr,
    num_train_steps,
    num_warmup_steps,
    loss_scale=None,
    bias_correction=False,
    accumulate_steps=1,
    combine=None,
    few_ops=False,
):
    """Adds gradients, clipping, Adam and the global step's increment to the graph.

    Args:
      loss: float32 scalar, the mean over the examples of the batch or of one part; or
        a function that adds it to the graph, which XLA then compiles together with the
        gradients (see `compiling.compiled_gradients`).
      init_lr: the peak learning rate.
      num_train_steps: optimiser steps until the rate is 0.
      num_warmup_steps: optimiser steps of linear warm-up; 0 or None: no warm-up.
      loss_scale: `mixed_precision.LossScale`, which skips steps whose gradients are not
        finite; None: such gradients reach the weights.
      bias_correction: whether to divide Adam's moments by 1 - beta^t at update t, as in
        Kingma and Ba but not in BERT.
      accumulate_steps: K, the number of equal parts in which a batch is computed. Their
        mean gradient and mean loss are summed in local variables, which are not saved.
      combine: function that is called once, on the list of the batch's gradients, all
        dense, and its loss, and returns the same, averaged over several workers; None:
        there is one worker.
      few_ops: whether to compute with fewer, larger ops, which is faster on GPUs.

    Returns:
      `TrainStep`.
    """
    scale = 1.0 if loss_scale is None else tf.identity(loss_scale.scale)

    def scaled(loss):
        return loss if loss_scale is None else loss * scale

    loss, gradients, variables = _gradients(loss, scaled, accumulate_steps)
    if few_ops:
        gradients = list(map(to_dense_on_device, gradients))
    sums = accumulate_op = None
    if accumulate_steps > 1:
        sums = PartSums(variables)
        accumulate_op = sums.add(gradients, loss)
        gradients, loss = sums.read_after(accumulate_op)
    else:
        gradients = list(map(merge_rows if combine is None else to_dense, gradients))
    if combine is not None:
        gradients, loss = combine(gradients, loss)
    rate = _learning_rate(init_lr, num_train_steps, num_warmup_steps)
    clipped, norm = _clip(gradients, scale, loss_scale is not None, few_ops)
    update, skipped = _apply(
        zip(clipped, variables), norm, rate, loss_scale, bias_correction
    )
    if sums is not None:
        update = sums.clear_after(update, loss)
    # The increment waits for the updates, which wait for the rate: the step after k
    # finished steps always trains at the schedule's rate at k.
    with tf.control_dependencies([update]), tf.device("/cpu:0"):
        train_op = tf.assign_add(tf.train.get_global_step(), 1).op
    return TrainStep(loss, train_op, rate, norm, skipped, accumulate_op)


def _learning_rate(init_lr, num_train_steps, num_warmup_steps):
    """The rate of this step; the arguments are `create_train_step`'s."""
    # On the host, where the global step is: from a GPU it would be copied.
    with tf.device("/cpu:0"):
        global_step = tf.train.get_or_create_global_step()
        return learning_rate_at(global_step, init_lr, num_train_steps, num_warmup_steps)


def _clip(gradients, scale, may_overflow, few_ops):
    """Clips gradients and removes the loss scale from them, in one pass.

    Args:
      gradients: list of gradients; with `few_ops` all dense.
      scale: the loss scale.
      may_overflow: whether gradients become 0 if they are not all finite.
      few_ops: see `create_train_step`.

    Returns:
      The list of the new gradients, and the global norm of the old ones without scale.
    """
    flat = Flat(gradients) if few_ops else None
    norm = flat.norm() if few_ops else tf.global_norm(gradients)
    norm /= scale
    factor = MAX_GRADIENT_NORM / (tf.maximum(norm, MAX_GRADIENT_NORM) * scale)
    if may_overflow:
        factor = tf.where(tf.math.is_finite(norm), factor, 0.0)
    product = tf.raw_ops.MulNoNan if may_overflow else tf.raw_ops.Mul
    if few_ops:
        return flat.split(product(x=flat.values, y=factor)), norm
    return [multiply(gradient, factor, product) for gradient in gradients], norm


def _apply(pairs, norm, rate, loss_scale, bias_correction):
    """The op that updates weights and loss scale, and `TrainStep.skipped_steps`."""
    finite = update_number = None
    if bias_correction:
        update_number = tf.cast(tf.train.get_global_step(), tf.float32) + 1.0
    if loss_scale is not None:
        finite = tf.math.is_finite(norm)
        if bias_correction:
            update_number -= tf.cast(loss_scale.skipped_steps, tf.float32)
    optimizer = AdamWeightDecayOptimizer(
        rate,
        weight_decay_rate=WEIGHT_DECAY_RATE,
        exclude_from_weight_decay=list(NOT_DECAYED),
        update_number=update_number,
        is_applied=finite,
    )
    update = optimizer.apply_gradients(pairs)
    if loss_scale is None:
        return update, None
    with tf.control_dependencies([update]):
        update = loss_scale.update(finite)
    with tf.control_dependencies([update]):
        return update, tf.identity(loss_scale.skipped_steps)


def _gradients(loss, scaled, accumulate_steps):
    """The loss of a part, the gradients of the scaled loss, and their variables.

    Args:
      loss: see `create_train_step`.
      scaled: function from a loss to the loss that is differentiated.
      accumulate_steps: see `create_train_step`.
    """

    def part(loss):
        return loss / accumulate_steps if accumulate_steps > 1 else loss

    if callable(loss):
        return compiled_gradients(lambda: part(loss()), scaled)
    loss = part(loss)
    return (loss, *zip(*gradients_of(scaled(loss))))


def learning_rate_at(step, init_lr, num_train_steps, num_warmup_steps=None):
    """The learning rate of the step that follows `step` finished steps.

    The rate decays linearly from `init_lr` to 0 over all steps, warm-up included; in
    the first `num_warmup_steps` steps it is `init_lr * step / num_warmup_steps`
    instead. As in the published code of BERT, step 0 therefore trains at rate 0, and
    the rate drops a little where warm-up ends.

    Args:
      step: integer scalar tensor.
      init_lr: float, the peak rate.
      num_train_steps: int, at least 1.
      num_warmup_steps: int; 0 or None: no warm-up.

    Returns:
      Float32 scalar tensor.
    """
    # Steps are compared as integers, so that rounding cannot move the end of warm-up.
    done = tf.cast(tf.minimum(tf.cast(step, tf.int64), num_train_steps), tf.float32)
    decayed = init_lr * (1.0 - done / float(num_train_steps))
    if not num_warmup_steps:
        return decayed
    warming = init_lr * (done / float(num_warmup_steps))
    return tf.where(tf.cast(step, tf.int64) < num_warmup_steps, warming, decayed)


class AdamWeightDecayOptimizer(tf.train.Optimizer):
    """Adam with decoupled weight decay, without bias correction unless asked for.

    The moments are variables named `<variable>/adam_m` and `<variable>/adam_v`.
    """

    def __init__(
        self,
        learning_rate,
        weight_decay_rate=0.0,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-6,
        exclude_from_weight_decay=None,
        name="AdamWeightDecayOptimizer",
        update_number=None,
        is_applied=None,
    ):
        """Stores the settings; variables are created by `apply_gradients`.

        Args:
          learning_rate: float or scalar tensor.
          weight_decay_rate: the fraction of a variable that decays in one step, divided
            by the learning rate.
          beta_1: decay of the first moment.
          beta_2: decay of the second moment.
          epsilon: added to the square root of the second moment.
          exclude_from_weight_decay: list of regular expressions; variables do not decay
            if one of them matches anywhere in their name.
          name: name of the optimiser.
          update_number: scalar tensor, the number of the next update, counted
            from 1, for correcting the moments' bias; None: no bias correction.
          is_applied: bool scalar tensor; if it is false, the gradients must be finite,
            and change neither weights nor moments. None: it is always true.
        """
        super().__init__(use_locking=False, name=name)
        self.learning_rate = learning_rate
        self.weight_decay_rate = weight_decay_rate
        self.exclude_from_weight_decay = exclude_from_weight_decay or []
        self._moments = {}
        # With powers of 0, TensorFlow's kernel corrects nothing. It corrects the rate,
        # not the moments: its epsilon is added to the uncorrected root of the second
        # moment, that of algorithm 1 to the corrected one.
        beta_powers = 0.0, 0.0
        if update_number is not None:
            count = tf.cast(update_number, tf.float32)
            beta_powers = tf.pow(beta_1, count), tf.pow(beta_2, count)
            epsilon *= tf.sqrt(1.0 - beta_powers[1])
        if is_applied is not None:
            # Without a branch, for which a GPU would wait until the host has decided.
            learning_rate = tf.where(is_applied, learning_rate, 0.0)
            beta_1 = tf.where(is_applied, beta_1, 1.0)
            beta_2 = tf.where(is_applied, beta_2, 1.0)
        # Constants of all variables are in the graph once: it is built faster.
        self._adam_settings = {
            "beta1_power": tf.convert_to_tensor(beta_powers[0]),
            "beta2_power": tf.convert_to_tensor(beta_powers[1]),
            "lr": tf.convert_to_tensor(learning_rate),
            "beta1": tf.convert_to_tensor(beta_1),
            "beta2": tf.convert_to_tensor(beta_2),
            "epsilon": tf.convert_to_tensor(epsilon),
        }
        self._decay_rate = tf.convert_to_tensor(learning_rate * weight_decay_rate)
        self._kept = 1.0 - self._decay_rate

    def create_moments(self, variables):
        """Creates the moments of variables that have none yet."""
        for variable in variables:
            name = variable.op.name
            if name in self._moments:
                continue
            zeros = tf.zeros(variable.shape.as_list())
            self._moments[name] = tuple(
                tf.get_variable(name + suffix, initializer=zeros, trainable=False)
                for suffix in ("/adam_m", "/adam_v")
            )

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        """Adds one Adam step on each variable that has a gradient.

        Args:
          grads_and_vars: pairs of a gradient (float32 of the variable's shape, or None)
            and a variable.
          global_step: ignored; the caller increments it.
          name: name of the returned op.

        Returns:
          The op that performs all updates.
        """
        del global_step
        updates = [
            self._update(gradient, variable)
            for gradient, variable in grads_and_vars
            if gradient is not None
        ]
        return tf.group(*updates, name=name)

    def _update(self, gradient, variable):
        gradient = to_dense(gradient)
        self.create_moments([variable])
        # TensorFlow 1's variables are read in place, so the decay must wait until the
        # gradient has been computed.
        with tf.control_dependencies([gradient]):
            decay = [self._decay(variable)] if self._decays(variable) else []
        with tf.control_dependencies(decay):
            return self._adam(variable, gradient)

    def _decay(self, variable):
        if hasattr(variable, "handle"):
            return tf.assign(variable, variable * self._kept).op
        # In place, because assigning to one of TensorFlow 1's variables copies it.
        return tf.raw_ops.ApplyGradientDescent(
            var=variable, alpha=self._decay_rate, delta=variable
        ).op

    def _adam(self, variable, gradient):
        m, v = self._moments[variable.op.name]
        if hasattr(variable, "handle"):
            return tf.raw_ops.ResourceApplyAdam(
                var=variable.handle,
                m=m.handle,
                v=v.handle,
                grad=gradient,
                **self._adam_settings,
            )
        return tf.raw_ops.ApplyAdam(
            var=variable, m=m, v=v, grad=gradient, **self._adam_settings
        ).op

    def _decays(self, variable):
        return bool(self.weight_decay_rate) and not any(
            re.search(pattern, variable.op.name)
            for pattern in self.exclude_from_weight_decay
        )
