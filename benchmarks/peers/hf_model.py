"""BERT in Hugging Face's transformers: Google's weights, and the original's training.

Runs in the environment of requirements.txt, without TensorFlow. N is the number of
examples, S their padded length in tokens, B a batch's size.
"""

import numpy as np
import torch
import transformers

# As in the original's optimiser; see optimization.py.
_MAX_NORM, _DECAY, _EPSILON = 1.0, 0.01, 1e-6
_NOT_DECAYED = ("bias", "LayerNorm")
_HEAD = {"output_weights": "classifier.weight", "output_bias": "classifier.bias"}
_PRETRAINING_HEADS = "cls/"


def build(shape, num_labels, attention=None):
    """A classifier with fresh weights.

    Args:
      shape: dictionary of `bert_config.json`.
      num_labels: outputs of the head; 1 makes it a regression with a squared error.
      attention: transformers' name of an implementation; None: its default.
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
    """Sets the model's weights to those of one of Google's checkpoints.

    Args:
      model: of `build`.
      weights: mapping from Google's name to array.

    Returns:
      Names of the model's weights that the checkpoint lacks, which are not changed.

    Raises:
      ValueError: the checkpoint has weights that the model lacks, other than the heads
        of pretraining and the optimiser's state.
    """
    state = {
        name_of(key): _tensor(key, weights[key]) for key in weights if is_weight(key)
    }
    missing, unexpected = model.load_state_dict(state, strict=False)
    if unexpected:
        raise ValueError("no weights of this model: %s" % ", ".join(unexpected))
    return missing


def is_weight(key):
    """Whether a checkpoint's variable belongs to the encoder or the classifier."""
    is_state = "adam_" in key or key == "global_step"
    return not is_state and not key.startswith(_PRETRAINING_HEADS)


def name_of(key):
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


def batch_of(model, arrays, rows):
    """A batch on the model's device, padded to its longest example.

    Args:
      model: of `build`.
      arrays: dictionary of arrays [N, S], and label_ids [N]; see `timing.examples`.
      rows: slice or int array, what to take of N.

    Returns:
      The model's arguments: int64 [B, longest], and labels [B].
    """
    longest = int(arrays["input_mask"][rows].sum(axis=1).max())
    inputs = {
        "input_ids": arrays["input_ids"][rows, :longest].astype(np.int64),
        "attention_mask": arrays["input_mask"][rows, :longest].astype(np.int64),
        "token_type_ids": arrays["segment_ids"][rows, :longest].astype(np.int64),
    }
    is_regression = model.config.num_labels == 1
    label_type = np.float32 if is_regression else np.int64
    inputs["labels"] = arrays["label_ids"][rows].astype(label_type)
    return {
        name: torch.from_numpy(np.ascontiguousarray(value)).to(model.device)
        for name, value in inputs.items()
    }


def _autocast(model, dtype):
    enabled = dtype != "float32"
    return torch.autocast(model.device.type, getattr(torch, dtype), enabled=enabled)


def predict(model, batch, dtype):
    """Float32 logits [B, labels], with the products computed in `dtype`."""
    with torch.inference_mode(), _autocast(model, dtype):
        return model(**batch).logits.float()


class Trainer:
    """Training steps by the original's recipe, with fused AdamW.

    AdamW corrects the bias of Adam's moments, which the original does not.
    """

    def __init__(self, model, learning_rate, num_warmup_steps, num_steps, dtype):
        self._model, self._dtype = model, dtype
        self._optimizer = _optimizer(model, learning_rate)

        def factor(step):
            # As in the original, the decay starts at step 0, hidden by the warm-up.
            # Hugging Face's own schedule starts it after the warm-up, a tenth higher.
            if step < num_warmup_steps:
                return step / num_warmup_steps
            return max(0.0, 1 - step / num_steps)

        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, factor)
        self._scaler = torch.amp.GradScaler(
            model.device.type, enabled=dtype == "float16"
        )
        model.train()

    def step(self, batch):
        """Takes one step; returns its loss as a float."""
        with _autocast(self._model, self._dtype):
            loss = self._model(**batch).loss
        self._scaler.scale(loss).backward()
        self._scaler.unscale_(self._optimizer)
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), _MAX_NORM)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._schedule.step()
        self._optimizer.zero_grad(set_to_none=True)
        return loss.item()


def _optimizer(model, learning_rate):
    kept, decayed = [], []
    for name, parameter in model.named_parameters():
        group = kept if any(part in name for part in _NOT_DECAYED) else decayed
        group.append(parameter)
    groups = [
        {"params": decayed, "weight_decay": _DECAY},
        {"params": kept, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, eps=_EPSILON, fused=True)
