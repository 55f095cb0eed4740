"""docs/BERT.md: its code runs, and its numbers and pictures are the model's."""

import ast
import os
import re
from xml.etree import ElementTree

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import modeling
from finetuning import classifier
from scripts import bert_page
from scripts.bert import pictures
from tests.support import models
from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def page():
    """The text of the page, what its code makes of it, and the code's variables."""
    with open(bert_page.PAGE, encoding="utf-8") as file:
        text = file.read()
    before = os.getcwd()
    os.chdir(ROOT)
    try:
        return (text, *bert_page.execute(text))
    finally:
        os.chdir(before)


def test_numbers_are_what_the_code_prints(page):
    text, executed, _ = page
    assert executed == text


def test_pictures_are_drawn_from_the_code(page):
    drawn = pictures.draw_all(page[2])
    assert set(re.findall(r"\]\(bert/(.*?)\)", page[0])) == set(drawn)
    assert sorted(os.listdir(bert_page.PICTURES)) == sorted(drawn)
    for name, picture in drawn.items():
        ElementTree.fromstring(picture)
        with open(os.path.join(bert_page.PICTURES, name), encoding="utf-8") as file:
            assert file.read() == picture


def test_links_to_code(page):
    links = re.findall(r"\[`([\w.]+)`\]\(\.\./([\w/]+\.py)\)", page[0])
    assert len(links) > 10
    for name, path in links:
        with open(os.path.join(ROOT, path), encoding="utf-8") as file:
            body = ast.parse(file.read()).body
        defined = {node.name for node in body if hasattr(node, "name")}
        assert name in defined or name == path, (name, path)


def _model(ours):
    """The tensors of the model for the page's example, under the page's names."""
    config = modeling.BertConfig(
        vocab_size=len(ours["tokenizer"].vocab),
        hidden_size=ours["H"],
        num_hidden_layers=ours["BLOCKS"],
        num_attention_heads=ours["N"],
        intermediate_size=ours["I"],
        max_position_embeddings=ours["S"],
        type_vocab_size=2,
    )
    names = ("ids", "mask", "segments")
    features = [tf.constant(ours[n][np.newaxis], tf.int32) for n in names]
    label = tf.constant([ours["label"]])
    loss, _, logits, probabilities = classifier.create_model(
        config, False, *features, label, ours["LABELS"], False
    )
    with tf.variable_scope("", reuse=True):
        bert = modeling.BertModel(config, False, *features, scope="bert")
    return {
        "embedded": bert.get_embedding_output()[0],
        "hidden": bert.get_sequence_output()[0],
        "pooled": bert.get_pooled_output()[0],
        "logits": logits[0],
        "probabilities": probabilities[0],
        "loss": loss,
    }


def test_numbers_are_those_of_the_model(page):
    """The model with the page's weights; 1e-5 is the rounding of float32."""
    ours = page[2]
    with tf.Graph().as_default(), tf.Session() as session:
        tensors = _model(ours)
        shapes = {v.op.name: v.shape.as_list() for v in tf.global_variables()}
        assert {n: list(w.shape) for n, w in ours["weights"].items()} == shapes
        models.assign(session, ours["weights"])
        computed = session.run(tensors)
    is_token = ours["mask"] == 1  # The page also computes padding, which nothing reads.
    for name, value in computed.items():
        expected = ours[name]
        if name in ("embedded", "hidden"):
            value, expected = value[is_token], expected[is_token]
        np.testing.assert_allclose(value, expected, rtol=0, atol=1e-5, err_msg=name)
