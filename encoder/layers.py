"""Layers, activations and initialisation.

Shapes: see modeling.py, which re-exports the public functions that the original has.
"""

import math
import zlib

import tensorflow.compat.v1 as tf

from encoder.mixed_precision import FLOAT32, to_float32

LAYER_NORM_EPSILON = 1e-12
_INITIALIZER_SCOPE = "/Initializer"


def dense(
    inputs,
    units,
    initializer,
    activation=None,
    name="dense",
    scale=None,
    precision=FLOAT32,
):
    """A fully connected layer with the variables `<name>/kernel` and `<name>/bias`.

    Args:
      inputs: float tensor [T, width].
      units: width of the output.
      initializer: of the kernel; the bias starts at 0.
      activation: function applied to the output, or None.
      name: variable scope.
      scale: float that multiplies the output before the activation; None: 1.
      precision: `mixed_precision.Precision` of the product.

    Returns:
      [T, units], float32 after an activation, else in the type of `precision`.
    """
    width = inputs.shape.as_list()[-1]
    with tf.variable_scope(name):
        kernel, bias = dense_weights(width, units, initializer)
        if scale is not None:  # The weights are smaller than the output.
            kernel, bias = kernel * scale, bias * scale
        outputs = linear(inputs, kernel, bias, precision)
        return outputs if activation is None else activation(to_float32(outputs))


def dense_weights(width, units, initializer):
    """Creates the variables `kernel` [width, units] and `bias` [units]."""
    kernel = tf.get_variable("kernel", [width, units], initializer=initializer)
    bias = tf.get_variable("bias", [units], initializer=tf.zeros_initializer())
    return kernel, bias


def linear(inputs, kernel, bias, precision):
    """`inputs @ kernel + bias`, [T, units], in the type of `precision`."""

    @tf.custom_gradient
    def compute(inputs, kernel, bias):
        # Cast once for the forward and the backward pass.
        cast_inputs = precision.to_compute_type(inputs)
        cast_kernel = precision.to_compute_type(kernel)
        outputs = precision.matmul(cast_inputs, cast_kernel)
        outputs = tf.nn.bias_add(outputs, precision.to_compute_type(bias))

        def gradient(d_outputs):
            d_inputs = precision.matmul(d_outputs, cast_kernel, transpose_b=True)
            d_kernel = precision.matmul(cast_inputs, d_outputs, transpose_a=True)
            d_bias = tf.raw_ops.BiasAddGrad(out_backprop=to_float32(d_outputs))
            return tf.cast(d_inputs, inputs.dtype), to_float32(d_kernel), d_bias

        return outputs, gradient

    return compute(inputs, kernel, bias)


def layer_norm(input_tensor, name=None, row_norm=None):
    """Normalises the last axis to mean 0 and variance 1, then scales and shifts it.

    Ba et al. 2016, https://arxiv.org/abs/1607.06450, with epsilon 1e-12 under the root.

    Args:
      input_tensor: float32 [..., H].
      name: variable scope of `gamma` and `beta`, [H]; None: "LayerNorm".
      row_norm: `RowNorm` that normalises an input of rank 2; None: several ops do.

    Returns:
      Float32 [..., H].
    """
    width = input_tensor.shape[-1]
    with tf.variable_scope(name, default_name="LayerNorm"):
        beta = tf.get_variable("beta", [width], initializer=tf.zeros_initializer())
        gamma = tf.get_variable("gamma", [width], initializer=tf.ones_initializer())
        normalize = _normalize if row_norm is None else row_norm.normalize
        return normalize(input_tensor, gamma, beta)


@tf.custom_gradient
def _normalize(inputs, gamma, beta):
    """The gradient keeps only the normalised inputs, and reads them few times."""
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


