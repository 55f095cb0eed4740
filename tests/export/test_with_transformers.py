"""Exports beside transformers: the same token ids, logits and labels."""

import json
import os
import random
import subprocess
import types

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

import tokenization
from finetuning import classifier, trained_model
from finetuning.checkpoints import restoring
from finetuning.data import features
from finetuning.data.tasks import InputExample
from finetuning.export import huggingface, saved_model, tokenizer_files
from finetuning.flags.settings import Settings
from finetuning.utils import files, json_files
from tests.support import corpus, models
from tests.support.paths import ROOT
from tests.support.running import rows, succeed, value

WORKER = os.path.join(ROOT, "tests", "support", "hf_worker.py")
TOLERANCE = 1e-5
# What tokenizers tend to disagree about.
NASTY = [
    "",
    " \t\r\n ",
    "anna paid ben .",
    "ANNA\u2028paid\u00a0ben\u3000.",
    "caf\u00e9 cafe\u0301 na\u00efve \u00c5ngstr\u00f6m \u0130stanbul \u1e9e \u00df",
    "\u4e2d\u6587ab\u4e2d \U0002b821\U0002b91f\U00020000 \ud55c\uad6d \u3053\u3093",
    "nul\0 bell\a del\x7f nel\x85 soft\u00adhyphen zero\u200bwidth\ufeff bad\ufffd",
    "private\ue000use \U000f0000",
    "\U0001f600 ok\U0001f468\u200d\U0001f469\u200d\U0001f467 \u2764\ufe0f \U0001f929",
    "[MASK] [SEP] x[CLS]y [PAD] [UNK] [unused1]",
    "don't -- $5.00 (a+b)^2 \u2026 \u201cquoted\u201d \u2014 `x` ~ \u00bf\u00a1 \u20ac",
    "x" * 200 + " " + "y" * 201,
    "\u0391\u0392\u0393 \u03b1\u03c3 \u0645\u0631\u062d\u0628 \u0939\u093f\u0928\u094d",
    "##s ## # s",
]
WORDS = sorted("abcdefghijklmnopqrstuvwxyz0123456789.,#[]()-'$+^`~")
WORDS += ["##" + word for word in WORDS if word.isalnum()]
WORDS += ["anna", "ben", "paid", "mask", "\u4e2d", "\u6587", "cafe", "\ue000", "\u4e00"]


@pytest.fixture(scope="module")
def ask(hf_python, tmp_path_factory):
    """A function from jobs to transformers' answers; see `hf_worker`."""

    def run(*jobs):
        path = str(tmp_path_factory.mktemp("answers") / "answers.json")
        done = subprocess.run(
            [hf_python, WORKER, path],
            input=json.dumps(jobs),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=dict(os.environ, HF_HUB_OFFLINE="1", OMP_NUM_THREADS="1"),
        )
        assert done.returncode == 0, done.stderr[-3000:]
        with open(path, encoding="utf-8") as file:
            return json.load(file)

    return run


def encode(tokenizer, text, length):
    """Our ids and segments of a text or a pair."""
    text_a, text_b = (text, None) if isinstance(text, str) else text
    example = InputExample("0", text_a, text_b, "0")
    encoded = features.encode_example(example, [], length, tokenizer)
    segments = encoded.padded(len(encoded.token_ids)).segment_ids
    return encoded.token_ids, segments


def our_logits(model, encoded):
    """Float32 [examples, L] of (ids, segments) pairs."""
    found = []
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(1)
        ids = tf.placeholder(tf.int32, [None, None])
        segments = tf.placeholder(tf.int32, [None, None])
        labels = tf.zeros([1], tf.float32 if model.is_regression else tf.int32)
        mask, outputs = tf.ones_like(ids), model.num_outputs
        _, _, logits, _ = classifier.create_model(
            model.config, False, ids, mask, segments, labels, outputs, False
        )
        variables = {variable.op.name: variable for variable in tf.global_variables()}
        sources = model.contents.restored
        restoring.Restorer(
            model.contents.prefix, {sources[name]: variables[name] for name in sources}
        ).restore(session)
        for row in encoded:
            feed = dict(zip((ids, segments), ([part] for part in row)))
            found.append(session.run(logits, feed)[0])
    return np.array(found)


def probabilities(logits):
    exponents = np.exp(logits)
    return exponents / exponents.sum(axis=1, keepdims=True)


