"""The attention of a trained model, its pictures, and which examples are chosen."""

import base64
import io
import os

import numpy as np
import pytest
from matplotlib import image

from finetuning import model_session, trained_model
from finetuning.export import saved_model
from finetuning.report import attention, attention_section, facts, pictures
from finetuning.report.facts import Examples
from finetuning.utils.errors import InputError
from tests.support import models

WORDS = ["anna", "paid", "ben", "."]


@pytest.fixture(scope="module")
def found(finished_run):
    return facts.collect(finished_run.directory)


def test_probabilities_of_every_layer_and_head(found):
    (attended,) = attention.compute(found, attention.Request(ids=("3",)))
    config, size = found.model.config, len(attended.tokens)
    heads = config.num_attention_heads
    assert attended.weights.shape == (config.num_hidden_layers, heads, size, size)
    np.testing.assert_allclose(attended.weights.sum(-1), 1.0, atol=1e-5)
    np.testing.assert_allclose(
        attended.weights_with_mean[:, -1], attended.weights.mean(1), atol=1e-6
    )
    assert attended.tokens[0] == "[CLS]" and attended.tokens.count("[SEP]") == 2
    expected = found.examples.texts[found.examples.ids.index("3")]
    assert attended.example == expected
    assert (
        "predicted %s" % found.labels[found.examples.predicted[2]] in attended.verdict
    )


def test_attention_does_not_change_what_is_predicted(tmp_path):
    models.save_trained(str(tmp_path), WORDS, ("no", "yes"))
    model = trained_model.load(str(tmp_path))
    rows = [np.array([[2, 5, 6, 3], [1] * 4, [0] * 4], np.int32)]
    outputs = []
    for with_attention in (False, True):
        session = model_session.from_checkpoint(model, 99, 1, with_attention)
        outputs.append(session.run(rows))
        session.close()
    plain, more = outputs
    assert set(more) - set(plain) == {saved_model.ATTENTION}
    np.testing.assert_array_equal(plain["logits"], more["logits"])


def test_most_attended():
    weights = np.zeros((1, 2, 3, 3), np.float32)
    weights[0, 0, :, 2] = 1.0  # The first head rests on [SEP].
    weights[0, 1] = [[0.25, 0.75, 0], [0, 1, 0], [0, 1, 0]]
    attended = attention.Attended("", "", None, ("[CLS]", "ben", "[SEP]"), weights, 8)
    places, shares = attended.most_attended()
    assert places.tolist() == [[2, 1, 2]]
    np.testing.assert_allclose(shares, [[1.0, 2.75 / 3, 0.5]], rtol=1e-6)
    places, shares = attended.most_attended(skip_special=True)
    assert places.tolist() == [[1, 1, 1]]
    np.testing.assert_allclose(shares, [[0.0, 2.75 / 3, 2.75 / 6]], rtol=1e-6)


def test_pictures_hold_the_weights():
    tiles = np.random.RandomState(0).randint(0, 256, (2, 3, 5, 4)).astype(np.uint8)
    url = pictures.data_url(pictures.mosaic(tiles, gap=2))
    kind, content = url.split(",")
    assert kind == "data:image/png;base64"
    pixels = image.imread(io.BytesIO(base64.b64decode(content)))
    pixels = np.rint(255 * pixels).astype(np.uint8)
    assert pixels.shape == (2 * 7, 3 * 6)
    for row in range(2):
        for column in range(3):
            tile = pixels[7 * row : 7 * row + 5, 6 * column : 6 * column + 4]
            np.testing.assert_array_equal(tile, tiles[row, column])


def examples_of(gold, probability, lengths):
    """Examples of two labels, given the probability of label 1."""
    probabilities = np.stack([1 - np.array(probability), probability], axis=1)
    return Examples(
        tuple(map(str, range(len(gold)))),
        np.array(gold),
        probabilities.argmax(axis=1),
        probabilities,
        lengths=np.array(lengths),
    )


def test_right_and_wrong_examples_of_both_labels_are_chosen():
    gold = [0, 0, 1, 1, 0, 1, 1]
    probability = [0.1, 0.2, 0.99, 0.98, 0.9, 0.4, 0.999]
    lengths = [10, 10, 10, 10, 10, 10, 400]  # The last is too long to be legible.
    examples = examples_of(gold, probability, lengths)
    assert attention.choose(examples, 4) == [2, 4, 0, 5]
    assert attention.choose(examples, 6) == [2, 4, 0, 5, 3, 1]
    assert attention.choose(examples, 0) == []
    only_right = examples_of([0, 1, 1], [0.1, 0.8, 0.9], [10, 10, 400])
    assert attention.choose(only_right, 9) == [0, 2, 1]


def test_small_and_large_errors_of_a_regression_are_chosen():
    predicted = np.array([0.1, 1.0, 2.0, 9.0])
    examples = Examples(
        tuple("abcd"),
        np.array([0.0, 1.0, 3.0, 3.0]),
        predicted,
        np.zeros((4, 0)),
        lengths=np.full(4, 9),
    )
    assert attention.choose(examples, 4) == [1, 3, 0, 2]


@pytest.mark.parametrize(
    "request_, message",
    [
        (attention.Request(ids=("99",)), "--pairs=99"),
        (attention.Request(texts=("one",)), "--text_a and --text_b"),
    ],
)
def test_requests_that_cannot_be_met(found, request_, message):
    with pytest.raises(InputError, match=message):
        attention.compute(found, request_)


def test_a_text_of_the_users_own(found):
    request = attention.Request(texts=("anna paid ben .", "ben was paid ."))
    (attended,) = attention.compute(found, request)
    assert attended.tokens[1:4] == ("anna", "paid", "ben")
    assert "The model predicts" in attended.verdict


def test_size_of_four_pairs_of_74_tokens():
    rng = np.random.RandomState(0)
    exps = np.exp(2.0 * rng.randn(6, 12, 74, 74)).astype(np.float32)
    weights = exps / exps.sum(-1, keepdims=True)
    example = facts.InputExample("", "a " * 300, "b " * 300)
    tokens = ("[CLS]",) + ("international",) * 73
    attended = attention.Attended("title", "verdict", example, tokens, weights, 384)
    text = attention_section.section([attended] * 4)
    assert len(text.encode("utf-8")) < 2e6 - 150e3


def test_best_weights_are_those_that_were_evaluated(evaluated_run):
    found = facts.collect(evaluated_run.directory)
    assert os.path.basename(os.path.dirname(found.model.contents.prefix)) == "best"
