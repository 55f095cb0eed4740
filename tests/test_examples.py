"""The demo's corpus is what its README says it is."""

import importlib.util
import os
import re

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

import tokenization
from tests.support.paths import ROOT

EXAMPLES = os.path.join(ROOT, "examples")
CORPUS = os.path.join(EXAMPLES, "paraphrase")
VOCABULARY = os.path.join(CORPUS, "vocab.txt")
SPLITS = ("train", "dev", "test")
BASELINE_CEILING = 0.8


def read_text(directory, name):
    with open(os.path.join(directory, name), encoding="utf-8", newline="") as file:
        return file.read()


def read_rows(split):
    lines = read_text(CORPUS, split + ".tsv").split("\n")
    assert lines.pop() == ""
    return [line.split("\t") for line in lines]


def read_pairs(split):
    """Returns the first sentences, the second sentences and the first column."""
    rows = read_rows(split)[1:]
    return [r[3] for r in rows], [r[4] for r in rows], [int(r[0]) for r in rows]


def sentences(split):
    first, second, _ = read_pairs(split)
    return set(first + second)


def words(sentence):
    return re.findall(r"\w+", sentence.lower())


def jaccard(first, second):
    first, second = set(words(first)), set(words(second))
    return len(first & second) / len(first | second)


def test_generating_again_gives_the_same_bytes(tmp_path):
    path = os.path.join(EXAMPLES, "generate_corpus.py")
    spec = importlib.util.spec_from_file_location("generate_corpus", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.generate(str(tmp_path))
    names = sorted(os.listdir(str(tmp_path)))
    assert names == ["dev.tsv", "test.tsv", "train.tsv", "vocab.txt"]
    for name in names:
        assert read_text(str(tmp_path), name) == read_text(CORPUS, name)


@pytest.mark.parametrize("split", SPLITS)
def test_columns(split):
    header, *rows = read_rows(split)
    lead = "index" if split == "test" else "Quality"
    assert header == [lead, "#1 ID", "#2 ID", "#1 String", "#2 String"]
    assert {len(row) for row in rows} == {5}
    assert all(row[3] and row[4] and row[3] != row[4] for row in rows)


def test_labels():
    for split, count in [("train", 4000), ("dev", 400)]:
        labels = read_pairs(split)[2]
        assert sorted(labels) == [0] * (count // 2) + [1] * (count // 2)
    assert read_pairs("test")[2] == list(range(400))


def test_no_sentence_is_in_two_splits():
    total = sum(len(sentences(split)) for split in SPLITS)
    assert total == len(set.union(*map(sentences, SPLITS)))


def test_the_vocabulary_covers_the_corpus_with_some_words_in_pieces():
    tokens = read_text(CORPUS, "vocab.txt").split("\n")[:-1]
    assert tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert len(set(tokens)) == len(tokens)
    tokenizer = tokenization.FullTokenizer(VOCABULARY)
    for split in SPLITS:
        text = " ".join(sentences(split))
        assert "[UNK]" not in tokenizer.tokenize(text)
    assert tokenizer.tokenize("taller helped") == ["tall", "##er", "help", "##ed"]


def test_word_overlap_does_not_solve_dev():
    train, dev = read_pairs("train"), read_pairs("dev")
    overlaps = np.array([jaccard(*pair) for pair in zip(*train[:2])])
    best = max(set(overlaps), key=lambda least: f1_score(train[2], overlaps >= least))
    predicted = [jaccard(*pair) >= best for pair in zip(*dev[:2])]
    assert f1_score(dev[2], predicted) < BASELINE_CEILING


BAGS = {
    "separate": lambda first, second: np.hstack([first, second]),
    "difference": lambda first, second: abs(first - second),
    "minimum": np.minimum,
    "product": np.multiply,
}


@pytest.mark.parametrize("kind", sorted(BAGS))
def test_bag_of_words_does_not_solve_dev(kind):
    train, dev = read_pairs("train"), read_pairs("dev")
    vectorizer = CountVectorizer(analyzer=words).fit(train[0] + train[1])

    def features(pairs):
        counts = [vectorizer.transform(texts).toarray() for texts in pairs[:2]]
        return BAGS[kind](*counts)

    model = LogisticRegression(solver="liblinear", max_iter=1000)
    model.fit(features(train), train[2])
    predicted = model.predict(features(dev))
    assert f1_score(dev[2], predicted) < BASELINE_CEILING
