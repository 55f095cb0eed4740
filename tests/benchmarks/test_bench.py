"""bench.py: it compares equal work, counts correctly, and writes what it measured."""

import os
import sys

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from benchmarks import bench
from benchmarks.timing import examples, measurements, programs, report
from benchmarks.workers import matrix_products, serving, tf_worker
from tests.support import corpus, executed
from tests.support.running import value

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


@pytest.mark.slow
def test_every_mode_on_a_tiny_model(tmp_path, capsys):
    flags = corpus.write(str(tmp_path / "corpus"))
    names = ("data_dir", "vocab_file", "bert_config_file", "init_checkpoint")
    arguments = ["--%s=%s" % (name, value(flags, name)) for name in names]
    arguments += ["--mode=train,infer,features,command", "--epochs=1"]
    original = os.environ.get("BERT_ORIGINAL")
    if original and tf.__version__.startswith("1."):
        arguments.append("--original=" + original)
    bench.main([*TINY, *arguments, "--output_dir=%s" % tmp_path])
    table = capsys.readouterr().out
    assert "Written to %s" % tmp_path in table
    assert (tmp_path / "bench.png").read_bytes()[:4] == b"\x89PNG"
    measured = corpus.read_json(str(tmp_path / "bench.json"))["measurements"]
    for measurement in measured:
        for row in measurement["rows"]:
            assert row["name"] in table
            assert row["seconds"][0] > 0 and row["peak_bytes"] > 1e8
    training, _, features, _ = measured
    assert {"ours", "products"} <= {row["kind"] for row in training["rows"]}
    assert features["rows"][0]["examples"] == corpus.ROWS["train"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--mode=trains"], "trains"),
        (["--mode=command", "--data_dir=x"], "--vocab_file, --bert_config_file"),
        (["--data_dir=x"], "--vocab_file"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message, capsys):
    with pytest.raises(SystemExit):
        bench.parse_arguments(arguments)
    assert message in capsys.readouterr().err.splitlines()[-1]


# ---- Programs and their rounds ----


class FakeWorker:
    def __init__(self, name, turns):
        self._name, self._turns = name, turns

    def run(self, **request):
        self._turns.append((self._name, request))
        return len(self._turns)


def test_programs_take_turns_and_the_first_place_rotates():
    turns = []
    workers = [FakeWorker(name, turns) for name in "ab"]
    seconds = programs._take_turns(workers, 2, 1, {"steps": 3})
    assert turns == [(name, {"steps": 3}) for name in "ababba"]
    assert seconds == [[3, 6], [4, 5]]


def test_losses_are_compared():
    programs.check_losses({"a": 0.7, "b": 0.70005, "without": None})
    with pytest.raises(programs.BenchmarkError, match=r"a 0\.700000, b 0\.700200"):
        programs.check_losses({"a": 0.7, "b": 0.7002})


def test_a_worker_that_ends_is_reported_with_its_log():
    with pytest.raises(programs.BenchmarkError, match="no_such_worker"):
        programs.Worker(sys.executable, "no_such_worker", {})


def test_work_starts_over_after_the_last_item():
    items = []
    serving.cycling(items.append, list("abc"), together=False)(steps=4)
    serving.cycling(items.append, list("ABC"), together=True)(steps=2)
    assert "".join(items) == "abcaABCABC"


def test_a_weight_in_the_wrong_place_changes_the_loss(tmp_path):
    weights = examples.random_weights(SHAPE)
    arrays = examples.random_examples(8, 16, SHAPE["vocab_size"])
    paths = {name: str(tmp_path / (name + ".npz")) for name in ("arrays", "weights")}
    examples.save(paths["arrays"], arrays, examples.take(arrays, slice(4)))
    spec = {"program": "ours", "shape": SHAPE, "threads": 1}
    spec.update(paths, training=False, batch=4, dtype="float32")

    def first_loss():
        np.savez(paths["weights"], **weights)
        facts, work = tf_worker.set_up(spec)
        work(steps=1)
        return facts["first_loss"]

    loss = first_loss()
    key_kernel = "bert/encoder/layer_0/attention/self/key/kernel"
    weights[key_kernel] = weights[key_kernel].T
    assert abs(first_loss() - loss) > programs.LOSS_TOLERANCE
    del weights["output_bias"]
    with pytest.raises(KeyError, match="output_bias"):
        first_loss()


def row(kind, seconds, **facts):
    names = {"name": kind, "kind": kind, "stack": "TF 2", "dtype": "float32"}
    times = {"seconds": seconds, "median_seconds": float(np.median(seconds))}
    return dict(facts, peak_bytes=5e6, **names, **times)


def test_rates_and_ratios_are_those_of_the_rounds():
    ours = row("ours", [1.0, 2.0, 3.0], first_loss=0.7)
    other = row("original", [2.0, 4.0, 9.0])
    alone = row("products", [1.0, 1.0, 1.0], flops=[10, 30])
    rows = [ours, other, alone]
    assert measurements._add_rates(rows, batch=4, count=8) == 20.0
    assert ours["examples_per_second"] == 2.0 and ours["times_products"] == 2.0
    ratios = measurements.compare(rows)
    assert ratios == {"ours": {"original": {"median": 2.0, "least": 2.0, "most": 3.0}}}
    measurement = {"what": "training", "title": "Training", "turn": "2 steps"}
    measurement.update(rows=rows, ratios=ratios)
    table = "\n".join(report.lines(measurement))
    assert "Median of 3 rounds of 2 steps" in table
    assert "2.00 times (rounds: 2.00 to 3.00)" in table


# ---- Examples ----


def test_random_examples_are_as_long_as_those_of_mrpc():
    arrays = examples.random_examples(2000, 128, 30522)
    lengths = examples.lengths(arrays)
    assert lengths.mean() == pytest.approx(53.0, abs=1.5)
    assert lengths.std() == pytest.approx(13.7, abs=1.0)
    assert lengths.min() >= 15 and lengths.max() <= 128
    assert np.all((arrays["input_ids"] != 0) == (arrays["input_mask"] == 1))


def test_real_examples_are_those_of_the_file(tmp_path):
    flags = corpus.write(str(tmp_path))
    files = [value(flags, name) for name in ("data_dir", "vocab_file")]
    arrays = examples.mrpc_examples(*files, "dev", 16)
    assert arrays["input_ids"].shape == (corpus.ROWS["dev"], 16)
    assert arrays["label_ids"].tolist() == [n % 2 for n in range(13)]


def test_inference_is_timed_in_the_batches_of_the_command():
    arrays = examples.random_examples(40, 128, 30522)
    bounds = examples.our_bounds(arrays, 4)
    in_order = examples.by_length(arrays)
    with tf.Graph().as_default(), tf.Session() as session:
        batch = tf_worker.next_batch_by_length(tf, arrays, 4)
        for first, last in zip(bounds[:-1], bounds[1:]):
            values = session.run(batch)
            for name, expected in examples.take(in_order, slice(first, last)).items():
                assert values[name].tolist() == expected.tolist()
        assert len(session.run(batch)["label_ids"]) == bounds[1]
    assert len(bounds) - 1 < 40 // 4


# ---- The products alone ----


def test_operations_are_counted_as_by_hand():
    tokens, width, inner = 5, 8, 12
    dense = 2 * tokens * (4 * width * width + 2 * width * inner)
    # Two products for each group's rectangle; heads times their width is the width.
    attention = 2 * 2 * width * (1 * 3 * 3 + 2 * 4 * 4)
    groups = [(1, 3), (2, 4)]
    forward = matrix_products.products(tokens, groups, SHAPE, training=False)
    assert len(forward) == 6 + 2 * 2
    assert matrix_products.flops(forward) == dense + attention
    both = matrix_products.products(tokens, groups, SHAPE, training=True)
    assert matrix_products.flops(both) == 3 * (dense + attention)
    for left, right in both:
        assert left[-1] == right[-2] and left[:-2] == right[:-2]


@pytest.mark.parametrize(
    "rows, training, groups",
    [(16, True, [(8, 2), (8, 9)]), (3, True, [(3, 2)]), (16, False, [(16, 9)])],
)
def test_groups_are_those_of_the_program(rows, training, groups):
    mask = (np.arange(9) < np.array([[2]] * 8 + [[9]] * 8)).astype(np.int32)[:rows]
    assert matrix_products.groups_of(tf, [mask], 2, training) == [groups]


def test_every_product_is_run():
    arrays = examples.random_examples(4, 16, SHAPE["vocab_size"])
    spec = {"shape": SHAPE, "batch": 4, "training": True}
    spec["dtype"] = "float32"
    with tf.Graph().as_default():
        _, session, steps = matrix_products.set_up(tf, spec, arrays, tf.ConfigProto())
        with session:
            nodes = executed.nodes(session, steps[0])
    layers, dense, attention, passes = 2, 6, 2, 3
    count = len({node.name for node in executed.products(nodes)})
    assert count == layers * (dense + attention) * passes
