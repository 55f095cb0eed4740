"""The matrix products that a step cannot do without, timed alone.

Shapes as in modeling.py; T is the number of real tokens of a batch. Each layer
multiplies by the query, key, value and output kernels and the two of the feed-forward
layer; attention has two products for each group of sequences of similar length,
[b, N, L, D], as `encoder.unpadding` forms the groups. Training adds two gradients to
each product.
"""

import numpy as np

from benchmarks.timing import examples


def products(tokens, groups, shape, training):
    """The products of one layer.

    Args:
      tokens: T.
      groups: (b, L) of each group.
      shape: dictionary of arguments of `modeling.BertConfig`.
      training: whether gradients are computed.

    Returns:
      List of pairs of shapes (left, right), whose arrays are multiplied.
    """
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    heads = shape["num_attention_heads"]
    dense = 4 * [(width, width)] + [(width, inner), (inner, width)]
    pairs = [((tokens, kernel[0]), kernel) for kernel in dense]
    for size, longest in groups:
        values = (size, heads, longest, width // heads)
        scores = (size, heads, longest, longest)
        pairs.append((values, (size, heads, width // heads, longest)))
        pairs.append((scores, values))
    if training:
        pairs += [gradient for pair in pairs for gradient in _gradients(*pair)]
    return pairs


def _gradients(left, right):
    """The two products behind one: d_left = d_out right^T, d_right = left^T d_out."""
    outer, (rows, inner), columns = left[:-2], left[-2:], right[-1]
    d_out = (*outer, rows, columns)
    return [
        (d_out, (*outer, columns, inner)),
        ((*outer, inner, rows), d_out),
    ]


def flops(pairs):
    """Floating-point operations of products: two for each multiplication."""
    return sum(2 * int(np.prod(left)) * right[-1] for left, right in pairs)


def groups_of(tf, masks, heads, training):
    """(b, L) of the groups of each batch, as `unpadding` forms them.

    Args:
      tf: TensorFlow.
      masks: int32 [B, S] of each batch.
      heads: N.
      training: whether the batch's size is static, as it is in training alone.
    """
    from encoder import unpadding

    with tf.Graph().as_default(), tf.Session() as session:
        batch = masks[0].shape[0] if training else None
        mask = tf.placeholder(tf.int32, [batch, masks[0].shape[1]])
        groups = unpadding.compute_unpadding(mask, heads).groups
        shapes = [tf.shape(group.query_indices[:, 0]) for group in groups]
        of_batches = [session.run(shapes, {mask: value}) for value in masks]
    return [[tuple(map(int, size)) for size in sizes] for sizes in of_batches]


def set_up(tf, spec, arrays, config):
    """Builds the products of each of this program's batches; see `tf_worker`.

    Returns:
      Facts: flops (of each batch); the session; and one op for each batch.
    """
    shape, training = spec["shape"], spec["training"]
    masks = _masks(arrays, spec["batch"], training)
    groups = groups_of(tf, masks, shape["num_attention_heads"], training)
    of_layers = [
        products(int(mask.sum()), of_batch, shape, training)
        for mask, of_batch in zip(masks, groups)
    ]
    layers = shape["num_hidden_layers"]
    # Grappler would compute equal products once and leave out those without a use.
    config.graph_options.optimizer_options.opt_level = -1
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    operands = _Operands(tf, getattr(tf, spec["dtype"]))
    steps = [
        tf.group(*[operands.product(*pair) for pair in of_layer * layers])
        for of_layer in of_layers
    ]
    session = tf.Session(config=config)
    session.run(tf.global_variables_initializer())
    for step in steps:  # The first run of a shape costs more than all later ones.
        session.run(step)
    facts = {"flops": [layers * flops(of_layer) for of_layer in of_layers]}
    return facts, session, steps


def _masks(arrays, size, training):
    """The masks of this program's batches."""
    if training:
        bounds = examples.equal_bounds(arrays, size)
    else:
        arrays = examples.by_length(arrays)
        bounds = examples.our_bounds(arrays, size)
    return [arrays["input_mask"][i:j] for i, j in zip(bounds[:-1], bounds[1:])]


class _Operands:
    """Variables to multiply, one for each shape and side."""

    def __init__(self, tf, dtype):
        self._tf, self._dtype = tf, dtype
        self._values = {}

    def product(self, left, right):
        """The op of a product of operands with these shapes."""
        return self._tf.matmul(self._value(left, 0), self._value(right, 1)).op

    def _value(self, shape, side):
        tf = self._tf
        if (shape, side) not in self._values:
            value = tf.cast(tf.random_normal(shape), self._dtype)
            variable = tf.Variable(value, trainable=False, use_resource=True)
            self._values[shape, side] = variable.read_value()
        return self._values[shape, side]
