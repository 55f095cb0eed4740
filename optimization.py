"""BERT's optimiser: Adam with decoupled weight decay, and its learning rate.

Kingma and Ba 2014, https://arxiv.org/abs/1412.6980, algorithm 1, without the bias
correction of its moments; the decay of Loshchilov and Hutter 2017,
https://arxiv.org/abs/1711.05101, algorithm 2. Shapes: see modeling.py.
"""

import collections
import re

import tensorflow.compat.v1 as tf

MAX_GRADIENT_NORM = 1.0
WEIGHT_DECAY_RATE = 0.01
NOT_DECAYED = ("LayerNorm", "layer_norm", "bias")

TrainStep = collections.namedtuple(
    "TrainStep", "train_op learning_rate gradient_norm skipped_steps"
)
TrainStep.__doc__ = """What one training step runs and shows.

train_op: op that updates the variables, then increments the global step.
learning_rate: float32 scalar, the rate that this step trains at.
gradient_norm: float32 scalar, the global norm before clipping.
skipped_steps: int32 scalar, steps so far whose gradients overflowed and that therefore
  changed no weight; None where no loss scale is in use.
"""


def create_optimizer(loss, init_lr, num_train_steps, num_warmup_steps, use_tpu):
    """Adds the whole training step to the graph, see `create_train_step`.

    Returns:
      The op that updates the variables and increments the global step.

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
    static_shapes=False,
    bias_correction=False,
):
    """Adds gradients, clipping, Adam and the global step's increment to the graph.

    Args:
      loss: float32 scalar.
      init_lr: the peak learning rate.
      num_train_steps: optimiser steps until the rate is 0.
      num_warmup_steps: optimiser steps of linear warm-up; 0 or None: none.
      loss_scale: `mixed_precision.LossScale`; None: gradients that are not finite reach
        the weights.
      static_shapes: whether no gradient's shape may follow the words of the batch.
      bias_correction: whether Adam's moments are divided by 1 - beta^t at update t, as
        in Kingma and Ba and not in BERT.

    Returns:
      `TrainStep`.
    """
    # The host decides by it; on a GPU it would be fetched back at every step.
    with tf.device("/cpu:0"):
        global_step = tf.train.get_or_create_global_step()
        learning_rate = learning_rate_at(
            global_step, init_lr, num_train_steps, num_warmup_steps
        )
    optimizer = AdamWeightDecayOptimizer(
        learning_rate,
        weight_decay_rate=WEIGHT_DECAY_RATE,
        exclude_from_weight_decay=list(NOT_DECAYED),
    )
    if bias_correction:
        skipped_before = 0 if loss_scale is None else loss_scale.skipped_steps
        with tf.device("/cpu:0"):
            optimizer.correct_bias(tf.cast(global_step, tf.int32) + 1 - skipped_before)
    variables = tf.trainable_variables()
    scale = 1.0 if loss_scale is None else tf.identity(loss_scale.scale)
    gradients = tf.gradients(loss if loss_scale is None else loss * scale, variables)
    merge = _as_dense if static_shapes else _merged
    gradients = [merge(gradient) for gradient in gradients]
    norm = tf.global_norm(gradients) / scale
    # Clipped and freed from the loss scale in one pass.
    factor = MAX_GRADIENT_NORM / (tf.maximum(norm, MAX_GRADIENT_NORM) * scale)
    clipped = [_times(gradient, factor) for gradient in gradients]
    pairs = list(zip(clipped, variables))
    if loss_scale is None:
        update, skipped = optimizer.apply_gradients(pairs), None
    else:
        update = _apply_if_finite(optimizer, pairs, norm, loss_scale)
        with tf.control_dependencies([update]):
            skipped = tf.identity(loss_scale.skipped_steps)
    # The increment waits for the updates, and they for the rate: the step that follows
    # k finished steps always trains at the schedule's rate at k.
    with tf.control_dependencies([update]), tf.device("/cpu:0"):
        train_op = tf.assign_add(global_step, 1).op
    return TrainStep(train_op, learning_rate, norm, skipped)


def _apply_if_finite(optimizer, pairs, norm, loss_scale):
    """The op that updates the weights, or where they overflow the scale alone."""
    finite = tf.math.is_finite(norm)
    # Not within a branch, where variables cannot be made.
    optimizer.create_moments(v for gradient, v in pairs if gradient is not None)

    def update():
        with tf.control_dependencies([optimizer.apply_gradients(pairs)]):
            return tf.constant(True)

    applied = tf.cond(finite, update, lambda: tf.constant(False))
    with tf.control_dependencies([applied]):
        return loss_scale.update(finite)


def learning_rate_at(step, init_lr, num_train_steps, num_warmup_steps=None):
    """The learning rate after `step` finished steps.

    Linear decay from `init_lr` to 0 over all steps, warm-up included; below
    `num_warmup_steps` instead `init_lr * step / num_warmup_steps`. So step 0 trains at
    rate 0, and the rate drops a little where warm-up ends: both are BERT's
    (https://arxiv.org/abs/1810.04805, appendix A.2, and its published code).

    Args:
      step: integer scalar tensor.
      init_lr: peak rate, a float.
      num_train_steps: int, at least 1.
      num_warmup_steps: int; 0 or None: no warm-up.

    Returns:
      Float32 scalar tensor.
    """
    # Compared as integers, so that no rounding moves the end of warm-up.
    done = tf.cast(tf.minimum(tf.cast(step, tf.int64), num_train_steps), tf.float32)
    decayed = init_lr * (1.0 - done / float(num_train_steps))
    if not num_warmup_steps:
        return decayed
    warming = init_lr * (done / float(num_warmup_steps))
    return tf.where(tf.cast(step, tf.int64) < num_warmup_steps, warming, decayed)


class AdamWeightDecayOptimizer(tf.train.Optimizer):
    """Adam without bias correction, with decoupled weight decay.

    Its moments are variables named `<variable>/adam_m` and `<variable>/adam_v`.
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
    ):
        """Takes the rates; creates no variable yet.

        Args:
          learning_rate: float or scalar tensor.
          weight_decay_rate: fraction of a variable that a step at learning rate 1
            would take off it.
          beta_1: decay of the first moment.
          beta_2: decay of the second moment.
          epsilon: added to the root of the second moment, outside of it.
          exclude_from_weight_decay: regular expressions; a variable in whose name one
            is found does not decay.
          name: of the optimiser.
        """
        super().__init__(use_locking=False, name=name)
        self.learning_rate = learning_rate
        self.weight_decay_rate = weight_decay_rate
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.exclude_from_weight_decay = exclude_from_weight_decay or []
        self._moments = {}
        # Beta powers of 0: the kernel then corrects nothing.
        self._powers = (0.0, 0.0)
        self._root = 1.0

    def correct_bias(self, update):
        """Has the moments' bias corrected in what `apply_gradients` adds from now on.

        Args:
          update: int32 scalar tensor, the number of the update, counted from 1.
        """
        count = tf.cast(update, tf.float32)
        self._powers = (tf.pow(self.beta_1, count), tf.pow(self.beta_2, count))
        # The kernel corrects the rate, not the moments, which makes its epsilon smaller
        # by the root of 1 - beta_2^t: algorithm 1 has it beside the corrected root.
        self._root = tf.sqrt(1.0 - self._powers[1])

    def create_moments(self, variables):
        """Creates the moments' variables; `apply_gradients` does it where it must."""
        for variable in variables:
            name = _name(variable)
            if name not in self._moments:
                self._moments[name] = (
                    _moment(name + "/adam_m", variable),
                    _moment(name + "/adam_v", variable),
                )

    def apply_gradients(self, grads_and_vars, global_step=None, name=None):
        """Adds one Adam step on each variable that has a gradient.

        Args:
          grads_and_vars: pairs of a gradient (float32 of the variable's shape, or None)
            and a variable.
          global_step: left alone: whoever calls this increments it.
          name: of the returned op.

        Returns:
          The op that does all updates.
        """
        del global_step
        updates = [
            self._update(gradient, variable)
            for gradient, variable in grads_and_vars
            if gradient is not None
        ]
        return tf.group(*updates, name=name)

    def _update(self, gradient, variable):
        gradient = _as_dense(gradient)
        self.create_moments([variable])
        m, v = self._moments[_name(variable)]
        # Nothing moves before its gradient is there: older TensorFlow's variables are
        # read where they stand.
        with tf.control_dependencies([gradient]):
            before = [self._decay(variable)] if self._decays(variable) else []
        with tf.control_dependencies(before):
            return self._adam(variable, m, v, gradient)

    def _decay(self, variable):
        rate = self.learning_rate * self.weight_decay_rate
        if hasattr(variable, "handle"):
            return tf.assign(variable, variable * (1.0 - rate)).op
        # In place: assigning to an older TensorFlow's variable copies it.
        return tf.raw_ops.ApplyGradientDescent(
            var=variable, alpha=rate, delta=variable
        ).op

    def _adam(self, variable, m, v, gradient):
        """TensorFlow's own kernel."""
        numbers = {
            "beta1_power": self._powers[0],
            "beta2_power": self._powers[1],
            "lr": self.learning_rate,
            "beta1": self.beta_1,
            "beta2": self.beta_2,
            "epsilon": self.epsilon * self._root,
        }
        if hasattr(variable, "handle"):
            return tf.raw_ops.ResourceApplyAdam(
                var=variable.handle, m=m.handle, v=v.handle, grad=gradient, **numbers
            )
        return tf.raw_ops.ApplyAdam(var=variable, m=m, v=v, grad=gradient, **numbers).op

    def _decays(self, variable):
        return bool(self.weight_decay_rate) and not any(
            re.search(pattern, _name(variable))
            for pattern in self.exclude_from_weight_decay
        )


def _name(variable):
    return variable.name.split(":")[0]


def _moment(name, variable):
    return tf.get_variable(
        name,
        variable.shape.as_list(),
        tf.float32,
        initializer=tf.zeros_initializer(),
        trainable=False,
    )


def _merged(gradient):
    """A gather's gradient with the rows of one index summed, so that norms are true."""
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    with tf.device("/cpu:0"):
        indices, places = tf.unique(gradient.indices)
        count = tf.size(indices)
    values = tf.math.unsorted_segment_sum(gradient.values, places, count)
    return tf.IndexedSlices(values, indices, gradient.dense_shape)


def _times(gradient, factor):
    if gradient is None:
        return None
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient * factor
    values = gradient.values * factor
    return tf.IndexedSlices(values, gradient.indices, gradient.dense_shape)


def _as_dense(gradient):
    if not isinstance(gradient, tf.IndexedSlices):
        return gradient
    indices = tf.expand_dims(gradient.indices, 1)
    shape = tf.cast(gradient.dense_shape, indices.dtype)
    return tf.scatter_nd(indices, gradient.values, shape)
