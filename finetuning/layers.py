"""The primitives that the encoder is made of, over `get_variable` and `matmul`.

Shapes: see modeling.py. `modeling` offers the public names of the original from here.
"""

import math

import tensorflow.compat.v1 as tf

LAYER_NORM_EPSILON = 1e-12


def dense(inputs, units, initializer, activation=None, name="dense"):
    """A fully connected layer with variables `<name>/kernel` and `<name>/bias`.

    Args:
      inputs: float32 [rows, width].
      units: columns of the result.
      initializer: of the kernel; the bias starts at 0.
      activation: function on the result; None: none.
      name: variable scope.

    Returns:
      Float32 [rows, units].
    """
    width = get_shape_list(inputs, expected_rank=2)[-1]
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", [width, units], initializer=initializer)
        bias = tf.get_variable("bias", [units], initializer=tf.zeros_initializer())
        outputs = tf.nn.bias_add(tf.matmul(inputs, kernel), bias)
        return outputs if activation is None else activation(outputs)


def layer_norm(input_tensor, name=None):
    """Norms the last axis to mean 0 and variance 1, then scales and shifts it.

    Ba et al. 2016, https://arxiv.org/abs/1607.06450, with epsilon 1e-12 under the root.

    Args:
      input_tensor: float32 [..., H].
      name: variable scope of `gamma` and `beta`, [H]; None: "LayerNorm".

    Returns:
      Float32 of the input's shape.
    """
    width = input_tensor.shape[-1]
    with tf.variable_scope(name, default_name="LayerNorm"):
        beta = tf.get_variable("beta", [width], initializer=tf.zeros_initializer())
        gamma = tf.get_variable("gamma", [width], initializer=tf.ones_initializer())
        mean, variance = tf.nn.moments(input_tensor, axes=[-1], keepdims=True)
        return tf.nn.batch_normalization(
            input_tensor, mean, variance, beta, gamma, LAYER_NORM_EPSILON
        )


def gelu(x):
    """Gaussian error linear unit, by the tanh approximation.

    Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415, section 2. BERT uses
    this form, not the exact one with erf.

    Args:
      x: float tensor of any shape.

    Returns:
      Tensor of the same shape and type.
    """
    inner = math.sqrt(2.0 / math.pi) * (x + 0.044715 * (x * x * x))
    return 0.5 * x * (1.0 + tf.tanh(inner))


def get_activation(activation_string):
    """The function that a config's `hidden_act` names.

    Args:
      activation_string: "gelu", "relu", "tanh", "linear" or "" or None (both: no
        activation); a function is returned as it is.

    Returns:
      A function on tensors, or None.

    Raises:
      ValueError: the name is unknown.
    """
    if activation_string is None or activation_string == "":
        return None
    if callable(activation_string):
        return activation_string
    known = {"linear": None, "relu": tf.nn.relu, "gelu": gelu, "tanh": tf.tanh}
    name = str(activation_string).lower()
    if name not in known:
        raise ValueError(
            "unknown activation '%s'; known: %s"
            % (activation_string, ", ".join(sorted(known)))
        )
    return known[name]


def dropout(input_tensor, dropout_prob, seed=None):
    """Sets a random fraction to 0 and scales the rest up, so that the mean stays.

    Srivastava et al. 2014, https://jmlr.org/papers/v15/srivastava14a.html.

    Args:
      input_tensor: float tensor.
      dropout_prob: fraction 0-1 that is dropped; None or 0 returns the input.
      seed: int32 [2]; the same seed drops the same places. None: drawn from the
        graph's own random stream.

    Returns:
      Tensor of the input's shape and type.
    """
    if not dropout_prob:
        return input_tensor
    shape = tf.shape(input_tensor)
    if seed is None:
        uniform = tf.random.uniform(shape, dtype=input_tensor.dtype)
    else:
        uniform = tf.random.stateless_uniform(shape, seed, dtype=input_tensor.dtype)
    kept = tf.cast(uniform >= dropout_prob, input_tensor.dtype)
    return input_tensor * (kept * (1.0 / (1.0 - dropout_prob)))


class DropoutStream:
    """Dropout whose every place in the graph has a seed of its own."""

    def __init__(self, seed):
        """Takes int32 [2] (run, step), or None for the graph's random stream."""
        self._seed = seed
        self._places = 0

    def __call__(self, tensor, rate):
        if not rate:
            return tensor
        place = self._places
        self._places += 1
        if self._seed is None:
            return dropout(tensor, rate)
        return dropout(tensor, rate, seed_at(self._seed, place))


def seed_at(seed, place):
    """The seed of one place of the graph: int32 [2] from the step's int32 [2]."""
    # A stride no user counts seeds in: neighbouring seeds share no masks.
    return seed + tf.constant([1000003 * place % 2**31, 0], dtype=tf.int32)


def keep_all(tensor, rate):
    del rate
    return tensor


def create_initializer(initializer_range=0.02):
    """Truncated normal with that standard deviation, cut at two of them."""
    return tf.truncated_normal_initializer(stddev=initializer_range)


def get_shape_list(tensor, expected_rank=None, name=None):
    """The shape as a list: ints where it is static, scalar int32 tensors elsewhere.

    Args:
      tensor: any tensor.
      expected_rank: int or list of ints that the rank has to be (one of); None: any.
      name: what the error message calls the tensor; None: its own name.

    Raises:
      ValueError: the rank is another one.
    """
    if expected_rank is not None:
        assert_rank(tensor, expected_rank, name)
    static = tensor.shape.as_list()
    if None not in static:
        return static
    dynamic = tf.shape(tensor)
    return [dynamic[axis] if size is None else size for axis, size in enumerate(static)]


def assert_rank(tensor, expected_rank, name=None):
    """Raises ValueError unless the tensor's rank is (one of) `expected_rank`."""
    expected = [expected_rank] if isinstance(expected_rank, int) else expected_rank
    if tensor.shape.ndims not in list(expected):
        raise ValueError(
            "tensor '%s' has shape %s, expected rank %s"
            % (name or tensor.name, tensor.shape, " or ".join(map(str, expected)))
        )