class RowNorm:
    """Normalises rows [T, H] by TensorFlow's batch normalisation, in one op.

    A row is what is a channel there: its "batch" is one image of H pixels. On GPUs,
    cuDNN computes it, of which not every version accepts this epsilon; see
    `finetuning.device.self_test.has_row_norm`. On a CPU, TensorFlow 1.14 has no kernel
    for this order of the axes.
    """

    def __init__(self, positions):
        """Takes any tensor [T]."""
        with tf.device("/cpu:0"):
            self._count = tf.shape(positions)
        self._zeros = tf.fill(self._count, 0.0)
        self._settings = {
            "scale": tf.fill(self._count, 1.0),
            "epsilon": LAYER_NORM_EPSILON,
            "data_format": "NCHW",
            "is_training": True,
        }

    def normalize(self, inputs, gamma, beta):
        """See `layer_norm`: [T, H], [H] and [H] -> [T, H]."""
        width = inputs.shape.as_list()[-1]
        with tf.device("/cpu:0"):
            images = tf.concat([[1], self._count, [width, 1]], 0)

        @tf.custom_gradient
        def compute(inputs, gamma, beta):
            inputs = tf.reshape(inputs, images)
            none = tf.constant([], tf.float32)
            result = tf.raw_ops.FusedBatchNormV2(
                x=inputs, offset=self._zeros, mean=none, variance=none, **self._settings
            )
            normed = tf.reshape(result.y, [-1, width])

            def gradient(d_outputs):
                d_gamma = tf.reduce_sum(d_outputs * normed, axis=0)
                d_beta = tf.reduce_sum(d_outputs, axis=0)
                d_normed = tf.reshape(d_outputs * gamma, images)
                d_inputs = tf.raw_ops.FusedBatchNormGradV2(
                    y_backprop=d_normed,
                    x=inputs,
                    reserve_space_1=result.reserve_space_1,
                    reserve_space_2=result.reserve_space_2,
                    **self._settings,
                ).x_backprop
                return tf.reshape(d_inputs, [-1, width]), d_gamma, d_beta

            return normed * gamma + beta, gradient

        return compute(inputs, gamma, beta)


def _row_means(inputs, weights):
    """The means over H of [..., H] times [H]; a matrix product stores no product."""
    if inputs.shape.ndims != 2:
        return tf.reduce_mean(inputs * weights, axis=-1, keepdims=True)
    width = weights.shape.as_list()[0]
    return tf.matmul(inputs, tf.expand_dims(weights * (1.0 / width), 1))


def gelu(x):
    """The Gaussian error linear unit of a float tensor, in its tanh approximation.

    Hendrycks and Gimpel 2016, https://arxiv.org/abs/1606.08415, section 2.
    """
    return _gelu(x)


# Hugging Face's names of the approximation; its "gelu" is the exact function.
_GELU_ALIASES = (
    "gelu_new",
    "gelu_pytorch_tanh",
    "gelu_fast",
    "gelu_python_tanh",
    "gelu_accurate",
)
# 0.5 * (1 + tanh(u)) is sigmoid(2 * u), which takes fewer passes over memory.
_GELU_LINEAR = 2.0 * math.sqrt(2.0 / math.pi)
_GELU_CUBIC = _GELU_LINEAR * 0.044715


@tf.custom_gradient
def _gelu(x):
    chord = _GELU_LINEAR + _GELU_CUBIC * tf.square(x)
    gate = tf.sigmoid(x * chord)

    def gradient(d_outputs):
        slope = 3.0 * chord - 2.0 * _GELU_LINEAR
        # SigmoidGrad computes x * gate * (1 - gate) in one pass.
        steepness = tf.raw_ops.SigmoidGrad(y=gate, dy=x)
        return d_outputs * (gate + steepness * slope)

    return x * gate, gradient


@tf.custom_gradient
def exact_gelu(x):
    """The Gaussian error linear unit of a float tensor, by the error function.

    Hendrycks and Gimpel 2016, section 2, before the approximation.
    """
    return _exact(x, 0.5 + 0.5 * tf.math.erf(x * math.sqrt(0.5)))


