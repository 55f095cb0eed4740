"""The benchmarks: that they run, compare like with like, and count right."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from tests.support import corpus
from tests.support.paths import ROOT

BENCHMARKS = os.path.join(ROOT, "benchmarks")
TINY = ["--layers=1", "--hidden=16", "--heads=2", "--max_seq_length=16", "--rounds=1"]
TINY += ["--steps=1", "--batch_size=4", "--infer_batch_size=4", "--examples=8"]
SHAPE = {
    "vocab_size": 2000,
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "max_position_embeddings": 20,
    "type_vocab_size": 2,
}


@pytest.fixture(autouse=True)
def benchmarks_on_the_path(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)


def run_bench(*arguments):
    return subprocess.run(
        [sys.executable, os.path.join(BENCHMARKS, "bench.py"), *arguments],
        capture_output=True,
        stdin=subprocess.DEVNULL,
        text=True,
    )


def test_a_tiny_run_writes_a_table_a_picture_and_its_figures(tmp_path):
    done = run_bench(*TINY, "--mode=train,growth", "--output_dir=%s" % tmp_path)
    assert done.returncode == 0, done.stderr
    with open(str(tmp_path / "bench.json")) as file:
        found = json.load(file)
    rows = found["steps"][0]["rows"]
    assert {"ours", "limit"} <= {row["kind"] for row in rows}
    for row in rows:
        assert row["name"] in done.stdout
        assert len(row["seconds"]) == 1 and row["seconds"][0] > 0
        assert row["peak_bytes"] > 1e7
    assert set(found["growth"]["axes"]) == {"batch", "length", "layers"}
    assert (tmp_path / "bench.png").read_bytes()[:4] == b"\x89PNG"
    assert "Written to %s" % tmp_path in done.stdout.splitlines()[-1]


def test_inference_is_timed_against_the_original(original_dir, tmp_path):
    if not tf.__version__.startswith("1."):
        pytest.skip("the original runs on TensorFlow 1 alone")
    arguments = ["--mode=infer", "--original=" + original_dir]
    done = run_bench(*TINY, *arguments, "--output_dir=%s" % tmp_path)
    assert done.returncode == 0, done.stderr
    with open(str(tmp_path / "bench.json")) as file:
        (found,) = json.load(file)["steps"]
    losses = [row["facts"].get("first_loss") for row in found["rows"][:2]]
    assert losses[0] == pytest.approx(losses[1], abs=1e-4)
    assert len(found["ratios"]) == 1


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--mode=trains"], "trains"),
        (["--mode=command", "--data_dir=x"], "--vocab_file, --bert_config_file"),
        (["--data_dir=x"], "--vocab_file"),
    ],
)
def test_wrong_arguments_are_refused_in_words(arguments, message):
    done = run_bench(*arguments)
    assert done.returncode == 2
    assert message in done.stderr.splitlines()[-1]


# ---- Fairness ----


def start_worker(directory, weights):
    import batches
    import rounds

    examples = batches.random_examples(8, 16, SHAPE["vocab_size"])
    paths = [str(directory / name) for name in ("rows.npz", "weights.npz")]
    batches.save(paths[0], examples, batches.take(examples, slice(4)))
    np.savez(paths[1], **weights)
    spec = {"program": "ours", "directory": ROOT, "shape": SHAPE, "threads": 1}
    spec.update(kind="CPU", training=False, batch=4, dtype="float32")
    spec.update(arrays=paths[0], weights=paths[1])
    return rounds.Worker(sys.executable, "worker.py", spec)


def test_other_weights_are_noticed(tmp_path):
    import batches
    import measure

    weights = batches.random_weights(SHAPE)
    other = dict(weights)
    changed = "bert/encoder/layer_0/attention/self/key/kernel"
    other[changed] = weights[changed].T
    losses = {}
    for name, of_worker in (("a", weights), ("same", weights), ("other", other)):
        worker = start_worker(tmp_path, of_worker)
        losses[name] = worker.facts["first_loss"]
        worker.close()
    measure.check_losses({name: losses[name] for name in ("a", "same")})
    with pytest.raises(measure.LossError, match=r"a 0\.\d+, other"):
        measure.check_losses({name: losses[name] for name in ("a", "other")})


def test_weights_that_do_not_fit_stop_a_worker(tmp_path):
    import batches
    import rounds

    weights = batches.random_weights(SHAPE)
    del weights["output_bias"]
    with pytest.raises(rounds.WorkerError, match="output_bias"):
        start_worker(tmp_path, weights)


def test_random_examples_are_as_long_as_those_of_mrpc():
    import batches

    examples = batches.random_examples(2000, 128, 30522)
    lengths = batches.lengths(examples)
    assert lengths.mean() == pytest.approx(53.0, abs=1.5)
    assert lengths.std() == pytest.approx(13.7, abs=1.0)
    assert lengths.min() >= 15 and lengths.max() <= 128
    assert np.all((examples["input_ids"] != 0) == (examples["input_mask"] == 1))
    in_order = batches.lengths(batches.by_length(examples))
    assert np.all(np.diff(in_order) <= 0)


def test_inference_is_timed_in_the_commands_own_batches():
    """A pass has as many batches as are counted; then the first one comes again."""
    import batches
    import worker

    examples = batches.random_examples(40, 128, 30522)
    bounds = batches.our_bounds(examples, 4)
    in_order = batches.by_length(examples)
    with tf.Graph().as_default(), tf.Session() as session:
        batch = worker._next_batch_by_length(tf, examples, 4)
        for first, last in zip(bounds[:-1], bounds[1:]):
            found = session.run(batch)
            for name, values in batches.take(in_order, slice(first, last)).items():
                assert found[name].tolist() == values.tolist()
        assert len(session.run(batch)["label_ids"]) == bounds[1]
    assert len(bounds) - 1 < 40 // 4


def test_ratios_are_of_rounds():
    import measure

    found = measure.ratio([2.0, 4.0, 9.0], [1.0, 2.0, 3.0])
    assert (found["median"], found["least"], found["most"]) == (2.0, 2.0, 3.0)


def test_text_to_features_is_timed_on_the_whole_file(tmp_path):
    import rounds

    flags = dict(
        flag[2:].split("=", 1) for flag in corpus.write(str(tmp_path / "corpus"))
    )
    names = ("data_dir", "vocab_file", "bert_config_file")
    given = {name: flags[name] for name in names}
    given.update(max_seq_length=16, output_dir=str(tmp_path))
    spec = {"program": "ours", "directory": ROOT, "flags": given}
    worker = rounds.Worker(sys.executable, "worker_text.py", spec)
    try:
        assert worker.run()["result"] == corpus.ROWS["train"]
    finally:
        worker.close()
    assert (tmp_path / "train.tf_record").exists()


def test_real_examples_are_those_of_the_file(tmp_path):
    import batches

    directory = str(tmp_path / "corpus")
    corpus.write(directory)
    vocab_file = os.path.join(directory, "vocab.txt")
    data_dir = os.path.join(directory, "data")
    examples = batches.mrpc_examples(data_dir, vocab_file, "dev", 16)
    assert examples["input_ids"].shape == (corpus.ROWS["dev"], 16)
    assert examples["label_ids"].tolist() == [n % 2 for n in range(13)]


# ---- The limit ----


def test_operations_are_counted_as_by_hand():
    import limit

    tokens, width, inner = 5, 8, 12
    dense = 2 * tokens * (4 * width * width + 2 * width * inner)
    # Two products on each group's rectangle; heads times their width is the width.
    attention = 2 * 2 * width * (1 * 3 * 3 + 2 * 4 * 4)
    groups = [(1, 3), (2, 4)]
    forward = limit.products(tokens, groups, SHAPE, training=False)
    assert len(forward) == 6 + 2 * 2
    assert limit.flops(forward) == dense + attention
    both = limit.products(tokens, groups, SHAPE, training=True)
    assert len(both) == 3 * len(forward)
    assert limit.flops(both) == 3 * (dense + attention)
    for left, right in both:
        assert left[-1] == right[-2] and left[:-2] == right[:-2]


def test_groups_are_those_of_the_program():
    import limit

    mask = (np.arange(9) < np.array([[2]] * 8 + [[9]] * 8)).astype(np.int32)
    assert limit.groups_of(tf, [mask], 2, True) == [[(8, 2), (8, 9)]]
    assert limit.groups_of(tf, [mask[:3]], 2, True) == [[(3, 2)]]
    assert limit.groups_of(tf, [mask], 2, False) == [[(16, 9)]]


def test_the_limit_runs_every_product():
    import batches
    import limit

    examples = batches.random_examples(4, 16, SHAPE["vocab_size"])
    spec = {"shape": SHAPE, "batch": 4, "training": True}
    spec.update(dtype="float32", kind="CPU")
    with tf.Graph().as_default():
        config = tf.ConfigProto()
        _, session, steps = limit.set_up(tf, spec, examples, config)
        with session:
            traced = tf.RunMetadata()
            options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
            session.run(steps[0], options=options, run_metadata=traced)
    ran = [
        node.node_name
        for device in traced.step_stats.dev_stats
        for node in device.node_stats
        if "MatMul" in node.timeline_label.split("(")[0]
    ]
    layers, dense, attention, passes = 2, 6, 2, 3
    assert len(set(ran)) == layers * (dense + attention) * passes