def check(model, texts, answer):
    """Compares transformers' answer with what we compute."""
    length = model.settings.max_seq_length
    encoded = [encode(model.tokenizer, text, length) for text in texts]
    assert answer["keys"] == []
    assert answer["ids"] == [ids for ids, _ in encoded]
    assert answer["segments"] == [segments for _, segments in encoded]
    ours = our_logits(model, encoded)
    assert np.ptp(ours, axis=0).min() > 0.01  # The texts matter.
    np.testing.assert_allclose(answer["logits"], ours, rtol=0, atol=TOLERANCE)
    for logits, found in zip(ours, answer["pipeline"]):
        if model.is_regression:
            assert found[0]["score"] == pytest.approx(logits[0], abs=TOLERANCE)
            continue
        best = max(found, key=lambda one: one["score"])
        assert best["label"] == model.labels[np.argmax(logits)]
        assert len(found) == len(model.labels)


def test_logits_ids_and_labels(ask, tmp_path):
    """For a regression, two and three labels, single texts and pairs, both GELUs."""
    singles = ["anna paid ben", *(text for text in NASTY if text.strip())]
    pairs = [[first, second] for first, second in zip(singles, singles[::-1])]
    loaded, jobs = [], []
    exact = {"model_type": "bert", "hidden_act": "gelu"}
    for labels, pair, more in (
        ((), True, {}),
        (("no", "yes"), False, {}),
        (("no", "yes"), False, exact),
        (("a,b", "c", "1"), True, {}),
    ):
        directory = str(tmp_path / str(len(jobs)))
        text_b = {"text_b_column": "2"} if pair else {}
        models.save_trained(directory, WORDS, labels, more=more, **text_b)
        loaded.append(trained_model.load(directory))
        huggingface.export(loaded[-1], directory + "-export")
        jobs.append(
            {"directory": directory + "-export", "texts": pairs if pair else singles}
        )
    for model, job, answer in zip(loaded, jobs, ask(*jobs)):
        check(model, job["texts"], answer)


def test_the_results_of_a_run(ask, finished_run, evaluated_run, tmp_path):
    """What transformers computes is in the files that the run has written."""
    jobs = []
    for run, name in ((finished_run, "."), (evaluated_run, "best")):
        model = trained_model.load(os.path.join(run.directory, name))
        target = str(tmp_path / os.path.basename(os.path.abspath(model.directory)))
        huggingface.export(model, target)
        texts = [row[3:5] for row in rows(value(run.flags, "data_dir"), "test.tsv")]
        jobs.append({"directory": target, "texts": texts[1:]})
    labels, numbers = ask(*jobs)
    exponents = np.exp(labels["logits"])
    probabilities = exponents / exponents.sum(axis=1, keepdims=True)
    for run, found in (
        (finished_run, probabilities),
        (evaluated_run, numbers["logits"]),
    ):
        ours = np.loadtxt(os.path.join(run.directory, "test_results.tsv"), ndmin=2)
        np.testing.assert_allclose(found, ours, rtol=0, atol=TOLERANCE)


def save_tokenizer(directory, tokenizer, do_lower_case, max_seq_length=512):
    """Writes the tokenizer's files alone; returns the directory."""
    settings = Settings(do_lower_case=do_lower_case, max_seq_length=max_seq_length)
    model = types.SimpleNamespace(tokenizer=tokenizer, settings=settings)
    files.make_directory(directory)
    for name, content in tokenizer_files.contents(model).items():
        json_files.write(os.path.join(directory, name), content)
    return directory


def random_texts(count):
    """Texts of random pieces of the nasty ones."""
    rng, pieces = random.Random(8), "".join(NASTY[:-3]) + " " * 40
    pieces = [piece for piece in pieces if piece not in "\u0130"]
    return ["".join(rng.choices(pieces, k=rng.randint(1, 60))) for _ in range(count)]


@pytest.mark.parametrize("do_lower_case", [False, True])
def test_token_ids_of_nasty_texts(ask, tmp_path, do_lower_case):
    models.save_trained(str(tmp_path), WORDS, ())
    vocab = str(tmp_path / "vocab.txt")
    tokenizer = tokenization.FullTokenizer(vocab, do_lower_case)
    directory = save_tokenizer(str(tmp_path / "export"), tokenizer, do_lower_case)
    texts = NASTY + random_texts(500)
    (answer,) = ask({"directory": directory, "texts": texts, "only_ids": True})
    for text, ids in zip(texts, answer["ids"]):
        assert (text, ids) == (text, encode(tokenizer, text, 512)[0])


