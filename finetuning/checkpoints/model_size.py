"""The size of a model: the number of its weights, and a line about it."""

import numpy as np

from finetuning.checkpoints import compatibility


def num_parameters(config, num_outputs):
    """Counts the weights of a model and its classifier.

    Args:
      config: `modeling.BertConfig`.
      num_outputs: of the classifier.
    """
    shapes = compatibility.model_shapes(config, num_outputs)
    return sum(int(np.prod(shape)) for shape in shapes.values())


def line(config, num_outputs):
    """Describes a model and its classifier; the arguments are `num_parameters`'."""
    count = num_parameters(config, num_outputs)
    return "%d layers, %d heads, hidden %d, feed-forward %d, %s parameters" % (
        config.num_hidden_layers,
        config.num_attention_heads,
        config.hidden_size,
        config.intermediate_size,
        "%.1f M" % (count / 1e6) if count >= 1e6 else format(count, ","),
    )
