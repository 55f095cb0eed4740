"""BERT as Hugging Face's transformers has it, from Google's weights, and its optimiser.

Runs in the environment of requirements.txt, without TensorFlow.
"""

import torch
import transformers

# As the original's optimiser; see optimization.py.
MAX_NORM = 1.0
_NOT_DECAYED = ("bias", "LayerNorm")
_DECAY, _EPSILON = 0.01, 1e-6
_HEAD = {"output_weights": "classifier.weight", "output_bias": "classifier.bias"}
_UNUSED = "cls/"  # The heads of pretraining.


def build(shape, num_labels, attention=None):
    """A classifier with fresh weights.

    Args:
      shape: dictionary of `bert_config.json`.
      num_labels: outputs of the head; 1 makes it a regression with a squared error.
      attention: Hugging Face's name of an implementation; None: its choice.
    """
    settings = dict(
        shape,
        num_labels=num_labels,
        # BERT's GELU, the tanh formula, as one kernel.
        hidden_act="gelu_pytorch_tanh",
        layer_norm_eps=1e-12,
        classifier_dropout=0.1,
    )
    return transformers.AutoModelForSequenceClassification.from_config(
        transformers.BertConfig(**settings), attn_implementation=attention
    )


def load(model, weights):
    """Sets the model's weights to those of a checkpoint of Google's.

    Args:
      model: of `build`.
      weights: mapping from Google's name to array; more than the model has is an error,
        but for the heads of pretraining and the optimiser's state.

    Returns:
      Names of the model's weights that the checkpoint lacks and that stay as they were.
    """
    state = {
        _name(key): _tensor(key, weights[key])
        for key in weights
        if not key.startswith(_UNUSED) and "adam_" not in key and key != "global_step"
    }
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected:
        raise ValueError("no weights of this model: %s" % ", ".join(unexpected))
    return missing


def optimizer(model, learning_rate):
    """Fused AdamW with the original's decay and epsilon, and Adam's bias correction."""
    kept, decayed = [], []
    for name, parameter in model.named_parameters():
        group = kept if any(part in name for part in _NOT_DECAYED) else decayed
        group.append(parameter)
    groups = [
        {"params": decayed, "weight_decay": _DECAY},
        {"params": kept, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, eps=_EPSILON, fused=True)


def schedule(optimizer, num_warmup_steps, num_steps):
    """The original's learning rates: its line to 0 begins at step 0, under the warm-up.

    Hugging Face's own begins where the warm-up ends, and so is a tenth higher at first.
    """

    def factor(step):
        if step < num_warmup_steps:
            return step / num_warmup_steps
        return 1 - step / num_steps

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)


def _name(key):
    """Hugging Face's name of a variable of Google's checkpoints."""
    if key in _HEAD:
        return _HEAD[key]
    name = key.replace("layer_", "layer.").replace("/", ".")
    for ours, theirs in (("gamma", "weight"), ("beta", "bias"), ("kernel", "weight")):
        if name.endswith("." + ours):
            name = name[: -len(ours)] + theirs
    return name + ".weight" if name.endswith("_embeddings") else name


def _tensor(key, value):
    return torch.from_numpy(value.T.copy() if key.endswith("kernel") else value)
