"""The matrix products that a step cannot do without, and how long they take alone.

Shapes as in modeling.py; T is the number of real tokens of a batch. Of a block: the
query, key, value and output products, the two of the feed-forward layer, and the two of
attention on rectangles of sequences of like length, [b, N, L, D], as
`encoder.unpadding` groups them. In training each has two more, for its gradients.
"""

import time

import batches
import numpy as np

# Sides of the square product that gives the device's matrix rate.
_SQUARE = {"CPU": 2048, "GPU": 8192}
_SQUARE_TRIES = 6


def products(tokens, groups, shape, training):
    """The products of one block.

    Args:
      tokens: T.
      groups: (b, L) of each group.
      shape: dictionary that `modeling.BertConfig` takes.
      training: whether gradients are computed.

    Returns:
      List of pairs (left, right) of shapes, each as its product multiplies them.
    """
    width, inner = shape["hidden_size"], shape["intermediate_size"]
    heads = shape["num_attention_heads"]
    dense = 4 * [(width, width)] + [(width, inner), (inner, width)]
    pairs = [((tokens, into), (into, out)) for into, out in dense]
    for size, longest in groups:
        first = (size, heads)
        rows, columns = (longest, width // heads), (width // heads, longest)
        pairs.append((first + rows, first + columns))
        pairs.append((first + (longest, longest), first + rows))
    if training:
        pairs += [gradient for pair in pairs for gradient in _gradients(*pair)]
    return pairs


def _gradients(left, right):
    """The two products behind one: d_left = d_out right^T, d_right = left^T d_out."""
    first, rows, inner, columns = left[:-2], left[-2], left[-1], right[-1]
    d_out = first + (rows, columns)
    return [
        (d_out, first + (columns, inner)),
        (first + (inner, rows), d_out),
    ]


def flops(pairs):
    """Floating-point operations of products: two for each multiplication."""
    return sum(2 * int(np.prod(left)) * right[-1] for left, right in pairs)


def groups_of(tf, masks, heads, training):
    """(b, L) of the groups of each batch, int32 masks [B, S], by `unpadding` itself."""
    from encoder import unpadding

    with tf.Graph().as_default(), tf.Session() as session:
        # Only in training is the batch's size known beforehand.
        batch = masks[0].shape[0] if training else None
        mask = tf.placeholder(tf.int32, [batch, masks[0].shape[1]])
        groups = unpadding.compute_unpadding(mask, heads).groups
        shapes = [tf.shape(group.query_indices[:, 0]) for group in groups]
        found = [session.run(shapes, {mask: value}) for value in masks]
    return [[tuple(map(int, size)) for size in sizes] for sizes in found]


def set_up(tf, spec, examples, config):
    """Builds each batch's products; see `worker`.

    Returns:
      Facts: the needed operations of each batch, in FLOPs, and the matrix rate, in
      FLOP/s; the session; and one op for each batch.
    """
    shape = spec["shape"]
    masks = _masks(examples, spec["batch"], spec["training"])
    heads = shape["num_attention_heads"]
    groups = groups_of(tf, masks, heads, spec["training"])
    blocks = [
        products(int(mask.sum()), of_batch, shape, spec["training"])
        for mask, of_batch in zip(masks, groups)
    ]
    layers = shape["num_hidden_layers"]
    # Nothing may be merged or left out: the same product counts as often as it is due.
    config.graph_options.optimizer_options.opt_level = -1
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    dtype = getattr(tf, spec["dtype"])
    tf.set_random_seed(1)
    session = tf.Session(config=config)
    operands = _Operands(tf, dtype)
    steps = [
        tf.group(*[operands.product(*pair) for pair in block * layers])
        for block in blocks
    ]
    session.run(tf.global_variables_initializer())
    for step in steps:  # What a shape costs once is no part of the limit.
        session.run(step)
    facts = {
        "flops": [layers * flops(block) for block in blocks],
        "matrix_rate": _matrix_rate(tf, session, dtype, spec["kind"]),
    }
    return facts, session, steps


def _masks(examples, size, training):
    """The masks of this program's batches."""
    if training:
        bounds = batches.equal_bounds(examples, size)
    else:
        examples = batches.by_length(examples)
        bounds = batches.our_bounds(examples, size)
    return [examples["input_mask"][i:j] for i, j in zip(bounds[:-1], bounds[1:])]


class _Operands:
    """Variables to multiply, one of each shape and side."""

    def __init__(self, tf, dtype):
        self._tf, self._dtype = tf, dtype
        self._values = {}

    def product(self, left, right):
        """The op of a product of operands of these shapes."""
        return self._tf.matmul(self._value(left, 0), self._value(right, 1)).op

    def _value(self, shape, side):
        tf = self._tf
        if (shape, side) not in self._values:
            first = tf.cast(tf.random_normal(shape), self._dtype)
            variable = tf.Variable(first, trainable=False, use_resource=True)
            self._values[shape, side] = variable.read_value()
        return self._values[shape, side]


def _matrix_rate(tf, session, dtype, kind):
    """FLOP/s of one large square product, the best of some tries."""
    side = _SQUARE[kind]
    square = tf.Variable(
        tf.cast(tf.random_normal([side, side]), dtype),
        trainable=False,
        use_resource=True,
    )
    session.run(square.initializer)
    product = tf.matmul(square, square).op
    seconds = []
    for _ in range(_SQUARE_TRIES):
        started = time.perf_counter()
        session.run(product)
        seconds.append(time.perf_counter() - started)
    return 2.0 * side**3 / min(seconds)
