"""The attention of a model over chosen examples."""

from dataclasses import dataclass
from typing import Tuple

import numpy as np

from finetuning import model_session
from finetuning.data.tasks import InputExample
from finetuning.device import backend
from finetuning.export import saved_model
from finetuning.report import facts
from finetuning.utils.errors import InputError

# Examples of more tokens are chosen only where there are no shorter ones.
_COMFORTABLE = 74
_SPECIAL = ("[CLS]", "[SEP]")


@dataclass(frozen=True)
class Request:
    """Which examples to look at; those of `ids`, or a text, or a few that are chosen.

    Attributes:
      ids: ids of evaluated examples.
      texts: one or two texts of the user's own; (): none.
      count: how many examples are chosen if neither is given.
    """

    ids: Tuple[str, ...] = ()
    texts: Tuple[str, ...] = ()
    count: int = 4

    @property
    def is_explicit(self):
        return bool(self.ids or self.texts)


@dataclass(frozen=True)
class Attended:
    """One example and the attention of all heads in it.

    Attributes:
      title: which example it is.
      verdict: what the model predicted, and what is true.
      example: `InputExample`.
      tokens: S tokens.
      weights: float32 [layers, N, S, S]; row i is what token i attends to.
      hidden_size: H.
    """

    title: str
    verdict: str
    example: InputExample
    tokens: Tuple[str, ...]
    weights: np.ndarray
    hidden_size: int

    @property
    def head_width(self):
        """D, the width of a query and a key."""
        return self.hidden_size // self.weights.shape[1]

    @property
    def weights_with_mean(self):
        """Float32 [layers, N + 1, S, S]: the heads, and their mean."""
        mean = self.weights.mean(axis=1, keepdims=True, dtype=np.float32)
        return np.concatenate([self.weights, mean], axis=1)

    def most_attended(self, skip_special=False):
        """What each head attends to most, on average over all tokens.

        Args:
          skip_special: whether [CLS] and [SEP] are left out as answers.

        Returns:
          Int [layers, N + 1], positions, and float32 [layers, N + 1], the mean weight;
          of each head and of their mean. -1 if nothing is left.
        """
        received = self.weights_with_mean.mean(axis=2)  # [layers, N + 1, S]
        if skip_special:
            special = [token in _SPECIAL for token in self.tokens]
            received = np.where(special, np.float32(-1.0), received)
        places = received.argmax(axis=2)
        shares = received.max(axis=2)
        return np.where(shares < 0, -1, places), shares


def compute(found, request):
    """Runs the model over the examples of a request.

    Args:
      found: `facts.Facts` with a model.
      request: `Request`.

    Returns:
      List of `Attended`.

    Raises:
      InputError: an id is unknown, or there are as many texts as the model does not
        take.
    """
    chosen = _chosen(found, request)
    if not chosen:
        return []
    model = found.model
    session = model_session.from_checkpoint(
        model,
        model.settings.max_seq_length,
        backend.physical_cores(),
        with_attention=True,
    )
    try:
        return [
            _attended(model, session, title, verdict, example)
            for title, verdict, example in chosen
        ]
    finally:
        session.close()


def _attended(model, session, title, verdict, example):
    encoded = facts.encode(model, example)
    row = np.ones((3, len(encoded.token_ids)), np.int32)
    row[0] = encoded.token_ids
    row[2, : encoded.first_segment] = 0
    outputs = session.run([row])
    tokens = model.tokenizer.convert_ids_to_tokens(encoded.token_ids)
    return Attended(
        title,
        verdict or _prediction(model.labels, outputs),
        example,
        tuple(tokens),
        outputs[saved_model.ATTENTION][0],
        model.config.hidden_size,
    )


def _prediction(labels, outputs):
    if not labels:
        return "The model predicts %.4g." % outputs[saved_model.VALUE][0]
    probabilities = outputs[saved_model.PROBABILITIES][0]
    best = int(probabilities.argmax())
    return "The model predicts %s with probability %.4f." % (
        labels[best],
        probabilities[best],
    )


def _chosen(found, request):
    """The title, the verdict (None: not known yet) and the text of each example."""
    if request.texts:
        return [("Your own text", None, _own(found.model, request.texts))]
    examples = found.examples
    if examples.texts is None:
        if request.ids:
            raise InputError("--pairs: the report has no texts; %s" % found.notes[-1])
        return []
    if request.ids:
        places = [_place(found, id_) for id_ in request.ids]
    else:
        places = choose(examples, request.count)
    return [
        ("Example " + examples.ids[n], verdict(found, n), examples.texts[n])
        for n in places
    ]


def _own(model, texts):
    if len(texts) != 1 + model.takes_pairs:
        raise InputError(
            "the model was trained on %s: pass %s"
            % (
                ("pairs of texts", "--text_a and --text_b")
                if model.takes_pairs
                else ("single texts", "--text_a without --text_b")
            )
        )
    return InputExample("", texts[0], texts[1] if len(texts) > 1 else None)


def _place(found, id_):
    if id_ not in found.examples.ids:
        raise InputError(
            "--pairs=%s: there is no example of this id; see the column id of "
            "eval_predictions.tsv, such as %s" % (id_, found.examples.ids[0])
        )
    return found.examples.ids.index(id_)


def choose(examples, count):
    """Indices of examples worth looking at: right and wrong ones by turns.

    The right ones are those that the model is most sure of, of each label by turns, and
    the wrong ones those that it is most wrongly sure of; in a regression, the smallest
    and the largest errors. Short examples are preferred, as their pictures are legible.

    Args:
      examples: `facts.Examples` with lengths.
      count: their number, if there are as many.
    """
    candidates = np.flatnonzero(examples.lengths <= _COMFORTABLE)
    if len(candidates) < count:
        candidates = np.argsort(examples.lengths, kind="mergesort")[:count]
    sizes, is_wrong = np.abs(examples.errors), examples.errors != 0
    if examples.probabilities.shape[1]:
        sizes = 1.0 - examples.gold_probabilities
    else:
        is_wrong = sizes > np.median(sizes)
    order = candidates[np.argsort(sizes[candidates], kind="mergesort")]
    right = _by_turns([n for n in order if not is_wrong[n]], examples.gold)
    wrong = [n for n in order[::-1] if is_wrong[n]]
    half = max((count + 1) // 2, count - len(wrong))
    right, wrong = right[:half], wrong[: count - min(half, len(right))]
    mixed = [n for pair in zip(right, wrong) for n in pair]
    shorter = min(len(right), len(wrong))
    return [int(n) for n in mixed + right[shorter:] + wrong[shorter:]]


def _by_turns(places, gold):
    """Reorders indices so that their labels take turns; the first of a label first."""
    if gold.dtype == np.float64:
        return places
    seen, turns = {}, []
    for place in places:
        turns.append(seen.setdefault(gold[place], 0))
        seen[gold[place]] += 1
    return [places[n] for n in np.argsort(turns, kind="mergesort")]


def verdict(found, place):
    """A sentence about the prediction of an evaluated example."""
    examples, labels = found.examples, found.labels
    gold, predicted = examples.gold[place], examples.predicted[place]
    if not labels:
        return "Predicted %.4g, true value %.4g." % (predicted, gold)
    return "%s: predicted %s with probability %.4f; the true label is %s." % (
        "Right" if gold == predicted else "Wrong",
        labels[predicted],
        examples.probabilities[place, predicted],
        labels[gold],
    )
