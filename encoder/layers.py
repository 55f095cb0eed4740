"""The primitives that the encoder is made of, over `get_variable` and `matmul`.

Shapes: see modeling.py. `modeling` offers the public names of the original from here.
"""

import math
import zlib

import tensorflow.compat.v1 as tf

from encoder.mixed_precision import FLOAT32, to_float32

LAYER_NORM_EPSILON = 1e-12
_INITIALIZER_SCOPE = "/Initializer"
_ALL_INT64 = (-(2**63), 2**63 - 1)


def dense(
    inputs,
    units,
    initializer,
    activation=None,
    name="dense",
    scale=None,
    precision=FLOAT32,
):
    """A fully connected layer with variables `<name>/kernel` and `<name>/bias`.

    Args:
      inputs: float32 [rows, width].
      units: columns of the result.
      initializer: of the kernel; the bias starts at 0.
      activation: function on the result; None: none.
      name: variable scope.
      scale: float that multiplies the result before the activation; None: 1.
      precision: `mixed_precision.Precision` of the product.

    Returns:
      Float32 [rows, units]; without an activation in the precision's own type.
    """
    assert_rank(inputs, 2)
    width = inputs.shape.as_list()[-1]
    with tf.variable_scope(name):
        kernel = tf.get_variable("kernel", [width, units], initializer=initializer)
        bias = tf.get_variable("bias", [units], initializer=tf.zeros_initializer())
        if scale is not None:  # There is less of these than of the result.
            kernel, bias = kernel * scale, bias * scale
        outputs = _linear(inputs, kernel, bias, precision)
        return outputs if activation is None else activation(to_float32(outputs))


def _linear(inputs, kernel, bias, precision):
    """Inputs @ kernel + bias, in the type of products."""

    @tf.custom_gradient
    def compute(inputs, kernel, bias):
        # Lowered once, not at every use.
        low_inputs, low_kernel = precision.lower(inputs), precision.lower(kernel)
        outputs = precision.product(low_inputs, low_kernel)
        outputs = tf.nn.bias_add(outputs, precision.lower(bias))

        def gradient(d_outputs):
            d_inputs = precision.product(d_outputs, low_kernel, transpose_b=True)
            d_kernel = precision.product(low_inputs, d_outputs, transpose_a=True)
            d_bias = tf.raw_ops.BiasAddGrad(out_backprop=to_float32(d_outputs))
            return tf.cast(d_inputs, inputs.dtype), to_float32(d_kernel), d_bias

        return outputs, gradient

    return compute(inputs, kernel, bias)


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
        return _norm(input_tensor, gamma, beta)


@tf.custom_gradient
def _norm(inputs, gamma, beta):
    """The gradient needs the normed inputs alone, and few passes over them."""
    mean = tf.reduce_mean(inputs, axis=-1, keepdims=True)
    centred = inputs - mean
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    inverse = tf.math.rsqrt(variance + LAYER_NORM_EPSILON)
    normed = centred * inverse

    def gradient(d_outputs):
        axes = list(range(inputs.shape.ndims - 1))
        product = d_outputs * normed
        d_gamma = tf.reduce_sum(product, axis=axes)
        d_beta = tf.reduce_sum(d_outputs, axis=axes)
        d_mean, along = _row_means(d_outputs, gamma), _row_means(product, gamma)
        d_inputs = (d_outputs * gamma - d_mean - normed * along) * inverse
        return d_inputs, d_gamma, d_beta

    return normed * gamma + beta, gradient


def _row_means(inputs, weights):
    """The mean of [..., H] times weights [H], as a product: it stores nothing."""
    if inputs.shape.ndims != 2:
        return tf.reduce_mean(inputs * weights, axis=-1, keepdims=True)
    width = weights.shape.as_list()[0]
    return tf.matmul(inputs, tf.expand_dims(weights * (1.0 / width), 1))


def gelu(x):
    """Gaussian error linear unit, by the tanh approximation.

    Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415, section 2. BERT uses
    this form, not the exact one with erf.

    Args:
      x: float tensor of any shape.

    Returns:
      Tensor of the same shape and type.
    """
    return _gelu(x)


