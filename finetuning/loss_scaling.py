"""A loss scale that follows what the type of the products can hold.

Micikevicius et al. 2017, https://arxiv.org/abs/1710.03740, section 3.2: small gradients
vanish in float16 unless the loss is multiplied first. The scale doubles after a run of
steps without overflow and halves at each overflow, whose step then changes no weight.
"""

import tensorflow.compat.v1 as tf

INITIAL_SCALE = 2.0**15
LARGEST_SCALE = 2.0**24
STEPS_TO_DOUBLE = 1000
SCOPE = "loss_scale"


class LossScale:
    """The scale, and what it is decided by, as variables that a checkpoint keeps.

    Attributes:
      scale: float32 variable [], what the loss is multiplied by.
      skipped_steps: int32 variable [], steps so far that changed no weight.
    """

    def __init__(self):
        # On the host: a GPU has no use for scalars that decide what it does next.
        with tf.variable_scope(SCOPE), tf.device("/cpu:0"):
            self.scale = _scalar("scale", INITIAL_SCALE, tf.float32)
            self.skipped_steps = _scalar("skipped_steps", 0, tf.int32)
            self._good_steps = _scalar("good_steps", 0, tf.int32)

    def update(self, finite):
        """The op that takes note of a step.

        Args:
          finite: bool scalar tensor, whether all of the step's gradients are finite.
        """
        with tf.device("/cpu:0"):
            good = tf.where(finite, self._good_steps + 1, 0)
            doubles = tf.greater_equal(good, STEPS_TO_DOUBLE)
            raised = tf.where(doubles, self.scale * 2.0, self.scale + 0.0)
            scale = tf.where(finite, raised, self.scale / 2.0)
            return tf.group(
                tf.assign(self.scale, tf.clip_by_value(scale, 1.0, LARGEST_SCALE)),
                tf.assign(self._good_steps, tf.where(doubles, 0, good)),
                tf.assign_add(self.skipped_steps, 1 - tf.cast(finite, tf.int32)),
            )


def _scalar(name, value, dtype):
    return tf.get_variable(
        name, [], dtype, initializer=tf.constant_initializer(value), trainable=False
    )