# The logit of the normal distribution function is x times a function of x * x. These
# are the coefficients of its polynomial that makes the largest error of the GELU the
# smallest: 7e-8, less than float32 rounds.
_LOGIT = (
    3.61124138e-09,
    -2.66893203e-07,
    7.93822518e-06,
    -1.10480363e-04,
    -6.62598329e-05,
    7.26685668e-02,
    1.59576843,
)


@tf.custom_gradient
def exact_gelu_by_sigmoid(x):
    """The same as `exact_gelu`, and faster where the error function is slow."""
    square = tf.square(x)
    chord = _LOGIT[0] * square + _LOGIT[1]
    for coefficient in _LOGIT[2:]:
        chord = chord * square + coefficient
    return _exact(x, tf.sigmoid(x * chord))


def _exact(x, gate):
    """The exact GELU and its gradient, given the normal distribution function of x."""

    def gradient(d_outputs):
        density = math.sqrt(0.5 / math.pi) * tf.exp(-0.5 * tf.square(x))
        return d_outputs * (gate + x * density)

    return x * gate, gradient


def get_activation(activation_string):
    """Returns the function that a config's `hidden_act` names, or None for none.

    Args:
      activation_string: "gelu" or one of Hugging Face's names of its approximation by
        tanh; "gelu_python" for the exact function; "relu", "tanh"; "linear", "" or
        None for no activation; or a function, which is returned as it is.

    Raises:
      ValueError: the name is unknown.
    """
    if activation_string is None or activation_string == "":
        return None
    if callable(activation_string):
        return activation_string
    known = {"linear": None, "relu": tf.nn.relu, "gelu": gelu, "tanh": tf.tanh}
    known.update(dict.fromkeys(_GELU_ALIASES, gelu), gelu_python=exact_gelu)
    name = str(activation_string).lower()
    if name not in known:
        raise ValueError(
            "unknown activation '%s'; known: %s"
            % (activation_string, ", ".join(sorted(known)))
        )
    return known[name]


def create_initializer(initializer_range=0.02):
    """Truncated normal with this standard deviation, cut off at two deviations.

    In a graph with a seed (`tf.set_random_seed`), a variable's values depend only on
    the seed, its name and its shape, whatever else is in the graph.
    """

    def initialize(shape, dtype=tf.float32, partition_info=None):
        del partition_info
        seed = tf.get_default_graph().seed
        if seed is None:
            return tf.random.truncated_normal(shape, 0.0, initializer_range, dtype)
        # TensorFlow calls this in a name scope that is named after the variable.
        name = tf.get_default_graph().get_name_scope().replace(_INITIALIZER_SCOPE, "")
        seeds = [seed, zlib.crc32(name.encode("utf-8")) - 2**31]
        with tf.device("/cpu:0"):  # GPUs may differ in the last bit.
            # `tf.random.stateless_truncated_normal` takes twice as many ops.
            drawn = tf.raw_ops.StatelessTruncatedNormal(
                shape=shape, seed=seeds, dtype=dtype
            )
            return drawn * initializer_range

    return initialize


def get_shape_list(tensor, expected_rank=None, name=None):
    """The shape as a list of ints, with int32 scalar tensors for unknown sizes.

    Args:
      tensor: any tensor.
      expected_rank: int or list of ints, the ranks that are accepted; None: any.
      name: the tensor's name in the error message; None: its own.

    Raises:
      ValueError: the rank is not as expected.
    """
    if isinstance(expected_rank, int):
        expected_rank = [expected_rank]
    if expected_rank is not None and tensor.shape.ndims not in list(expected_rank):
        raise ValueError(
            "tensor '%s' has shape %s, expected rank %s"
            % (name or tensor.name, tensor.shape, " or ".join(map(str, expected_rank)))
        )
    static = tensor.shape.as_list()
    if None not in static:
        return static
    dynamic = tf.shape(tensor)
    return [dynamic[axis] if size is None else size for axis, size in enumerate(static)]
