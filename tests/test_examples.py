"""The demo's corpus is what its README says it is."""

import importlib.util
import os
import re

import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "examples")
CORPUS = os.path.join(EXAMPLES, "paraphrase")
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


def words(sentence):
    return re.findall(r"\w+", sentence.lower())


def split_word(word, vocabulary):
    """Returns the longest-match-first pieces of a word, or None."""
    pieces, start = [], 0
    while start < len(word):
        for end in range(len(word), start, -1):
            piece = ("##" if start else "") + word[start:end]
            if piece in vocabulary:
                break
        else:
            return None
        pieces.append(piece)
        start = end
    return pieces


def count_features(kind, vectorizer, pairs):
    """Returns one row of bag-of-words features for each pair."""
    first, second = vectorizer.transform(pairs[0]), vectorizer.transform(pairs[1])
    if kind == "difference":
        return abs(first - second)
    if kind == "minimum":
        return first.minimum(second)
    return first.multiply(second).tocsr()


def separate_counts(vectorizer, pairs):
    first, second = vectorizer.transform(pairs[0]), vectorizer.transform(pairs[1])
    first, second = first.toarray().tolist(), second.toarray().tolist()
    return [a + b for a, b in zip(first, second)]


def jaccard(first, second):
    first, second = set(words(first)), set(words(second))
    return len(first & second) / len(first | second)


@pytest.mark.parametrize("name", ["train.tsv", "dev.tsv", "test.tsv", "vocab.txt"])
def test_generating_again_gives_the_same_bytes(name, tmp_path):
    path = os.path.join(EXAMPLES, "generate_corpus.py")
    spec = importlib.util.spec_from_file_location("generate_corpus", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.generate(str(tmp_path))
    assert read_text(str(tmp_path), name) == read_text(CORPUS, name)


@pytest.mark.parametrize("split", SPLITS)
def test_columns(split):
    rows = read_rows(split)
    lead = "index" if split == "test" else "Quality"
    assert rows[0] == [lead, "#1 ID", "#2 ID", "#1 String", "#2 String"]
    assert all(len(row) == 5 for row in rows)
    assert all(row[3] and row[4] and row[3] != row[4] for row in rows)


@pytest.mark.parametrize("split, count", [("train", 4000), ("dev", 400)])
def test_half_of_the_pairs_are_paraphrases(split, count):
    labels = read_pairs(split)[2]
    assert sorted(labels) == [0] * (count // 2) + [1] * (count // 2)


def test_test_split_is_numbered_and_has_no_labels():
    assert read_pairs("test")[2] == list(range(400))


def test_no_sentence_is_in_two_splits():
    sentences = [set(sum(read_pairs(split)[:2], [])) for split in SPLITS]
    assert not sentences[0] & sentences[1]
    assert not sentences[0] & sentences[2]
    assert not sentences[1] & sentences[2]


def test_vocabulary_starts_with_the_special_tokens_and_repeats_none():
    tokens = read_text(CORPUS, "vocab.txt").split("\n")[:-1]
    assert tokens[:5] == ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    assert len(set(tokens)) == len(tokens)


def test_vocabulary_covers_the_corpus_with_some_words_in_pieces():
    vocabulary = set(read_text(CORPUS, "vocab.txt").split("\n")[:-1])
    pieces = {}
    for split in SPLITS:
        for sentence in sum(read_pairs(split)[:2], []):
            for token in re.findall(r"\w+|[^\w\s]", sentence.lower()):
                pieces[token] = split_word(token, vocabulary)
    assert None not in pieces.values()
    assert pieces["taller"] == ["tall", "##er"]
    assert pieces["helped"] == ["help", "##ed"]


def test_word_overlap_does_not_solve_dev():
    train, dev = read_pairs("train"), read_pairs("dev")
    overlaps = [jaccard(*pair) for pair in zip(*train[:2])]

    def score(threshold):
        return f1_score(train[2], [int(value >= threshold) for value in overlaps])

    best = max(sorted(set(overlaps)), key=score)
    predicted = [int(jaccard(*pair) >= best) for pair in zip(*dev[:2])]
    assert f1_score(dev[2], predicted) < BASELINE_CEILING


def test_always_saying_paraphrase_does_not_solve_dev():
    labels = read_pairs("dev")[2]
    assert f1_score(labels, [1] * len(labels)) < BASELINE_CEILING


@pytest.mark.parametrize("kind", ["separate", "difference", "minimum", "product"])
def test_bag_of_words_does_not_solve_dev(kind):
    train, dev = read_pairs("train"), read_pairs("dev")
    vectorizer = CountVectorizer(analyzer=words).fit(train[0] + train[1])

    def features(pairs):
        if kind == "separate":
            return separate_counts(vectorizer, pairs)
        return count_features(kind, vectorizer, pairs)

    model = LogisticRegression(solver="liblinear", max_iter=1000)
    model.fit(features(train), train[2])
    predicted = model.predict(features(dev))
    assert f1_score(dev[2], predicted) < BASELINE_CEILING