def test_token_ids_of_all_dev_texts_of_mrpc(ask, shared_dir, tmp_path):
    vocab = os.path.join(shared_dir, "models", "minilm-l6-h384", "vocab.txt")
    tokenizer = tokenization.FullTokenizer(vocab)
    directory = save_tokenizer(str(tmp_path / "export"), tokenizer, True, 128)
    dev = rows(shared_dir, "data", "glue", "MRPC", "dev.tsv")[1:]
    singles = [text for row in dev for text in row[3:5]]
    texts = singles + [row[3:5] for row in dev] + NASTY
    (answer,) = ask({"directory": directory, "texts": texts, "only_ids": True})
    same = [
        (ids, segments) == encode(tokenizer, text, 128)
        for text, ids, segments in zip(texts, answer["ids"], answer["segments"])
    ]
    assert len(singles) == 816
    assert [text for text, equal in zip(texts, same) if not equal] == []


@pytest.mark.slow
def test_a_real_model(ask, shared_dir, tmp_path):
    """MiniLM after one step, in its real size."""
    encoder = os.path.join(shared_dir, "models", "minilm-l6-h384")
    data = os.path.join(shared_dir, "data", "glue", "MRPC")
    heading, *texts = rows(data, "test.tsv")[:101]
    some, out = str(tmp_path / "test.tsv"), str(tmp_path / "out")
    corpus.write_lines(some, map("\t".join, [heading, *texts]))
    succeed(
        [
            "--task_name=MRPC",
            "--do_train",
            "--do_predict",
            "--data_dir=" + data,
            "--vocab_file=" + os.path.join(encoder, "vocab.txt"),
            "--bert_config_file=" + os.path.join(encoder, "bert_config.json"),
            "--init_checkpoint=" + os.path.join(encoder, "bert_model.ckpt"),
            "--max_train_examples=32",
            "--num_train_epochs=1",
            "--predict_file=" + some,
            "--output_dir=" + out,
        ]
    )
    model = trained_model.load(out)
    huggingface.export(model, str(tmp_path / "export"))
    texts = [row[3:5] for row in texts]
    job = {"directory": str(tmp_path / "export"), "texts": texts}
    answer, few = ask(job, dict(job, texts=texts[:3], attentions=True))
    check(model, texts, answer)
    check_attention(model, few)
    ours = np.loadtxt(os.path.join(out, "test_results.tsv"))
    found = probabilities(answer["logits"])
    np.testing.assert_allclose(found, ours, rtol=0, atol=TOLERANCE)


def test_attention_probabilities(ask, tmp_path):
    """Of each layer and head, for a batch with padding as for each text alone."""
    directory = str(tmp_path / "model")
    models.save_trained(directory, WORDS, ("no", "yes"), text_b_column="2")
    model = trained_model.load(directory)
    huggingface.export(model, directory + "-export")
    texts = [["anna paid ben .", "mask cafe"], ["ben", "anna"], ["x y z", "paid . ."]]
    job = {"directory": directory + "-export", "texts": texts, "attentions": True}
    (answer,) = ask(job)
    check_attention(model, answer)


def check_attention(model, answer):
    ours = our_attention(model, answer["ids"], answer["segments"])
    for probs, theirs in zip(ours, answer["attentions"]):
        theirs, size = np.array(theirs), np.shape(theirs)[-1]
        np.testing.assert_allclose(probs.sum(-1)[..., :size], 1.0, rtol=0, atol=1e-5)
        np.testing.assert_allclose(
            probs[:, :, :size, :size], theirs, rtol=0, atol=TOLERANCE
        )
        assert np.ptp(theirs) > 0.1 and not probs[:, :, size:].any()
        assert not probs[..., size:].any()


def our_attention(model, ids, segments):
    """Float32 [B, layers, N, S, S] of examples of different lengths in one batch."""
    rows = np.zeros((3, len(ids), max(map(len, ids))), np.int32)
    for place, parts in enumerate(zip(ids, segments)):
        rows[0, place, : len(parts[0])], rows[2, place, : len(parts[0])] = parts
        rows[1, place, : len(parts[0])] = 1
    with tf.Graph().as_default(), tf.Session() as session:
        inputs, outputs = saved_model.build_graph(model, with_attention=True)
        saved_model.load_weights(model, session)
        feed = {inputs[name]: row for name, row in zip(saved_model.INPUTS, rows)}
        return session.run(outputs[saved_model.ATTENTION], feed)