# 0.5 * (1 + tanh(u)) is sigmoid(2 * u): fewer passes over memory.
_GELU_LINEAR = 2.0 * math.sqrt(2.0 / math.pi)
_GELU_CUBIC = _GELU_LINEAR * 0.044715


@tf.custom_gradient
def _gelu(x):
    chord = _GELU_LINEAR + _GELU_CUBIC * tf.square(x)
    gate = tf.sigmoid(x * chord)

    def gradient(d_outputs):
        slope = 3.0 * chord - 2.0 * _GELU_LINEAR
        # SigmoidGrad is x * gate * (1 - gate), in one pass.
        steepness = tf.raw_ops.SigmoidGrad(y=gate, dy=x)
        return d_outputs * (gate + steepness * slope)

    return x * gate, gradient


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
    kept = kept_places(tf.shape(input_tensor), dropout_prob, seed)
    scaled = kept * (1.0 / (1.0 - dropout_prob))
    return input_tensor * tf.cast(scaled, input_tensor.dtype)


def kept_places(shape, dropout_prob, seed=None):
    """Float32 of that shape: 0 for the fraction that is dropped, else 1.

    A place takes 16 random bits, so the fraction is rounded to 1/65536, and is less
    than 1: making random numbers is most of dropout's cost.
    """
    with tf.device("/cpu:0"):
        count = tf.reduce_prod(shape)
        draws = tf.expand_dims((count + 3) // 4, 0)
        # Else a GPU would hold these two, and the host wait to read them.
        bounds = [tf.constant(bound, tf.int64) for bound in _ALL_INT64]
    if seed is None:
        bits = tf.random.uniform(draws, *bounds, dtype=tf.int64)
    else:
        bits = tf.random.stateless_uniform(draws, seed, *bounds, dtype=tf.int64)
    places = tf.reshape(tf.reshape(tf.bitcast(bits, tf.int16), [-1])[:count], shape)
    dropped = min(int(round(dropout_prob * 2**16)), 2**16 - 1)
    lowest = tf.constant(dropped - 2**15, tf.int16)
    return tf.cast(places >= lowest, tf.float32)


class DropoutStream:
    """Dropout whose every place in the graph has a seed of its own."""

    def __init__(self, seed):
        """Takes int32 [2] (run, step), or None for the graph's random stream."""
        self._seed = seed
        self._places = 0

    def __call__(self, tensor, rate):
        """Drops of a tensor, see `dropout`."""
        return dropout(tensor, rate, self._next_seed()) if rate else tensor

    def kept(self, shape, rate):
        """Float32 of that shape, 1 where it keeps and 0 where it drops; and 1 - rate.

        None instead of the tensor if the rate is 0.
        """
        if not rate:
            return None, 1.0
        return kept_places(shape, rate, self._next_seed()), 1.0 - rate

    def _next_seed(self):
        place = self._places
        self._places += 1
        return None if self._seed is None else seed_at(self._seed, place)


class _NoDropout:
    def __call__(self, tensor, rate):
        del rate
        return tensor

    def kept(self, shape, rate):
        del shape, rate
        return None, 1.0


NO_DROPOUT = _NoDropout()


def seed_at(seed, place):
    """The seed of one place of the graph: int32 [2] from the step's int32 [2]."""
    # A stride no user counts seeds in: neighbouring seeds share no masks.
    return seed + tf.constant([1000003 * place % 2**31, 0], dtype=tf.int32)


def create_initializer(initializer_range=0.02):
    """Truncated normal with that standard deviation, cut at two of them.

    In a graph that has a seed (`tf.set_random_seed`) a variable's values follow from
    seed, name and shape alone, whatever else is in the graph.
    """

    def initialize(shape, dtype=tf.float32, partition_info=None):
        del partition_info
        seed = tf.get_default_graph().seed
        if seed is None:
            return tf.random.truncated_normal(shape, 0.0, initializer_range, dtype)
        # TensorFlow calls this in a scope that is named for the variable.
        name = tf.get_default_graph().get_name_scope().replace(_INITIALIZER_SCOPE, "")
        seeds = [seed, zlib.crc32(name.encode("utf-8")) - 2**31]
        with tf.device("/cpu:0"):  # A GPU's may differ in the last bit.
            return tf.random.stateless_truncated_normal(
                shape, seeds, 0.0, initializer_range, dtype
            )

    return initialize


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
